#include "data/mapped.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/prune.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* The file: one page that describes the bytes, so that they start on a page of their own; the
 * bytes. */
enum { PAGE = 4096 };

static void describe(char page[PAGE], const char *stamp, const void *bytes, size_t size)
{
    memset(page, 0, PAGE);
    snprintf(page, PAGE, "kiln kept bytes 1\n%s\nsize %zu hash %016" PRIx64 "\n", stamp, size,
             hash_bytes(0, bytes, size));
}

static data_block *map_file(const char *path, size_t size)
{
    struct stat info;
    void *memory = MAP_FAILED;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return NULL;
    if (fstat(file, &info) == 0 && S_ISREG(info.st_mode) && info.st_size >= 0 &&
        (uint64_t)info.st_size == (uint64_t)size + PAGE)
        memory = mmap(NULL, size + PAGE, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
    close(file);
    return memory == MAP_FAILED ? NULL : data_block_new(memory, size + PAGE, true);
}

data_block *mapped_open(const char *folder, const char *name, const char *stamp, size_t size,
                        const void **data)
{
    kiln_error_record before;
    kiln_error_save(&before);
    char page[PAGE];
    char *path = file_cache_path(folder, name);
    data_block *block = path ? map_file(path, size) : NULL;
    free(path);
    if (block == NULL) {
        kiln_error_restore(&before);
        return NULL;
    }
    *data = (const char *)block->memory + PAGE;
    describe(page, stamp, *data, size);
    if (memcmp(page, block->memory, PAGE) != 0) {
        data_block_release(block);
        return NULL;
    }
    return block;
}

void mapped_keep(const char *folder, const char *name, const char *stamp, const void *bytes,
                 size_t size)
{
    kiln_error_record before;
    kiln_error_save(&before);
    char page[PAGE];
    file_writer writer;
    char *path = file_cache_path(folder, name);
    describe(page, stamp, bytes, size);
    if (path && file_begin(&writer, path) == KILN_OK) {
        if (fwrite(page, 1, PAGE, writer.stream) == PAGE &&
            fwrite(bytes, 1, size, writer.stream) == size)
            file_commit(&writer);
        else
            file_abandon(&writer);
    }
    free(path);
    /* What is kept has a name for each data set, so only interrupted writes add up. */
    path = file_cache_path(folder, NULL);
    if (path)
        prune_folder(path, NULL, 0);
    free(path);
    kiln_error_restore(&before);
}
