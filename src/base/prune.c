#include "base/prune.h"

#include "base/memory.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { STALE_SECONDS = 3600 };

typedef struct entry {
    char *name;
    uint64_t bytes;
    struct timespec used;
} entry;

typedef struct entry_list {
    entry *items;
    size_t count, capacity;
    uint64_t bytes;
} entry_list;

static bool ends_with(const char *name, size_t length, const char *end)
{
    size_t n = strlen(end);
    return length > n && memcmp(name + length - n, end, n) == 0;
}

/* "NAME.PROCESS-NUMBER.part", as file_begin names them, not a download's "NAME.part". */
static bool is_leftover(const char *name)
{
    size_t at = strlen(name), digits = 0;
    if (!ends_with(name, at, ".part"))
        return false;
    for (at -= 5; at && isdigit((unsigned char)name[at - 1]); at--)
        digits++;
    if (digits == 0 || at == 0 || name[--at] != '-')
        return false;
    for (digits = 0; at && isdigit((unsigned char)name[at - 1]); at--)
        digits++;
    return digits > 0 && at > 1 && name[at - 1] == '.';
}

/* Out of memory: the file is left alone. */
static void add(entry_list *list, const char *name, const struct stat *about)
{
    /* A file takes whole blocks, and an empty one its place in the folder. */
    const uint64_t bytes = ((uint64_t)about->st_size / 4096 + 1) * 4096;
    list->bytes += bytes;
    if (MEM_PUSH_ROOM(list) != KILN_OK)
        return;
    char *copy = str_copy(name);
    if (copy)
        list->items[list->count++] = (entry){copy, bytes, about->st_mtim};
}

static int by_use(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    if (x->used.tv_sec != y->used.tv_sec)
        return x->used.tv_sec < y->used.tv_sec ? -1 : 1;
    if (x->used.tv_nsec != y->used.tv_nsec)
        return x->used.tv_nsec < y->used.tv_nsec ? -1 : 1;
    return strcmp(x->name, y->name);
}

void prune_folder(const char *folder, const char *end, uint64_t limit)
{
    kiln_error_record before;
    DIR *directory = opendir(folder);
    if (directory == NULL)
        return;
    kiln_error_save(&before);
    const int place = dirfd(directory);
    const time_t now = time(NULL);
    entry_list list = {0};
    for (struct dirent *e; (e = readdir(directory));) {
        struct stat about;
        if (fstatat(place, e->d_name, &about, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(about.st_mode))
            continue;
        if (is_leftover(e->d_name) && now - about.st_mtime > STALE_SECONDS)
            unlinkat(place, e->d_name, 0);
        else if (end && ends_with(e->d_name, strlen(e->d_name), end))
            add(&list, e->d_name, &about);
    }
    if (list.bytes > limit) {
        if (list.count)
            qsort(list.items, list.count, sizeof *list.items, by_use);
        for (size_t i = 0; i < list.count && list.bytes > limit / 4 * 3; i++) {
            unlinkat(place, list.items[i].name, 0);
            list.bytes -= list.items[i].bytes;
        }
    }
    for (size_t i = 0; i < list.count; i++)
        free(list.items[i].name);
    free(list.items);
    closedir(directory);
    kiln_error_restore(&before);
}

void prune_used(const char *path)
{
    /* The time of the last reading will not do: most file systems keep it to the day. */
    utimensat(AT_FDCWD, path, NULL, 0);
}
