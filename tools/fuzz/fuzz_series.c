/* Series: tables with dates however they are written. The first byte chooses the columns, the rest is the file. */
#include "data/series.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check(const series_table *t)
{
    for (int64_t i = 0; i < t->rows * (int64_t)t->columns; i++)
        if (!isfinite(t->values[i]))
            abort();
    if (t->dates == NULL || t->interval.unit == INTERVAL_NONE)
        return;
    static const int64_t steps[] = {1, 2, 13, 100000, INT32_MAX};
    series_interval_season(&t->interval);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        free(series_date_after(t->dates[t->rows - 1], &t->format, &t->interval, steps[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const char *const words[][2] = {{"v", "0"}, {"-1", "1"}};
    char path[64];
    if (size == 0)
        return 0;
    int file = memfd_create("series.csv", 0);
    if (file < 0 || write(file, bytes + 1, size - 1) != (ssize_t)(size - 1))
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    series_table table = {.rows = 0};
    const series_choice choice = {.count = (bytes[0] & 3) % 3, .words = words[bytes[0] >> 2 & 1]};
    kiln_status status = series_read(path, &choice, &table);
    if (status == KILN_OK)
        check(&table);
    else if (*kiln_last_error() == '\0')
        abort();
    series_free(&table);
    kiln_clear_error();
    close(file);
    return 0;
}
