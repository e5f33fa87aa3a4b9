/* Choosing: what is kept, and what becomes of a file that makes no sense. */
#include "reference.h"

#include "base/file.h"
#include "blas/measure.h"
#include "blas/record.h"
#include "blas/tune.h"
#include "harness/harness.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* A cache of the test's own. */
static void fresh_cache(void)
{
    setenv("KILN_CACHE_DIR", harness_folder(), 1);
}

/* The path of the only file of choices in the cache. */
static char *book_path(void)
{
    char *folder = file_cache_path("products", NULL), *path = NULL;
    ck_assert_ptr_nonnull(folder);
    DIR *dir = opendir(folder);
    ck_assert_ptr_nonnull(dir);
    for (struct dirent *entry; (entry = readdir(dir));)
        if (strstr(entry->d_name, ".txt")) {
            ck_assert_msg(path == NULL, "two files of choices");
            path = file_cache_path("products", entry->d_name);
        }
    closedir(dir);
    free(folder);
    ck_assert_msg(path != NULL, "no file of choices was written");
    return path;
}

static char *contents(const char *path)
{
    void *data;
    size_t bytes;
    harness_ok(file_read(path, 1 << 20, &data, &bytes));
    return data;
}

/* Large enough to be measured. */
static blas_product product(void)
{
    return blas_plain(96, 160, 144, false, false);
}

/* A small tile of the kind that the device runs, or of the other one. */
static tile small_tile(bool serial)
{
    return serial ? (tile){.serial = true, .tm = 2, .tn = 16, .rm = 2, .rn = 16, .kb = 64}
                  : (tile){.tm = 16, .tn = 8, .lx = 8, .ly = 8, .kt = 8};
}

START_TEST(a_choice_is_kept)
{
    fresh_cache();
    HARNESS_EACH_DEVICE(device)
    {
        if (harness_is_slow(device))
            continue;
        blas_product p = product();
        blas_choice first, second;
        harness_ok(blas_choose(device, BLAS_TILE, &p, false, &first));
        ck_assert_int_eq(first.engine, BLAS_TILE);
        char *path = book_path(), *kept_lines = contents(path);
        ck_assert_msg(strstr(kept_lines, "\n96x160x144 NN ld=144,160,160 tile = ") != NULL, "%s",
                      kept_lines);
        ck_assert_msg(strstr(kept_lines, "GFLOP/s\n") != NULL, "%s", kept_lines);
        ck_assert_msg(strstr(kept_lines, "trying") == NULL, "%s", kept_lines);

        /* What the file says is done, measured or not. */
        char value[RECORD_TEXT];
        ck_assert(record_find(device, "96x160x144 NN ld=144,160,160 tile", value));
        candidate kept;
        ck_assert(candidate_read(value, &kept));
        const bool serial = tile_kind_is_serial(device);
        kept.tile = small_tile(serial);
        candidate_write(&kept, value, sizeof value);
        record_keep(device, "96x160x144 NN ld=144,160,160 tile", value);
        blas_forget_device(device);
        harness_ok(blas_choose(device, BLAS_TILE, &p, false, &second));
        ck_assert_int_eq(second.tile_m, kept.tile.tm);
        ck_assert_int_eq(second.tile_n, kept.tile.tn);
        ck_assert_uint_eq(second.global[0] / second.local[0], (size_t)(96 / kept.tile.tm * (160 / kept.tile.tn)));

        /* But not a tile of the kind of kernels that the device does not run, faulty ones maybe. */
        kept.tile = small_tile(!serial);
        candidate_write(&kept, value, sizeof value);
        record_keep(device, "96x160x144 NN ld=144,160,160 tile", value);
        harness_ok(blas_choose(device, BLAS_TILE, &p, false, &second));
        ck_assert(second.serial == serial);
        /* A device that only seems smaller keeps its choices apart. */
        char *usual = device_record_path(device, "products", NULL);
        const char *debug = getenv("KILN_DEBUG");
        char *limits = str_format("%s%slimits:local:8192", debug ? debug : "", debug ? "," : "");
        char *before = debug ? str_copy(debug) : NULL;
        setenv("KILN_DEBUG", limits, 1);
        char *apart = device_record_path(device, "products", NULL);
        ck_assert_str_ne(usual, apart);
        if (before)
            setenv("KILN_DEBUG", before, 1);
        else
            unsetenv("KILN_DEBUG");
        char *again = device_record_path(device, "products", NULL);
        ck_assert_str_eq(usual, again);
        free(usual);
        free(limits);
        free(before);
        free(apart);
        free(again);
        free(kept_lines);
        unlink(path);
        free(path);
        blas_forget_device(device);
    }
    harness_remove_folder();
}
END_TEST

