/* What the parts of kiln compare's report share. */
#ifndef CLI_COMPARE_PAGE_H
#define CLI_COMPARE_PAGE_H

#include "cli/compare.h"

/* A cell or caption; a few buffers of its own. */
const char *comparison_words(const char *format, ...) KILN_PRINTF(1, 2);

/* "A  llvmpipe (this machine)" */
const char *comparison_device_name(const comparison *c, size_t device);

/* The kernels of one run: time line, roofline and table. */
void comparison_add_kernels(const comparison *c, const compared_run *r, text *out);

#endif
