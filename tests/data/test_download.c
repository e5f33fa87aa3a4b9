/* Downloads against a server on this machine, and MNIST by every way it can be found. */
#include "support.h"

#include "base/file.h"
#include "base/memory.h"
#include "data/dataset.h"
#include "data/download.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t server;
static int port;
static char root[512];

static void start_server(void)
{
    int out[2];
    char line[32] = "";
    enter_folder();
    ck_assert_ptr_nonnull(getcwd(root, sizeof root));
    ck_assert_int_eq(mkdir("served", 0777), 0);
    ck_assert_int_eq(mkdir("served/set", 0777), 0);
    ck_assert_int_eq(pipe(out), 0);
    server = fork();
    if (server == 0) {
        dup2(out[1], 1);
        close(out[0]);
        close(out[1]);
        execlp("python3", "python3", TEST_SOURCE "/server.py", "served", (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    FILE *in = fdopen(out[0], "r");
    if (fgets(line, sizeof line, in))
        port = atoi(line);
    fclose(in);
    unsetenv("http_proxy");
    setenv("no_proxy", "127.0.0.1", 1);
}

static void stop_server(void)
{
    kill(server, SIGTERM);
    waitpid(server, NULL, 0);
    leave_folder();
}

static void use_server(const char *mode)
{
    char url[64];
    ck_assert_int_gt(port, 0);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/%s", port, mode);
    setenv("KILN_DATA_URL", url, 1);
    put_text("served/requests", "");
}

static void expect_requests(const char *wanted)
{
    void *content;
    size_t size;
    ck_assert_int_eq(file_read("served/requests", 1 << 20, &content, &size), KILN_OK);
    ck_assert_str_eq(content, wanted);
    free(content);
}

/* The file served, and whether what came is the same. */
static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";

static kiln_status check_letters(void *user, const char *path)
{
    void *content;
    size_t size;
    ++*(int *)user;
    KILN_TRY(file_read(path, 1 << 22, &content, &size));
    bool same = strcmp(content, letters) == 0;
    free(content);
    return same ? KILN_OK : kiln_fail(KILN_ERROR_FORMAT, "%s is wrong", path);
}

static int checks;

static download wanted(void)
{
    put_text("served/set/file", letters);
    unlink("got");
    unlink("got.part");
    checks = 0;
    return (download){.set = "set",
                      .file = "file",
                      .path = "got",
                      .most = 1 << 20,
                      .patience = 2,
                      .check = check_letters,
                      .user = &checks};
}

static void expect_got(void)
{
    void *content;
    size_t size;
    ck_assert_int_eq(file_read("got", 1000, &content, &size), KILN_OK);
    ck_assert_str_eq(content, letters);
    free(content);
    ck_assert(!file_exists("got.part"));
}

START_TEST(gets_a_file)
{
    download what = wanted();
    use_server("good");
    ck_assert_msg(download_get(&what) == KILN_OK, "%s", kiln_last_error());
    expect_got();
    expect_requests("/good/set/file -\n");
    ck_assert_int_eq(checks, 1);
    use_server("moved");
    unlink("got");
    ck_assert_msg(download_get(&what) == KILN_OK, "%s", kiln_last_error());
    expect_got();
    expect_requests("/moved/set/file -\n/good/set/file -\n");
}
END_TEST

START_TEST(resumes)
{
    download what = wanted();
    use_server("cut");
    ck_assert_int_eq(download_get(&what), KILN_ERROR_DOWNLOAD);
    char message[256];
    snprintf(message, sizeof message,
             "http://127.0.0.1:%d/cut/set/file: transfer closed with 18 bytes remaining to read",
             port);
    expect_error(KILN_ERROR_DOWNLOAD, message);
    struct stat info;
    ck_assert_int_eq(stat("got.part", &info), 0);
    ck_assert_int_eq(info.st_size, 18);
    ck_assert(!file_exists("got"));
    use_server("good");
    ck_assert_msg(download_get(&what) == KILN_OK, "%s", kiln_last_error());
    expect_requests("/good/set/file bytes=18-\n");
    expect_got();
}
END_TEST

START_TEST(starts_again_where_resuming_fails)
{
    download what = wanted();
    put_text("got.part", "XXXX"); /* of another file */
    use_server("good");
    ck_assert_msg(download_get(&what) == KILN_OK, "%s", kiln_last_error());
    expect_requests("/good/set/file bytes=4-\n/good/set/file -\n");
    expect_got();
    ck_assert_int_eq(checks, 2);

    what = wanted();
    put_text("got.part", "abcdefgh"); /* a server that cannot resume sends all of it */
    use_server("whole");
    ck_assert_msg(download_get(&what) == KILN_OK, "%s", kiln_last_error());
    expect_requests("/whole/set/file bytes=8-\n");
    expect_got();

    what = wanted();
    put_text("got.part", letters); /* complete, only the renaming was missed */
    use_server("good");
    ck_assert_msg(download_get(&what) == KILN_OK, "%s", kiln_last_error());
    expect_requests("/good/set/file bytes=36-\n");
    expect_got();

    what = wanted();
    put_text("got.part", "much longer than the file that is served, and wrong from the start");
    use_server("good");
    ck_assert_msg(download_get(&what) == KILN_OK, "%s", kiln_last_error());
    expect_requests("/good/set/file bytes=66-\n/good/set/file -\n");
    expect_got();
}
END_TEST

static const struct {
    const char *mode, *message;
} failures[] = {
    {"missing", "http://127.0.0.1:%d/missing/set/file answers with HTTP status 404"},
    {"garbage", "http://127.0.0.1:%d/garbage/set/file sent something else: got.part is wrong"},
    {"endless", "http://127.0.0.1:%d/endless/set/file sends more than 1048576 bytes"},
    {"silent",
     "http://127.0.0.1:%d/silent/set/file does not answer, or sends nothing for 2 seconds"},
};

START_TEST(says_why_it_failed)
{
    char message[256];
    download what = wanted();
    use_server(failures[_i].mode);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(message, sizeof message, failures[_i].message, port);
#pragma GCC diagnostic pop
    ck_assert_int_eq(download_get(&what), KILN_ERROR_DOWNLOAD);
    expect_error(KILN_ERROR_DOWNLOAD, message);
    ck_assert(!file_exists("got"));
}
END_TEST

START_TEST(says_that_nobody_answers)
{
    download what = wanted();
    setenv("KILN_DATA_URL", "http://127.0.0.1:1/", 1);
    ck_assert_int_eq(download_get(&what), KILN_ERROR_DOWNLOAD);
    ck_assert_ptr_nonnull(
        strstr(kiln_last_error(), "http://127.0.0.1:1/set/file: Failed to connect"));
    ck_assert(!file_exists("got.part")); /* nothing came: nothing is left */
    setenv("KILN_DATA_URL", "file:///etc", 1);
    ck_assert_int_eq(download_get(&what), KILN_ERROR_DOWNLOAD);
    what.path = "nowhere/got";
    ck_assert_int_eq(download_get(&what), KILN_ERROR_FILE);
    expect_error(KILN_ERROR_FILE, "nowhere/got.part cannot be written: No such file or directory");
}
END_TEST

static int stop_at_once(void *user, const char *file, int64_t done, int64_t total)
{
    (void)file, (void)done, (void)total;
    ++*(int *)user;
    return 1;
}

static int watch(void *user, const char *file, int64_t done, int64_t total)
{
    int64_t *last = user;
    ck_assert_str_eq(file, "file");
    ck_assert_int_ge(done, last[0]);
    last[0] = done;
    last[1] = total;
    return 0;
}

START_TEST(reports_progress_and_stops)
{
    int64_t last[2] = {0, 0};
    int calls = 0;
    download what = wanted();
    use_server("good");
    put_text("got.part", "abcdef");
    kiln_set_download_progress(watch, last);
    ck_assert_int_eq(download_get(&what), KILN_OK);
    ck_assert_int_eq(last[0], 36);
    ck_assert_int_eq(last[1], 36);
    unlink("got");
    kiln_set_download_progress(stop_at_once, &calls);
    ck_assert_int_eq(download_get(&what), KILN_INTERRUPTED);
    ck_assert_int_ge(calls, 1);
    kiln_set_download_progress(NULL, NULL);
}
END_TEST

START_TEST(two_processes_get_one_file)
{
    download what = wanted();
    use_server("good");
    pid_t child = fork();
    kiln_status status = download_get(&what);
    if (child == 0)
        _exit(status);
    int result;
    waitpid(child, &result, 0);
    ck_assert_int_eq(status, KILN_OK);
    ck_assert_int_eq(WEXITSTATUS(result), KILN_OK);
    expect_got();
    expect_requests("/good/set/file -\n");
}
END_TEST

/* ---- MNIST ---- */

static void expect_mnist(kiln_dataset *train, kiln_dataset *test)
{
    const int32_t first[] = {5, 0, 4, 1, 9}, first_test[] = {7, 2, 1, 0, 4};
    ck_assert_int_eq(kiln_dataset_size(train), 60000);
    ck_assert_int_eq(kiln_dataset_size(test), 10000);
    ck_assert_mem_eq(train->targets[0].data, first, sizeof first);
    ck_assert_mem_eq(test->targets[0].data, first_test, sizeof first_test);
    ck_assert_int_eq(train->inputs[0].dtype, KILN_UINT8);
    ck_assert_int_eq(train->inputs[0].shape.rank, 2);
    ck_assert_double_eq(kiln_dataset_scale(train), 1.0 / 255);
}

START_TEST(loads_mnist_from_the_data_folder)
{
    char *folder = real_data("mnist/t10k-labels-idx1-ubyte.gz");
    kiln_dataset *train, *test;
    if (folder == NULL)
        return;
    free(folder);
    setenv("KILN_DATA_URL", "http://127.0.0.1:1", 1);
    ck_assert_msg(kiln_datasets_mnist_load(&train, &test) == KILN_OK, "%s", kiln_last_error());
    expect_mnist(train, test);
    kiln_dataset_free(train);
    kiln_dataset_free(test);
    test = kiln_dataset_open("mnist:test");
    ck_assert_ptr_nonnull(test);
    ck_assert_int_eq(kiln_dataset_size(test), 10000);
    kiln_dataset_free(test);
    test = kiln_dataset_open("mnist", .part = "test");
    ck_assert_int_eq(kiln_dataset_size(test), 10000);
    kiln_dataset_free(test);
}
END_TEST

static void link_real(const char *folder, const char *name)
{
    char from[1024], to[1024];
    snprintf(from, sizeof from, "%s/mnist/%s", getenv("KILN_DATA_DIR"), name);
    snprintf(to, sizeof to, "%s/%s", folder, name);
    unlink(to);
    ck_assert_int_eq(symlink(from, to), 0);
}

static void serve_real_mnist(void)
{
    mkdir("served/mnist", 0777);
    link_real("served/mnist", "train-images-idx3-ubyte.gz");
    link_real("served/mnist", "train-labels-idx1-ubyte.gz");
    link_real("served/mnist", "t10k-images-idx3-ubyte.gz");
    link_real("served/mnist", "t10k-labels-idx1-ubyte.gz");
}

START_TEST(downloads_mnist_into_the_cache)
{
    char *there = real_data("mnist/t10k-labels-idx1-ubyte.gz");
    kiln_dataset *train, *test;
    if (there == NULL)
        return;
    free(there);
    serve_real_mnist();
    setenv("KILN_CACHE_DIR", "cache", 1);
    unsetenv("KILN_DATA_DIR");
    use_server("good");
    ck_assert_msg(kiln_datasets_mnist_load(&train, &test) == KILN_OK, "%s", kiln_last_error());
    expect_mnist(train, test);
    kiln_dataset_free(train);
    kiln_dataset_free(test);
    expect_requests(
        "/good/mnist/train-images-idx3-ubyte.gz -\n/good/mnist/train-labels-idx1-ubyte.gz -\n"
        "/good/mnist/t10k-images-idx3-ubyte.gz -\n/good/mnist/t10k-labels-idx1-ubyte.gz -\n");
    use_server("missing"); /* from the cache now */
    ck_assert_msg(kiln_datasets_mnist_load(&train, &test) == KILN_OK, "%s", kiln_last_error());
    expect_mnist(train, test);
    kiln_dataset_free(train);
    kiln_dataset_free(test);
    expect_requests("");
    ck_assert(file_exists("cache/mnist/train-images-idx3-ubyte.bin")); /* unpacked once */
    /* a damaged file in the cache is fetched again */
    ck_assert_int_eq(truncate("cache/mnist/t10k-images-idx3-ubyte.gz", 1000), 0);
    ck_assert_int_eq(truncate("cache/mnist/t10k-labels-idx1-ubyte.gz", 1000), 0);
    use_server("good");
    ck_assert_msg(kiln_datasets_mnist_load(NULL, &test) == KILN_OK, "%s", kiln_last_error());
    ck_assert_int_eq(kiln_dataset_size(test), 10000);
    kiln_dataset_free(test);
    expect_requests(
        "/good/mnist/t10k-images-idx3-ubyte.gz -\n/good/mnist/t10k-labels-idx1-ubyte.gz -\n");
}
END_TEST

START_TEST(says_what_to_do_without_mnist)
{
    kiln_dataset *train, *test;
    char message[512];
    setenv("KILN_CACHE_DIR", "empty-cache", 1);
    unsetenv("KILN_DATA_DIR");
    use_server("missing");
    ck_assert_int_eq(kiln_datasets_mnist_load(&train, &test), KILN_ERROR_DOWNLOAD);
    snprintf(message, sizeof message,
             "MNIST is neither in $KILN_DATA_DIR nor in the cache, and its download failed: "
             "http://127.0.0.1:%d/missing/mnist/train-images-idx3-ubyte.gz answers with HTTP "
             "status 404; put "
             "train-images-idx3-ubyte.gz into $KILN_DATA_DIR/mnist by hand, or use the built-in "
             "data set digits, "
             "which needs no download",
             port);
    expect_error(KILN_ERROR_DOWNLOAD, message);
    ck_assert_ptr_null(train);
    ck_assert_ptr_null(test);
    ck_assert_ptr_null(kiln_dataset_open("mnist:validation"));
    expect_error(KILN_ERROR_ARGUMENT, "mnist:validation: the part 'validation' of a data set is "
                                      "unknown; there are train and test");
}
END_TEST

START_TEST(refuses_other_files_called_mnist)
{
    kiln_dataset *train;
    uint32_t dims[3] = {2, 28, 28};
    unsigned char *pixels = calloc(2, 784);
    size_t size;
    unsigned char *file = make_idx(8, 3, dims, pixels, 2 * 784, &size);
    mkdir("given", 0777);
    put_file("given/train-images.idx3-ubyte", file, size);
    free(file);
    free(pixels);
    setenv("KILN_DATA_DIR", "given", 1);
    ck_assert_int_eq(kiln_datasets_mnist_load(&train, NULL), KILN_ERROR_FORMAT);
    expect_error(KILN_ERROR_FORMAT, "given/train-images.idx3-ubyte is not MNIST's "
                                    "train-images-idx3-ubyte: it holds uint8 of shape (2, "
                                    "28, 28) with the SHA-256 12878cea1d1793cf... instead of "
                                    "ba891046e6505d7a...; to use other IDX "
                                    "files, name them: IMAGES,LABELS");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("download");
    TCase *tests = tcase_create("download");
    tcase_add_unchecked_fixture(tests, start_server, stop_server);

    tcase_add_test(tests, gets_a_file);
    tcase_add_test(tests, resumes);
    tcase_add_test(tests, starts_again_where_resuming_fails);
    tcase_add_loop_test(tests, says_why_it_failed, 0, (int)(sizeof failures / sizeof *failures));
    tcase_add_test(tests, says_that_nobody_answers);
    tcase_add_test(tests, reports_progress_and_stops);
    tcase_add_test(tests, two_processes_get_one_file);
    tcase_add_test(tests, loads_mnist_from_the_data_folder);
    tcase_add_test(tests, downloads_mnist_into_the_cache);
    tcase_add_test(tests, says_what_to_do_without_mnist);
    tcase_add_test(tests, refuses_other_files_called_mnist);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
