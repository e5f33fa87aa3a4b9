/* Files: whole reads, writes that happen or do not, cache paths. */
#include "base/file.h"
#include "base/prune.h"

#include "harness/harness.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char path[512];

static const char *in_folder(const char *name)
{
    snprintf(path, sizeof path, "%s/%s", harness_folder(), name);
    return path;
}

static void check_content(const char *file, const char *expected)
{
    void *data;
    size_t bytes;
    harness_ok(file_read(file, 1000, &data, &bytes));
    ck_assert_uint_eq(bytes, strlen(expected));
    ck_assert_str_eq(data, expected); /* terminated */
    free(data);
}

static int entries(const char *folder)
{
    int n = 0;
    DIR *directory = opendir(folder);
    ck_assert_ptr_nonnull(directory);
    for (struct dirent *entry; (entry = readdir(directory));)
        n += entry->d_name[0] != '.';
    closedir(directory);
    return n;
}

START_TEST(write_and_read)
{
    const char *file = in_folder("a");
    harness_ok(file_write_atomic(file, "first", 5));
    check_content(file, "first");
    harness_ok(file_write_atomic(file, "second one", 10));
    check_content(file, "second one");
    harness_ok(file_write_atomic(file, "", 0));
    check_content(file, "");
    ck_assert_int_eq(entries(harness_folder()), 1);
    ck_assert(file_exists(file));
    ck_assert(!file_exists(in_folder("b")));
    harness_remove_folder();
}
END_TEST

START_TEST(modes_and_links)
{
    struct stat about;
    char link[600];
    const char *file = in_folder("a");
    umask(027);
    harness_ok(file_write_atomic(file, "x", 1));
    ck_assert_int_eq(stat(file, &about), 0);
    ck_assert_uint_eq(about.st_mode & 0777, 0640);
    chmod(file, 0604);
    harness_ok(file_write_atomic(file, "y", 1));
    stat(file, &about);
    ck_assert_uint_eq(about.st_mode & 0777, 0604);
    /* What a link points to is replaced; the link stays. */
    snprintf(link, sizeof link, "%s/link", harness_folder());
    ck_assert_int_eq(symlink("a", link), 0);
    harness_ok(file_write_atomic(link, "through", 7));
    ck_assert_int_eq(lstat(link, &about), 0);
    ck_assert(S_ISLNK(about.st_mode));
    check_content(in_folder("a"), "through");
    harness_remove_folder();
}
END_TEST

START_TEST(abandoned_writes_leave_nothing)
{
    file_writer writer;
    const char *file = in_folder("a");
    harness_ok(file_write_atomic(file, "old", 3));
    harness_ok(file_begin(&writer, file));
    fputs("half of the new", writer.stream);
    fflush(writer.stream);
    check_content(file, "old");
    file_abandon(&writer);
    file_abandon(&writer);
    check_content(file, "old");
    ck_assert_int_eq(entries(harness_folder()), 1);
    harness_remove_folder();
}
END_TEST

/* A limit on file sizes is the full disk that every test machine has. */
START_TEST(full_disk_keeps_the_old_file)
{
    static char big[1 << 20];
    struct rlimit limit;
    const char *file = in_folder("a");
    harness_ok(file_write_atomic(file, "old", 3));
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &limit);
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = 65536;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    harness_fails(file_write_atomic(file, big, sizeof big), KILN_ERROR_FILE,
                  "could not be written");
    ck_assert_ptr_nonnull(strstr(kiln_last_error(), "File too large"));
    limit.rlim_cur = before;
    setrlimit(RLIMIT_FSIZE, &limit);
    check_content(file, "old");
    ck_assert_int_eq(entries(harness_folder()), 1);
    harness_remove_folder();
}
END_TEST

START_TEST(special_files)
{
    harness_ok(file_write_atomic("/dev/null", "x", 1));
    struct stat about;
    ck_assert_int_eq(stat("/dev/null", &about), 0);
    ck_assert(S_ISCHR(about.st_mode));
    if (access("/dev/full", W_OK) == 0)
        harness_fails(file_write_atomic("/dev/full", "x", 1), KILN_ERROR_FILE, "No space left");
}
END_TEST

