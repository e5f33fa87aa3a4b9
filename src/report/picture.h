/* Small pictures in a page. */
#ifndef REPORT_PICTURE_H
#define REPORT_PICTURE_H

#include "base/memory.h"

#include <stdint.h>

/* A picture as PNG; pixels: height rows of width times channels (1: grey, 3: red, green, blue, 4:
 * with opacity) bytes. *bytes of *png, the caller's, freed with free(). */
kiln_status picture_png_encode(const uint8_t *pixels, int width, int height, int channels,
                               void **png, size_t *bytes);

/* Appends an <img> that holds the picture itself; words: what it shows. */
kiln_status picture_add(text *out, const uint8_t *pixels, int width, int height, int channels,
                        const char *words);

#endif
