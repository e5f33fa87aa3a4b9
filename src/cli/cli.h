/* What the commands share. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include "base/memory.h"
#include "cli/options.h"

#include <jansson.h>
#include <kiln/kiln.h>

/* Exit codes. */
enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_INTERRUPTED = 130 };

extern const command command_bench, command_compare, command_convert, command_devices,
    command_evaluate, command_fit, command_generate, command_new, command_plot, command_predict,
    command_profile, command_report, command_summary, command_tune;

/* Prints the failure on record as one line; returns what the program exits with. */
int cli_fail(void);

/* What a device says of itself, as JSON (devices.c). NULL: its name is no text in UTF-8, or there
 * is no memory. */
json_t *cli_device(const kiln_device_info *device);
/* What a device can do, as JSON. */
json_t *cli_peaks(const kiln_device_peaks *peaks);

/* Prints a JSON value and a newline on standard output and releases it. Returns an exit code. */
int cli_print_json(json_t *value);

/* Appends a text as a cell of CSV. */
void cli_add_cell(text *out, const char *cell);

/* "[=====...............]" for a share of 0 to 1 of what is to be done. */
enum { CLI_BAR = 23 };
const char *cli_bar(double share, char out[CLI_BAR]);

/* Does a name end like this, in any case of letters? */
bool cli_ends_with(const char *name, const char *end);

#endif