/* The engine that was taken without a measurement is kept; its tile may still be measured. */
START_TEST(an_untimed_engine_stays)
{
    fresh_cache();
    HARNESS_EACH_DEVICE(device)
    {
        if (harness_is_slow(device))
            continue;
        const char *key = "96x160x144 NN ld=144,160,160";
        char value[RECORD_TEXT];
        blas_product p = product();
        blas_choice choice;
        record_keep(device, key, "clblast, not timed");
        harness_ok(blas_choose(device, BLAS_AUTO, &p, false, &choice));
        ck_assert_int_eq(choice.engine, BLAS_CLBLAST);
        record_keep(device, key, "serial tm=2 tn=16 rm=2 rn=16 kb=64 pack=0,0, not timed");
        harness_ok(blas_choose(device, BLAS_AUTO, &p, false, &choice));
        ck_assert_int_eq(choice.engine, BLAS_TILE);
        ck_assert(record_find(device, key, value));
        ck_assert_msg(strstr(value, "GFLOP/s") != NULL, "%s", value);
        blas_forget_device(device);
    }
    harness_remove_folder();
}
END_TEST

START_TEST(lines_without_sense_are_measured_again)
{
    static const char *const lines[] = {
        "96x160x144 NN ld=144,160,160 tile = serial tm=-8 tn=32 rm=8 rn=32 kb=512 pack=0,0",
        "96x160x144 NN ld=144,160,160 tile = serial tm=8 tn=33 rm=8 rn=33 kb=512 pack=0,0",
        "96x160x144 NN ld=144,160,160 tile = serial tm=8",
        "96x160x144 NN ld=144,160,160 tile = clblast",
        "96x160x144 NN ld=144,160,160 tile = local tm=64 tn=64 lx=100000 ly=100000 kt=16",
        "96x160x144 NN ld=144,160,160 tile = ",
        "\x01\xff = \xfe",
        " = ",
    };
    fresh_cache();
    HARNESS_EACH_DEVICE(device)
    {
        if (harness_is_slow(device))
            continue;
        blas_product p = product();
        blas_choice choice, again;
        harness_ok(blas_choose(device, BLAS_TILE, &p, false, &choice));
        char *path = book_path();
        for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
            char *old = contents(path);
            old[strcspn(old, "\n")] = '\0';
            char *changed = str_format("%s\n%s\n", old, lines[i]);
            harness_ok(file_write_atomic(path, changed, strlen(changed)));
            free(changed);
            free(old);
            blas_forget_device(device);
            harness_ok(blas_choose(device, BLAS_TILE, &p, false, &again));
            ck_assert_int_eq(again.engine, BLAS_TILE);
            ck_assert_int_gt(again.tile_m, 0);
        }
        /* Another format, an unreadable file: as if there were none. */
        harness_ok(file_write_atomic(path, "rubbish", 7));
        blas_forget_device(device);
        harness_ok(blas_choose(device, BLAS_TILE, &p, false, &again));
        unlink(path);
        ck_assert_int_eq(mkdir(path, 0700), 0);
        blas_forget_device(device);
        harness_ok(blas_choose(device, BLAS_TILE, &p, false, &again));
        rmdir(path);
        free(path);
        blas_forget_device(device);
    }
    harness_remove_folder();
}
END_TEST

START_TEST(tuning_can_be_turned_off)
{
    fresh_cache();
    setenv("KILN_TUNE", "off", 1);
    HARNESS_EACH_DEVICE(device)
    {
        blas_product p = product();
        blas_choice choice;
        tile rule;
        tile_rule(device, &p, &rule);
        harness_ok(blas_choose(device, BLAS_TILE, &p, false, &choice));
        ck_assert_int_eq(choice.tile_m, rule.tm);
        ck_assert_int_eq(choice.tile_n, rule.tn);
        char *folder = str_format("%s/products", harness_folder());
        ck_assert_ptr_nonnull(folder);
        ck_assert(!file_exists(folder));
        free(folder);
    }
    harness_remove_folder();
}
END_TEST

