/* TensorBoard's event files: records of protobuf messages (tensorboard/compat/proto/event.proto and
 * summary.proto), each framed by its length and two checksums (TFRecord). */
#ifndef TRAIN_EVENTS_H
#define TRAIN_EVENTS_H

#include "base/memory.h"

#include <stdint.h>
#include <stdio.h>

typedef struct event_file {
    FILE *file;
    char *path;
} event_file;

/* A new file in a folder, which is made if it is missing. */
kiln_status events_open(event_file *e, const char *folder);
/* Fails where something could not be written. */
kiln_status events_close(event_file *e); /* a closed one is allowed */

/* A summary of one step, put together value by value. */
typedef struct event_summary {
    text values;
} event_summary;
void summary_scalar(event_summary *s, const char *tag, double value);
/* Counts in 30 equal ranges; what is not finite is left out. */
kiln_status summary_histogram(event_summary *s, const char *tag, const float *values, size_t count);
/* A picture, as picture_png_encode takes it. */
kiln_status summary_image(event_summary *s, const char *tag, const uint8_t *pixels, int width,
                          int height, int channels);
/* Writes it with the time of now, and frees it. */
kiln_status events_write(event_file *e, event_summary *s, int64_t step);

#endif