START_TEST(writable)
{
    const char *file = in_folder("a");
    harness_ok(file_writable(file));
    ck_assert_int_eq(entries(harness_folder()), 0);
    harness_ok(file_write_atomic(file, "old", 3));
    harness_ok(file_writable(file));
    check_content(file, "old");
    harness_fails(file_writable(in_folder("missing/a")), KILN_ERROR_FILE,
                  "missing/a cannot be written");
    harness_fails(file_writable(in_folder("a/b")), KILN_ERROR_FILE, "cannot be written");
    harness_fails(file_writable(harness_folder()), KILN_ERROR_FILE, "it is a folder");
    harness_fails(file_writable(""), KILN_ERROR_FILE, "empty name");
    if (getuid() != 0) {
        chmod(harness_folder(), 0500);
        harness_fails(file_writable(in_folder("new")), KILN_ERROR_FILE, "Permission denied");
        chmod(harness_folder(), 0700);
    }
    harness_remove_folder();
}
END_TEST

START_TEST(reads_that_fail)
{
    void *data;
    size_t bytes;
    harness_fails(file_read(in_folder("none"), 10, &data, &bytes), KILN_ERROR_FILE, "No such file");
    harness_fails(file_read(harness_folder(), 10, &data, &bytes), KILN_ERROR_FILE, "directory");
    harness_ok(file_write_atomic(in_folder("a"), "0123456789", 10));
    harness_ok(file_read(path, 10, &data, &bytes));
    free(data);
    harness_fails(file_read(path, 9, &data, &bytes), KILN_ERROR_FILE, "10 bytes");
    ck_assert_ptr_null(data);
    harness_fails(file_read("/dev/zero", 100000, &data, &bytes), KILN_ERROR_FILE,
                  "larger than 100000");
    harness_remove_folder();
}
END_TEST

START_TEST(folders_and_cache)
{
    char deep[600], xdg[600];
    struct stat about;
    snprintf(deep, sizeof deep, "%s/x/y//z/", harness_folder());
    harness_ok(file_make_directories(deep));
    harness_ok(file_make_directories(deep));
    ck_assert(stat(deep, &about) == 0 && S_ISDIR(about.st_mode));
    harness_ok(file_write_atomic(in_folder("plain"), "", 0));
    harness_fails(file_make_directories(in_folder("plain/sub")), KILN_ERROR_FILE, "cannot be made");

    snprintf(xdg, sizeof xdg, "%s/xdg", harness_folder());
    setenv("KILN_CACHE_DIR", deep, 1);
    char *cache = file_cache_path("programs", "one.bin");
    ck_assert_msg(cache != NULL, "%s", kiln_last_error());
    ck_assert_ptr_nonnull(strstr(cache, "/z//programs/one.bin"));
    harness_ok(file_write_atomic(cache, "", 0));
    free(cache);
    unsetenv("KILN_CACHE_DIR");
    setenv("XDG_CACHE_HOME", xdg, 1);
    cache = file_cache_path("a/b", NULL);
    ck_assert_ptr_nonnull(strstr(cache, "/xdg/kiln/a/b"));
    ck_assert(file_exists(cache));
    free(cache);
    unsetenv("XDG_CACHE_HOME");
    setenv("HOME", xdg, 1);
    cache = file_cache_path("a", "f");
    ck_assert_ptr_nonnull(strstr(cache, "/xdg/.cache/kiln/a/f"));
    free(cache);
    unsetenv("HOME");
    ck_assert_ptr_null(file_cache_path("a", "f"));
    ck_assert_int_eq(kiln_last_status(), KILN_ERROR_FILE);
    setenv("KILN_CACHE_DIR", in_folder("plain"), 1);
    ck_assert_ptr_null(file_cache_path("a", "f"));
    harness_remove_folder();
}
END_TEST

