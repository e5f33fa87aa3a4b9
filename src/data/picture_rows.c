#include "data/picture_rows.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

uint64_t picture_rows_memory;

static uint64_t memory_limit(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    if (picture_rows_memory)
        return picture_rows_memory;
    return pages > 0 && page > 0 ? (uint64_t)pages / 2 * (uint64_t)page : (uint64_t)1 << 31;
}

static kiln_status no_room(const char *folder, size_t bytes, int error)
{
    return kiln_fail(KILN_ERROR_FILE,
                     "%s: the unpacked pictures do not fit into memory, and %zu MB for them cannot "
                     "be had there: %s; set KILN_CACHE_DIR to a folder with more room, or make "
                     "the pictures smaller (image_size, --image-size)",
                     folder, bytes >> 20, strerror(error));
}

/* The file has its blocks before it is mapped: a disk that is full is an error, not a signal. */
static kiln_status extend(int file, const char *folder, size_t bytes)
{
    int error;
    do
        error = posix_fallocate(file, 0, (off_t)bytes);
    while (error == EINTR);
    return error ? no_room(folder, bytes, error) : KILN_OK;
}

/* A file without a name: it goes when it is unmapped, however the program ends. */
static kiln_status open_file(const char *folder, int *file)
{
    char *path = str_format("%s/rows-XXXXXX", folder);
    if (path == NULL)
        return kiln_last_status();
    *file = mkostemp(path, O_CLOEXEC);
    kiln_status status = KILN_OK;
    if (*file < 0)
        status = kiln_fail(KILN_ERROR_FILE, "%s: cannot be written: %s", path, strerror(errno));
    else
        unlink(path);
    free(path);
    return status;
}

static kiln_status to_file(picture_rows *rows, const char *folder, size_t bytes)
{
    int file = -1;
    if (rows->file == 0) {
        KILN_TRY(open_file(folder, &file));
        rows->file = file;
    }
    KILN_TRY(extend(rows->file, folder, bytes));
    uint8_t *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, rows->file, 0);
    if (base == MAP_FAILED)
        return kiln_fail_memory(bytes);
    return rows->base = base, KILN_OK;
}

/* Another place for what is there, larger. */
static kiln_status remap(picture_rows *rows, size_t bytes)
{
    uint8_t *old = rows->base;
    size_t had = rows->mapped;
    if (bytes <= memory_limit() && rows->file == 0) {
        uint8_t *base = old ? mremap(old, had, bytes, MREMAP_MAYMOVE)
                            : mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (base == MAP_FAILED)
            return kiln_fail_memory(bytes);
        madvise(base, bytes, MADV_HUGEPAGE); /* fewer page faults, where the system has them */
        rows->base = base;
        rows->mapped = bytes;
        return KILN_OK;
    }
    bool move = rows->file == 0;
    char *folder = file_cache_path("pictures", NULL);
    kiln_status status = folder ? to_file(rows, folder, bytes) : kiln_last_status();
    free(folder);
    if (status != KILN_OK)
        return status;
    if (old && move)
        memcpy(rows->base, old, had);
    if (old)
        munmap(old, had);
    rows->mapped = bytes;
    return KILN_OK;
}

kiln_status picture_rows_reserve(picture_rows *rows, int64_t count)
{
    if (count <= rows->capacity)
        return KILN_OK;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if ((uint64_t)count > (SIZE_MAX / 2 - page) / rows->row_bytes)
        return kiln_fail_memory(SIZE_MAX);
    /* doubled in memory, where untouched pages cost nothing; by a quarter on the disk */
    size_t bytes = (size_t)count * rows->row_bytes, more = rows->mapped + rows->mapped / 4;
    if (rows->file == 0 && 2 * rows->mapped <= memory_limit())
        more = 2 * rows->mapped;
    if (more > bytes)
        bytes = more;
    bytes = (bytes + page - 1) / page * page;
    KILN_TRY(remap(rows, bytes));
    rows->capacity = (int64_t)(bytes / rows->row_bytes);
    return KILN_OK;
}

/* Follows each cycle of the permutation once. */
static void follow(picture_rows *rows, int64_t *from, int64_t count, uint8_t *spare)
{
    size_t size = rows->row_bytes;
    for (int64_t start = 0; start < count; start++) {
        if (from[start] == start)
            continue;
        memcpy(spare, rows->base + (size_t)start * size, size);
        int64_t at = start;
        while (from[at] != start) {
            int64_t next = from[at];
            memcpy(rows->base + (size_t)at * size, rows->base + (size_t)next * size, size);
            from[at] = at;
            at = next;
        }
        memcpy(rows->base + (size_t)at * size, spare, size);
        from[at] = at;
    }
}

kiln_status picture_rows_arrange(picture_rows *rows, int64_t count, const int64_t *from,
                                 int64_t there)
{
    int64_t *whole = mem_new((size_t)there, sizeof *whole), left = count;
    bool *used = whole ? mem_new((size_t)there, sizeof *used) : NULL;
    uint8_t *spare = used ? mem_new(rows->row_bytes, 1) : NULL;
    kiln_status status = spare ? KILN_OK : kiln_last_status();
    if (spare) {
        for (int64_t i = 0; i < count; i++) {
            whole[i] = from[i];
            used[from[i]] = true;
        }
        for (int64_t i = 0; i < there; i++) /* the others behind them */
            if (!used[i])
                whole[left++] = i;
        follow(rows, whole, there, spare);
    }
    free(whole);
    free(used);
    free(spare);
    return status;
}

data_block *picture_rows_finish(picture_rows *rows, int64_t count)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t bytes = ((size_t)count * rows->row_bytes + page - 1) / page * page;
    if (bytes > 0 && bytes < rows->mapped) {
        munmap(rows->base + bytes, rows->mapped - bytes);
        rows->mapped = bytes;
    }
    if (rows->file)
        close(rows->file);
    data_block *block = data_block_new(rows->base, rows->mapped, true);
    if (block && rows->file == 0)
        block->anonymous = true;
    *rows = (picture_rows){0};
    return block;
}

void picture_rows_free(picture_rows *rows)
{
    if (rows->base)
        munmap(rows->base, rows->mapped);
    if (rows->file)
        close(rows->file);
    *rows = (picture_rows){0};
}
