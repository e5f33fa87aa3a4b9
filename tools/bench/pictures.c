/* Reading a data set of pictures: on all cores beside one, in turn in the same run.
 *
 * usage: pictures [--rounds N] [PATH]
 *
 * PATH is what kiln_dataset_open takes; $KILN_DATA_DIR/cifar10-jpg.tar.gz by default. A round reads
 * its training part once with a single thread, which unpacks and decodes, and once with as many as
 * there are cores. */
#include <kiln/kiln.h>

#include "base/clock.h"
#include "data/picture_work.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_ROUNDS = 99 };

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Seconds of one reading; a negative number on failure. */
static double seconds(const char *path, int threads, int64_t *rows)
{
    picture_threads = threads;
    double start = clock_seconds();
    kiln_dataset *data = kiln_dataset_open(path);
    double end = clock_seconds();
    if (data == NULL) {
        fprintf(stderr, "pictures: %s\n", kiln_last_error());
        return -1;
    }
    *rows = kiln_dataset_size(data);
    kiln_dataset_free(data);
    return end - start;
}

int main(int argc, char **argv)
{
    char standard[4096];
    const char *path = NULL, *folder = getenv("KILN_DATA_DIR");
    int rounds = 5;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc)
            rounds = atoi(argv[++i]);
        else if (argv[i][0] == '-' || path) {
            fprintf(stderr, "usage: pictures [--rounds N] [PATH]\n");
            return 2;
        } else
            path = argv[i];
    }
    if (rounds < 1 || rounds > MOST_ROUNDS) {
        fprintf(stderr, "pictures: --rounds is 1 to %d\n", MOST_ROUNDS);
        return 2;
    }
    if (path == NULL) {
        if (folder == NULL) {
            fprintf(stderr, "pictures: name a data set, or set KILN_DATA_DIR\n");
            return 2;
        }
        snprintf(standard, sizeof standard, "%s/cifar10-jpg.tar.gz", folder);
        path = standard;
    }
    double took[2][MOST_ROUNDS];
    int64_t rows = 0;
    const int threads[2] = {1, 0};
    for (int r = 0; r < rounds; r++)
        for (int t = 0; t < 2; t++)
            if ((took[t][r] = seconds(path, threads[t], &rows)) < 0)
                return 1;
    for (int t = 0; t < 2; t++)
        qsort(took[t], (size_t)rounds, sizeof **took, ascending);
    printf("%s: %lld pictures, %d rounds, %ld cores; best / median\n", path, (long long)rows,
           rounds, sysconf(_SC_NPROCESSORS_ONLN));
    for (int t = 0; t < 2; t++)
        printf("  %-9s  %9.0f / %9.0f pictures a second\n", t ? "all cores" : "one core",
               (double)rows / took[t][0], (double)rows / took[t][rounds / 2]);
    printf("  ratio      %9.2f / %9.2f\n", took[0][0] / took[1][0],
           took[0][rounds / 2] / took[1][rounds / 2]);
    return 0;
}
