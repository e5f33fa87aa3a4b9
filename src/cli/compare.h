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
    char *machine; /* "this machine", or the name of the file it comes from */
    bool is_local; /* of this machine */
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
    uint64_t seed;
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
    double roofline;   /* share of the step that the device's peaks would take; 0: unknown */
    const char *above; /* why that is above 1; NULL: it is not */
    double distance;   /* the largest relative difference to the reference's losses; NaN: none */
    bool is_reference;
    bool is_alike; /* the same went in as into the reference: the curves can be compared */
    char *differs; /* from the conditions of the network's heading: "seed 2, 30 steps"; or "" */
    int rank;      /* by samples a second, from 1; 0: none */
} compared_run;

typedef struct comparison {
    compared_device *devices;
    size_t device_count;
    compared_run *runs; /* by network, then by rank */
    size_t run_count;
    char *command; /* how to repeat it */
} comparison;

/* The next of the words "a,b,c" of an option, the caller's; NULL at the end. *at: the rest, NULL or
 * "" where there is none. */
kiln_status compare_next(const char **at, char **item);

/* ---- reading (compare_read.c) ---- */

/* Reads what kiln compare --json prints. origin: where that stands, for messages. Free it after a
 * failure too. */
kiln_status comparison_read(comparison *c, const json_t *document, const char *origin);
void comparison_free(comparison *c);

/* ---- other machines (compare_with.c) ---- */

/* Appends to the array `documents` those of the files of --with ("a.json,b.json"; NULL: none), each
 * checked, its devices marked with the file they come from. */
kiln_status compare_with_read(const char *files, json_t *documents);
/* Puts their devices and runs behind those of a document. Only once. */
void compare_with_add(json_t *document, const json_t *documents);

/* ---- judging (compare_judge.c) ---- */

/* Shares, distances, ranks, and what differs. */
kiln_status comparison_judge(comparison *c);
/* The first run of each network follows one of another. Does run i begin a network? */
bool comparison_begins(const comparison *c, size_t i);
/* Runs of run i's network, from i on. */
size_t comparison_length(const comparison *c, size_t i);
/* The run among first..end-1 whose conditions (seed, batch size, data, steps) the heading states:
 * one of this machine where there is one. NULL: all failed. */
const compared_run *comparison_base(const comparison *c, size_t first, size_t end);
/* Do the batch sizes of the runs first..end-1 differ? */
bool comparison_mixes_batches(const comparison *c, size_t first, size_t end);
/* "A", "B", ... for a device. Uses a few buffers of its own. */
const char *comparison_letter(size_t device);

/* ---- a device's peaks (compare_peaks.c) ---- */

/* Takes the better one of each figure of peaks that were measured twice, as kiln compare --json
 * prints them. */
void compare_better_peaks(json_t *peaks, const json_t *again);
/* What a kernel's launch would take at the device's peaks. */
double comparison_bound(const compared_device *d, double flops, double bytes);
/* Why kernels that took so many seconds can have been faster than the device's peaks; NULL: they
 * were not. */
const char *comparison_above(const compared_device *d, const compared_kernel *kernels, size_t count,
                             double seconds);

/* ---- showing (compare_print.c, compare_page.c) ---- */

/* The tables and curves for a terminal. */
void comparison_print(const comparison *c, FILE *stream);
/* The report as one page of HTML. */
kiln_status comparison_page(const comparison *c, text *page);

/* ---- the part that runs in a process of its own (compare_child.c) ---- */

/* "--child", what to do, and its arguments. */
int compare_child(int count, char **words);

#endif