/* A file of `bytes` bytes that was last used `age` seconds ago. */
static void put(const char *name, size_t bytes, long age)
{
    static char zeros[20000];
    harness_ok(file_write_atomic(in_folder(name), zeros, bytes));
    const struct timespec then = {.tv_sec = time(NULL) - age};
    ck_assert_int_eq(utimensat(AT_FDCWD, path, (struct timespec[2]){then, then}, 0), 0);
}

START_TEST(the_oldest_are_pruned)
{
    for (int i = 0; i < 10; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d.bin", i);
        put(name, 10000, 1000 - 10 * i); /* three blocks each: 120 KiB in all */
    }
    put("other.txt", 10000, 100000);
    prune_folder(harness_folder(), ".bin", 120 << 10);
    ck_assert_int_eq(entries(harness_folder()), 11);
    prune_used(in_folder("0.bin"));
    prune_folder(harness_folder(), ".bin", (120 << 10) - 1); /* down to 90 KiB: seven files */
    ck_assert_int_eq(entries(harness_folder()), 8);
    ck_assert(file_exists(in_folder("0.bin")));
    ck_assert(file_exists(in_folder("other.txt")));
    for (int i = 1; i < 4; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d.bin", i);
        ck_assert(!file_exists(in_folder(name)));
    }
    prune_folder(harness_folder(), ".bin", 0);
    ck_assert_int_eq(entries(harness_folder()), 1);
    prune_folder(in_folder("nowhere"), ".bin", 0);
    ck_assert_str_eq(kiln_last_error(), "");
    harness_remove_folder();
}
END_TEST

START_TEST(leftovers_are_pruned)
{
    put("a.bin.123-4.part", 5, 4000);
    put("a.bin.123-5.part", 5, 100); /* may be in the making */
    put("images.gz.part", 5, 4000);  /* a download that goes on */
    put("images.gz.12.part", 5, 4000);
    put("1-2.part", 5, 4000);
    prune_folder(harness_folder(), NULL, 0);
    ck_assert_int_eq(entries(harness_folder()), 4);
    ck_assert(!file_exists(in_folder("a.bin.123-4.part")));
    harness_remove_folder();
}
END_TEST

/* Processes that fill, use and prune one folder at once see whole files or none. */
START_TEST(processes_prune_together)
{
    enum { PROCESSES = 4, ROUNDS = 60, BYTES = 5000 };
    harness_folder();
    for (int p = 0; p < PROCESSES; p++) {
        if (fork() != 0)
            continue;
        static char content[BYTES];
        int bad = 0;
        for (int i = 0; i < ROUNDS; i++) {
            char name[16];
            void *data;
            size_t bytes;
            snprintf(name, sizeof name, "%d.bin", (i * 7 + p) % 13);
            if (file_exists(in_folder(name)) && file_read(path, BYTES, &data, &bytes) == KILN_OK) {
                bad += bytes != BYTES;
                prune_used(path);
                free(data);
            }
            bad += file_write_atomic(path, content, BYTES) != KILN_OK;
            prune_folder(harness_folder(), ".bin", 40000);
        }
        _exit(bad != 0);
    }
    for (int p = 0; p < PROCESSES; p++) {
        int status;
        ck_assert_int_gt(wait(&status), 0);
        ck_assert_int_eq(status, 0);
    }
    ck_assert_int_le(entries(harness_folder()), 5);
    harness_remove_folder();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("file");
    TCase *tests = tcase_create("file");
    tcase_add_test(tests, write_and_read);
    tcase_add_test(tests, modes_and_links);
    tcase_add_test(tests, abandoned_writes_leave_nothing);
    tcase_add_test(tests, full_disk_keeps_the_old_file);
    tcase_add_test(tests, special_files);
    tcase_add_test(tests, writable);
    tcase_add_test(tests, reads_that_fail);
    tcase_add_test(tests, folders_and_cache);
    tcase_add_test(tests, the_oldest_are_pruned);
    tcase_add_test(tests, leftovers_are_pruned);
    tcase_add_test(tests, processes_prune_together);
    suite_add_tcase(suite, tests);
    return harness_run(suite);
}
