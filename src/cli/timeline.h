/* The launches of one step, in order. */
#ifndef CLI_TIMELINE_H
#define CLI_TIMELINE_H

#include "device/profile.h"

#include <stdio.h>

/* The first launch of the shortest of the whole steps among count spans; NULL: there is none. */
const profile_span *timeline_shortest(const profile_span *spans, size_t count, size_t launches);

/* Prints a step: a line for each of its launches, or for the longest of very many. */
void timeline_print(const profile_row *rows, const profile_span *step, size_t launches, FILE *out);

#endif
