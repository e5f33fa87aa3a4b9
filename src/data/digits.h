/* The built-in generator of handwriting-like digits, 28 x 28 bytes, ink 255 on 0. */
#ifndef DATA_DIGITS_H
#define DATA_DIGITS_H

#include "base/status.h"

#include <stdint.h>

#define DIGITS_SIDE 28
#define DIGITS_PIXELS (DIGITS_SIDE * DIGITS_SIDE)
#define DIGITS_TRAIN 60000
#define DIGITS_TEST 10000

/* Counts up whenever the same number would give another picture. */
#define DIGITS_VERSION 1

/* Draws digit `number` (training pictures are 0..59,999, test pictures the next 10,000) and returns
 * what it shows, 0..9. Integer arithmetic only, so the bytes are the same on every machine. */
int digits_draw(uint32_t number, uint8_t picture[DIGITS_PIXELS]);

/* Draws count digits from `first` on, on two threads where there are two processors. */
void digits_draw_all(uint32_t first, uint32_t count, uint8_t *pictures /* (count, 28, 28) */,
                     uint8_t *labels);

#endif
