/* What the commands share. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include "cli/options.h"

#include <jansson.h>
#include <kiln/kiln.h>

/* Exit codes. */
enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_INTERRUPTED = 130 };

extern const command command_bench, command_convert, command_devices, command_evaluate, command_fit,
    command_new, command_plot, command_predict, command_profile, command_summary;

/* Prints the failure on record as one line; returns what the program exits with. */
int cli_fail(void);

/* Prints a JSON value and a newline on standard output and releases it. Returns an exit code. */
int cli_print_json(json_t *value);

#endif
