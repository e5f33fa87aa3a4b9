/* Pictures that the tests draw themselves, as files in memory. */
#ifndef TESTS_DATA_DRAW_H
#define TESTS_DATA_DRAW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The colour of a drawn picture at a place: smooth, so that JPEG keeps it; seed shifts it. */
void draw_colour(int seed, int x, int y, int width, int height, uint8_t rgba[4]);

/* PNG of that drawing: channels 1 (its first colour) to 4; depth 8 or 16. free() it. */
uint8_t *draw_png(int seed, int width, int height, int channels, int depth, bool interlaced,
                  size_t *size);

/* JPEG of quality 95: channels 1, 3 or 4 (CMYK, inverted as Adobe does). free() it. */
uint8_t *draw_jpeg(int seed, int width, int height, int channels, bool progressive, size_t *size);

#endif