START_TEST(engines_can_be_forced)
{
    setenv("KILN_TUNE", "off", 1);
    HARNESS_EACH_DEVICE(device)
    {
        blas_product p = product();
        blas_choice choice;
        harness_ok(blas_choose(device, BLAS_CLBLAST, &p, false, &choice));
        ck_assert_int_eq(choice.engine, BLAS_CLBLAST);
        harness_ok(blas_choose(device, BLAS_CLBLAST, &p, true, &choice));
        ck_assert_int_eq(choice.engine, BLAS_TILE);
        setenv("KILN_GEMM", "clblast", 1);
        harness_ok(blas_choose(device, BLAS_AUTO, &p, false, &choice));
        ck_assert_int_eq(choice.engine, BLAS_CLBLAST);
        harness_ok(blas_choose(device, BLAS_TILE, &p, false, &choice));
        ck_assert_int_eq(choice.engine, BLAS_TILE);
        setenv("KILN_GEMM", "fast", 1);
        harness_fails(blas_choose(device, BLAS_AUTO, &p, false, &choice), KILN_ERROR_ARGUMENT,
                      "\"fast\"");
        unsetenv("KILN_GEMM");
    }
}
END_TEST

/* A process that ends while it tries a candidate costs the candidate, the second time. */
START_TEST(a_candidate_that_ends_the_process_is_left_out)
{
    fresh_cache();
    HARNESS_EACH_DEVICE(device)
    {
        if (harness_is_slow(device))
            continue;
        for (int i = 0; i < 2; i++) {
            ck_assert(!record_is_fatal(device, "a product", "a tile"));
            pid_t child = fork();
            if (child == 0) {
                record_trying(device, "a product", "a tile");
                _exit(1);
            }
            ck_assert_int_eq(waitpid(child, NULL, 0), child);
            blas_forget_device(device);
        }
        ck_assert(record_is_fatal(device, "a product", "a tile"));
        ck_assert(!record_is_fatal(device, "a product", "another tile"));
        record_trying(device, "a product", "another tile"); /* this process lives */
        ck_assert(!record_is_fatal(device, "a product", "another tile"));
        record_trying(device, "a product", NULL);
        blas_forget_device(device);
    }
    harness_remove_folder();
}
END_TEST

START_TEST(wrong_results_are_seen)
{
    enum { M = 37, N = 45, K = 12 };
    static float a[M * K], b[K * N], c[M * N];
    const blas_product p = blas_plain(M, N, K, false, false);
    for (int i = 0; i < M * K; i++)
        a[i] = (float)(i % 17) - 8;
    for (int i = 0; i < K * N; i++)
        b[i] = (float)(i % 13) - 6;
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++)
            for (int k = 0; k < K; k++)
                c[i * N + j] += a[i * K + k] * b[k * N + j];
    ck_assert(product_is_right(&p, a, b, c));
    const float last = c[M * N - 1], middle = c[M * N / 2];
    c[M * N - 1] += 1;
    ck_assert(!product_is_right(&p, a, b, c));
    c[M * N - 1] = last;
    c[M * N / 2] = NAN;
    ck_assert(!product_is_right(&p, a, b, c));
    c[M * N / 2] = middle;
    ck_assert(product_is_right(&p, a, b, c));
    for (int i = 1; i < M - 1; i++) /* all but the corners */
        for (int j = 0; j < N; j++)
            c[i * N + j] *= 1.001f;
    ck_assert(!product_is_right(&p, a, b, c));
}
END_TEST

/* A candidate that computes something else, and one that does not compile, cost nothing but
 * themselves. */
START_TEST(wrong_candidates_are_found_out)
{
    fresh_cache();
    HARNESS_EACH_DEVICE(device)
    {
        if (harness_is_slow(device))
            continue;
        blas_product p = product();
        candidate list[3] = {
            {.engine = BLAS_TILE,
             .tile = {.serial = true, .tm = 8, .tn = 48, .rm = 8, .rn = 24, .kb = 64}},
            {.engine = BLAS_TILE,
             .tile = {.serial = true, .tm = 8, .tn = 32, .rm = 8, .rn = 0, .kb = 64}},
            {.engine = BLAS_TILE,
             .tile = {.serial = true, .tm = 8, .tn = 32, .rm = 8, .rn = 32, .kb = 64}},
        };
        harness_ok(measure(device, &p, "a test", list, 3,
                           (measure_effort){.certain = 1, .windows = MEASURE_MOST_WINDOWS, .seconds = 60}));
        ck_assert(!list[0].right); /* vectors of 16 leave a third of its columns unwritten */
        ck_assert(!list[1].right);
        ck_assert(list[2].right);
        ck_assert_double_gt(list[2].seconds, 0);
        ck_assert_str_eq(kiln_last_error(), "");
        ck_assert_uint_eq(kiln_device_memory_used(device), 0);
        blas_forget_device(device);
    }
    harness_remove_folder();
}
END_TEST

