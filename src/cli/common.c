/* What the commands share. */
#include "cli/cli.h"

#include <stdlib.h>

int cli_fail(void)
{
    bool interrupted = kiln_last_status() == KILN_INTERRUPTED;
    kiln_report_errors(stderr);
    return interrupted ? EXIT_INTERRUPTED : EXIT_FAILED;
}

int cli_print_json(json_t *value)
{
    char *text = value ? json_dumps(value, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(value);
    if (text == NULL) {
        fprintf(stderr, "kiln: out of memory: the JSON text could not be made\n");
        return EXIT_FAILED;
    }
    printf("%s\n", text);
    free(text);
    return EXIT_DONE;
}
