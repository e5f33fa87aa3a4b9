/* kiln compare: the same training on each device, in a process of its own, and what came of it. */
#ifndef CLI_COMPARE_H
#define CLI_COMPARE_H

#include "base/memory.h"

#include <jansson.h>
#include <kiln/device.h>

/* A kernel of one step. Its launches at one place add up. */
typedef struct compared_kernel {
    char *name, *layer, *shape;
    double calls, seconds, flops, bytes; /* a step */
} compared_kernel;

/* A launch on the time line of one step. */
typedef struct compared_span {
    size_t kernel;
    double start, seconds;
} compared_span;

typedef struct compared_device {
    char *machine; /* "this machine", or the file it comes from */
    char *name, *platform, *driver, *version, *type, *processor;
    double compute_units, memory, largest_allocation;
    bool measured;
    kiln_device_peaks peaks;
    char *problem; /* why it was not measured; NULL: it was */
} compared_device;

typedef struct compared_run {
    size_t device; /* of comparison.devices */
    char *network, *data;
    char *bits;    /* of the initial weights, the data and the seed: equal bits make equal curves */
    char *problem; /* why there are no figures; NULL: there are */
    char *
        put_aside; /* what the check of the device found wrong, and plans do without; "": nothing */
    double batch, steps_wanted;
    double *losses; /* of each step; fewer than wanted on a device that is too slow */
    size_t loss_count;
    double best, median, first_step, compile; /* seconds; best and median: of a step */
    double programs;                          /* compiled from source */
    double device_memory, host_memory;        /* bytes */
    compared_kernel *kernels;
    size_t kernel_count;
    compared_span *spans;
    size_t span_count;
    bool host_clock; /* the device's events told no times */
    /* Found by comparison_judge: */
    double roofline; /* share of the step that the device's peaks would take; 0: unknown */
    double distance; /* the largest relative difference to the reference's losses; NaN: none */
    bool is_reference;
    int rank; /* by best, from 1; 0: none */
} compared_run;

typedef struct comparison {
    compared_device *devices;
    size_t device_count;
    compared_run *runs; /* by network, then by rank */
    size_t run_count;
    double steps, seed;
    char *command; /* how to repeat it */
} comparison;

/* Reads what kiln compare --json prints, and puts it behind what is there. machine names its
 * devices (NULL: as the file does). */
kiln_status comparison_add(comparison *c, const json_t *document, const char *machine,
                           const char *origin);
/* Shares, distances and ranks. */
kiln_status comparison_judge(comparison *c);
void comparison_free(comparison *c);

/* The first run of each network follows one of another. Does run i begin a network? */
bool comparison_begins(const comparison *c, size_t i);
/* Runs of run i's network, from i on. */
size_t comparison_length(const comparison *c, size_t i);
/* "A", "B", ... for a device. Uses a few buffers of its own. */
const char *comparison_letter(size_t device);
/* What a kernel's launch would take at the device's peaks. */
double comparison_bound(const compared_device *d, double flops, double bytes);

/* The tables and curves for a terminal. */
void comparison_print(const comparison *c, FILE *stream);
/* The report as one page of HTML. */
kiln_status comparison_page(const comparison *c, text *page);

/* The part that runs in a process of its own: "--child", what to do, and its arguments. */
int compare_child(int count, char **words);

#endif
