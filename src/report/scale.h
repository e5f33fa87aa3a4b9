/* Axes: from numbers to places, and where the marks go. */
#ifndef REPORT_SCALE_H
#define REPORT_SCALE_H

#include <stdbool.h>
#include <stddef.h>

enum { SCALE_MOST_TICKS = 16 };

typedef struct scale {
    double low, high; /* of the numbers; not equal */
    bool log;         /* both above 0 */
    double from, to;  /* their places */
} scale;

/* An axis for numbers from low to high, widened to round ones. Not finite, equal, or (for a
 * logarithm) not positive limits are mended. */
scale scale_make(double low, double high, bool log, double from, double to);

/* The place of a number; numbers outside are put at the nearer end. */
double scale_at(const scale *s, double value);

/* Round numbers inside, at most `most` (<= SCALE_MOST_TICKS) of them; returns how many. */
size_t scale_ticks(const scale *s, size_t most, double *ticks);

/* A number as an axis has it: "0.25", "1,200", "1e-5". Returns out. */
const char *scale_label(double value, char out[32]);

#endif