/* On a CPU CLBlast takes part only by name, or once tuning has kept it. */
START_TEST(clblast_is_left_to_tuning_on_cpus)
{
    fresh_cache();
    HARNESS_EACH_DEVICE(device)
    {
        if (harness_is_slow(device) || device->info.type != KILN_DEVICE_CPU)
            continue;
        const blas_product p = blas_plain(512, 512, 1024, false, false);
        static const char key[] = "512x512x1024 NN ld=1024,512,512";
        blas_choice choice;
        char value[RECORD_TEXT];
        harness_ok(blas_choose(device, BLAS_AUTO, &p, false, &choice));
        ck_assert_int_eq(choice.engine, BLAS_TILE);
        ck_assert(record_find(device, key, value));
        ck_assert_msg(strstr(value, "clblast") == NULL && strstr(value, "GFLOP/s") != NULL, "%s", value);
        record_keep(device, key, "clblast, 999.0 GFLOP/s (tuned)");
        harness_ok(blas_choose(device, BLAS_AUTO, &p, false, &choice));
        ck_assert_int_eq(choice.engine, BLAS_CLBLAST);
        blas_forget_device(device);
    }
    harness_remove_folder();
}
END_TEST

/* Where the device is no CPU, CLBlast takes part at once; one that fails or is wrong loses. */
START_TEST(clblast_is_timed_where_there_is_a_gpu)
{
    fresh_cache();
    for (int fails = 0; fails < 2; fails++) {
        setenv("KILN_DEBUG", fails ? "fail:CLBlastSgemm:1" : "", 1);
        HARNESS_EACH_DEVICE(device)
        {
            if (harness_is_slow(device))
                continue;
            blas_product p = product();
            blas_choice choice;
            char value[RECORD_TEXT];
            device->info.type = KILN_DEVICE_GPU; /* says so; it computes as before */
            harness_ok(blas_choose(device, BLAS_AUTO, &p, false, &choice));
            ck_assert(record_find(device, "96x160x144 NN ld=144,160,160", value));
            if (fails) {
                ck_assert_int_eq(choice.engine, BLAS_TILE);
                ck_assert_msg(strstr(value, "(clblast failed)") != NULL, "%s", value);
            } else {
                ck_assert_msg(strstr(value, choice.engine == BLAS_CLBLAST ? "(tile " : "(clblast "),
                              "%s", value);
            }
            record_keep(device, "96x160x144 NN ld=144,160,160", NULL);
            blas_forget_device(device);
        }
    }
    harness_remove_folder();
}
END_TEST

/* The time for trials is over: what is taken is checked all the same. */
START_TEST(choices_are_checked_without_time)
{
    fresh_cache();
    HARNESS_EACH_DEVICE(device)
    {
        if (harness_is_slow(device))
            continue;
        candidate list[2] = {
            {.engine = BLAS_TILE,
             .tile = {.serial = true, .tm = 8, .tn = 32, .rm = 8, .rn = 32, .kb = 64}},
            {.engine = BLAS_TILE,
             .tile = {.serial = true, .tm = 4, .tn = 32, .rm = 4, .rn = 32, .kb = 64}},
        };
        blas_product p = product();
        harness_ok(measure(device, &p, "a test", list, 2,
                           (measure_effort){.certain = 1, .windows = MEASURE_WINDOWS}));
        ck_assert(list[0].ran && list[0].right && list[0].seconds > 0);
        ck_assert(!list[1].ran && !list[1].right);
        harness_ok(measure(device, &p, "a test", list, 2,
                           (measure_effort){.certain = 2, .windows = MEASURE_WINDOWS, .seconds = -5}));
        ck_assert(list[1].ran && list[1].right && list[1].seconds > 0);
        blas_forget_device(device);
    }
    harness_remove_folder();
}
END_TEST

START_TEST(a_device_that_is_always_wrong_is_named)
{
    kiln_device device = {.info = {.name = "Liar", .driver = "0.1"}};
    const blas_product p = product();
    candidate list[3] = {{.engine = BLAS_TILE}, {.engine = BLAS_CLBLAST}, {.engine = BLAS_TILE}};
    const candidate *best;
    harness_ok(candidates_best(&device, &p, list, 3, &best)); /* none could run */
    ck_assert_ptr_null(best);
    list[0].ran = list[1].ran = true;
    list[1].seconds = 1e-9;
    harness_fails(candidates_best(&device, &p, list, 3, &best), KILN_ERROR_DEVICE,
                  "\"Liar\" computes a product of 96 x 160 x 144 wrongly, in each of 2 ways");
    list[2] = (candidate){.ran = true, .right = true, .seconds = 1};
    harness_ok(candidates_best(&device, &p, list, 3, &best));
    ck_assert_ptr_eq(best, &list[2]);
    list[0] = (candidate){.ran = true, .right = true, .seconds = 1.02};
    harness_ok(candidates_best(&device, &p, list, 3, &best)); /* not by a hair */
    ck_assert_ptr_eq(best, &list[0]);
    list[0].seconds = 42e-6;
    list[2].seconds = 40e-6;
    harness_ok(candidates_best(&device, &p, list, 3, &best)); /* a launch is a good part of it */
    ck_assert_ptr_eq(best, &list[0]);
    list[2].seconds = 38e-6;
    harness_ok(candidates_best(&device, &p, list, 3, &best));
    ck_assert_ptr_eq(best, &list[2]);
}
END_TEST

