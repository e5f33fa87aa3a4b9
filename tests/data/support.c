#include "support.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

static char folder[256];

void enter_folder(void)
{
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/kiln-test-XXXXXX", base ? base : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(chdir(folder), 0);
}

static void remove_tree(const char *path)
{
    DIR *directory = opendir(path);
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        char inner[1024];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
        struct stat info;
        if (lstat(inner, &info) == 0 && S_ISDIR(info.st_mode))
            remove_tree(inner);
        else
            unlink(inner);
    }
    if (directory)
        closedir(directory);
    rmdir(path);
}

void leave_folder(void)
{
    if (chdir("/") == 0)
        remove_tree(folder);
}

void put_file(const char *name, const void *bytes, size_t size)
{
    FILE *file = fopen(name, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, size, file), size);
    ck_assert_int_eq(fclose(file), 0);
}

void put_text(const char *name, const char *content)
{
    put_file(name, content, strlen(content));
}

void put_gzip(const char *name, const void *bytes, size_t size)
{
    gzFile file = gzopen(name, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(gzwrite(file, bytes, (unsigned)size), (int)size);
    ck_assert_int_eq(gzclose(file), Z_OK);
}

unsigned char *make_idx(int code, int rank, const uint32_t *dims, const void *elements,
                        size_t bytes, size_t *size)
{
    *size = 4 + 4 * (size_t)rank + bytes;
    unsigned char *out = calloc(*size, 1);
    ck_assert_ptr_nonnull(out);
    out[2] = (unsigned char)code;
    out[3] = (unsigned char)rank;
    for (int i = 0; i < rank; i++)
        for (int b = 0; b < 4; b++)
            out[4 + 4 * i + b] = (unsigned char)(dims[i] >> (24 - 8 * b));
    memcpy(out + 4 + 4 * rank, elements, bytes);
    return out;
}

char *real_data(const char *name)
{
    const char *base = getenv("KILN_DATA_DIR");
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", base ? base : "", name);
    if (base == NULL || access(path, R_OK) != 0) {
        printf("skip: %s: not in $KILN_DATA_DIR\n", name);
        return NULL;
    }
    return strdup(path);
}

int run_suite(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
