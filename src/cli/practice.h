/* What a built-in network is timed on. */
#ifndef CLI_PRACTICE_H
#define CLI_PRACTICE_H

#include "cli/networks.h"

/* MNIST where it is at hand, else the drawn digits; rows of numbers or sequences for a network of
 * those. Nothing is downloaded. *name says what it is. NULL on failure. */
kiln_dataset *practice_data(const network *which, const char **name);

#endif