/* A work-item owns rows of the result, and op(B) may lie in panels: tuning keeps both as they are. */
START_TEST(rows_are_tuned)
{
    fresh_cache();
    HARNESS_EACH_DEVICE(device)
    {
        if (harness_is_slow(device))
            continue;
        blas_product p = blas_plain(128, 160, 144, false, false);
        p.rows = 16;
        workload w = workload_of_product(&p, false), again;
        ck_assert_str_eq(w.key, "128x160x144 NN ld=144,160,160 rows=16 tile");
        ck_assert(workload_read(w.key, &again));
        ck_assert_int_eq(again.product.rows, 16);
        ck_assert(!workload_read("128x160x144 NN ld=144,160,160 rows=15 tile", &again));
        ck_assert(!workload_read("128x160x144 NN ld=144,160,160 panel=48 tile", &again));
        blas_choice rule, choice;
        harness_ok(blas_choose_rows(device, &p, &rule));
        ck_assert_int_eq(rule.tile_m, 16);
        candidate c = {.engine = BLAS_TILE,
                       .tile = {.serial = true, .tm = 16, .tn = 32, .rm = 3, .rn = 32, .kb = 64},
                       .seconds = 1};
        tune_keep(device, &w, &c, true);
        harness_ok(blas_choose_rows(device, &p, &choice));
        ck_assert_msg(strstr(choice.defines, "#define KILN_RM 3\n") != NULL, "%s", choice.defines);
        c.tile.tm = 8; /* not the rows it is asked for */
        tune_keep(device, &w, &c, true);
        harness_ok(blas_choose_rows(device, &p, &choice));
        ck_assert_str_eq(choice.defines, rule.defines);

        p.panel = 16;
        w = workload_of_product(&p, false);
        ck_assert_str_eq(w.key, "128x160x144 NN ld=144,160,160 panel=16 rows=16 tile");
        ck_assert(workload_read(w.key, &again));
        ck_assert_int_eq(again.product.panel, 16);
        candidate from, list[TUNE_NEIGHBOURS];
        harness_ok(tune_incumbent(device, &w, &from));
        ck_assert_int_eq(from.tile.rn, 16);
        int count = tune_neighbours(device, &w, &from, list);
        ck_assert_int_gt(count, 1);
        if (count > 4)
            count = 4;
        for (int i = 0; i < count; i++) {
            ck_assert_int_eq(list[i].tile.tm, 16);
            ck_assert_int_eq(list[i].tile.rn, 16);
        }
        harness_ok(workload_measure(
            device, &w, list, count,
            (measure_effort){.certain = count, .windows = 1, .seconds = 600}));
        for (int i = 0; i < count; i++)
            ck_assert_msg(list[i].right, "candidate %d is not right", i);
        blas_forget_device(device);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("choice");
    TCase *tests = tcase_create("choice");
    tcase_add_test(tests, a_choice_is_kept);
    tcase_add_test(tests, an_untimed_engine_stays);
    tcase_add_test(tests, lines_without_sense_are_measured_again);
    tcase_add_test(tests, tuning_can_be_turned_off);
    tcase_add_test(tests, engines_can_be_forced);
    tcase_add_test(tests, a_candidate_that_ends_the_process_is_left_out);
    tcase_add_test(tests, wrong_results_are_seen);
    tcase_add_test(tests, wrong_candidates_are_found_out);
    tcase_add_test(tests, clblast_is_left_to_tuning_on_cpus);
    tcase_add_test(tests, clblast_is_timed_where_there_is_a_gpu);
    tcase_add_test(tests, choices_are_checked_without_time);
    tcase_add_test(tests, a_device_that_is_always_wrong_is_named);
    tcase_add_test(tests, rows_are_tuned);
    suite_add_tcase(suite, tests);
    return harness_run(suite);
}
