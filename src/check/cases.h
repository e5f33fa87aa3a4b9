/* Cases of the self-check that have files of their own. */
#ifndef CHECK_CASES_H
#define CHECK_CASES_H

#include "check/work.h"

/* case_conv.c */
void check_convolutions(check_work *w);
void check_winograd(check_work *w);
void check_pooled_convolutions(check_work *w);

/* case_windows.c */
void check_windows(check_work *w);

/* case_sample.c */
void check_samples(check_work *w);

/* case_numbers.c: without a graph. */
kiln_status check_numbers(kiln_device *device);

#endif
