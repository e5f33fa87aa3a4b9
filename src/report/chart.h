/* Drawings in SVG for a page (page.h has their colours): curves and points between axes, bars, and
 * what lies on a time line. Width is in pixels at full size. */
#ifndef REPORT_CHART_H
#define REPORT_CHART_H

#include "base/memory.h"

enum { CHART_COLORS = 8 };

typedef struct chart_series {
    const char *name; /* for the legend; NULL: not in it */
    const double *x;  /* NULL: 1, 2, 3, ... */
    const double *y;  /* numbers that are not finite interrupt a curve; a point alone is a circle */
    size_t count;
    int color;                 /* from 0; -1: that of the text */
    const double *radius;      /* NULL: a curve; else points */
    const char *const *notes;  /* shown when a point is pointed at; NULL: none */
    const char *const *labels; /* written beside a point, NULL for none; NULL: none at all */
    bool dashed;
} chart_series;

typedef struct chart {
    const char *title, *x_name, *y_name; /* title: read aloud, not drawn */
    bool log_x, log_y;
    const chart_series *series;
    size_t count;
    bool from_zero; /* the y axis begins at 0 */
} chart;
void chart_draw(text *out, const chart *c, double width, double height);

typedef struct chart_bar {
    const char *name, *value; /* value: as it is written */
    double length, mark;      /* mark: a line across; 0: none */
    int color;
} chart_bar;
/* Bars below each other, each under its name; on a logarithmic scale where the longest is more than
 * a hundred times the shortest. */
void chart_bars(text *out, const char *title, const chart_bar *bars, size_t count, double width);

typedef struct chart_span {
    double start, length;
    int color;
    const char *name, *note; /* name: written where it fits */
} chart_span;
/* A time line in the unit that x_name says. */
void chart_timeline(text *out, const char *title, const char *x_name, const chart_span *spans,
                    size_t count, double width);

/* A matrix of counts (rows x columns), its cells toned by their share of the row. */
void chart_matrix(text *out, const char *title, const char *const *names, const double *counts,
                  size_t classes, double width);

#endif
