/* One picture: PNG or JPEG in memory to bytes, resized. Safe on any input; called by several
 * threads at once. */
#ifndef DATA_PICTURE_H
#define DATA_PICTURE_H

#include "base/status.h"

#include <stdint.h>

/* Rows from the top, channels last. channels: 1 grey, 3 red green blue, 4 with alpha. */
typedef struct picture {
    int64_t height, width;
    int channels;
    uint8_t *pixels; /* free() */
} picture;

/* A file with more pixels than this is refused before memory is taken for it. */
extern int64_t picture_most_pixels;

/* Is this the beginning of a PNG or JPEG file? */
bool picture_is_png(const void *bytes, size_t size);
bool picture_is_jpeg(const void *bytes, size_t size);

/* Does a file's name end like a picture's (.png, .jpg, .jpeg in any case)? */
bool picture_is_named(const char *path);

/* Height and width from the header. name is for messages. */
kiln_status picture_measure(const void *bytes, size_t size, const char *name, int64_t *height,
                            int64_t *width);

/* Decodes to that many channels: colours become grey by their luma, grey becomes three equal
 * colours, alpha is dropped or, where there is none, 255. A file that is cut off or damaged fails.
 */
kiln_status picture_decode(const void *bytes, size_t size, const char *name, int channels,
                           picture *out);

/* Bilinear, pixel centres at halves, without smoothing before shrinking and without cropping: what
 * Keras does, rounded to bytes. `out` has height x width x from->channels bytes. */
kiln_status picture_resize(const picture *from, int64_t height, int64_t width, uint8_t *out);

/* ---- the two formats ---- */

kiln_status png_measure(const void *bytes, size_t size, const char *name, int64_t *height,
                        int64_t *width);
kiln_status png_decode(const void *bytes, size_t size, const char *name, int channels,
                       picture *out);
kiln_status jpeg_measure(const void *bytes, size_t size, const char *name, int64_t *height,
                         int64_t *width);
kiln_status jpeg_decode(const void *bytes, size_t size, const char *name, int channels,
                        picture *out);

/* Checks a header's size and takes memory for the pixels. */
kiln_status picture_check_size(const char *name, int64_t height, int64_t width);
kiln_status picture_room(const char *name, int64_t height, int64_t width, int channels,
                         picture *out);

#endif
