/* What the commands share. */
#include "cli/session.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

int cli_fail(void)
{
    /* Ctrl-C reaches the programs that a driver compiles with, too, and what they were to make fails
     * then. */
    bool interrupted = kiln_last_status() == KILN_INTERRUPTED || session_interrupted();
    kiln_report_errors(stderr);
    return interrupted ? EXIT_INTERRUPTED : EXIT_FAILED;
}

json_t *cli_peaks(const kiln_device_peaks *p)
{
    json_t *peaks = json_pack("{s:f, s:f, s:f, s:f, s:f}", "fma_gflops", p->fma_gflops,
                              "copy_gbytes_per_second", p->copy_gbytes, "launch_us", p->launch_us,
                              "upload_gbytes_per_second", p->upload_gbytes,
                              "download_gbytes_per_second", p->download_gbytes);
    if (peaks && p->fp16_gflops > 0)
        json_object_set_new(peaks, "fp16_gflops", json_real(p->fp16_gflops));
    return peaks;
}

int cli_print_json(json_t *value)
{
    char *words = value ? json_dumps(value, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(value);
    if (words == NULL) {
        fprintf(stderr, "kiln: out of memory: the JSON text could not be made\n");
        return EXIT_FAILED;
    }
    printf("%s\n", words);
    free(words);
    return EXIT_DONE;
}

const char *cli_bar(double share, char out[CLI_BAR])
{
    enum { WIDTH = CLI_BAR - 3 };
    const int done = share <= 0 ? 0 : share >= 1 ? WIDTH : (int)(WIDTH * share);
    out[0] = '[';
    memset(out + 1, '=', (size_t)done);
    memset(out + 1 + done, '.', (size_t)(WIDTH - done));
    memcpy(out + 1 + WIDTH, "]", 2);
    return out;
}

void cli_add_cell(text *out, const char *cell)
{
    if (strpbrk(cell, ",\"\n\r") == NULL) {
        text_add(out, "%s", cell);
        return;
    }
    text_add(out, "\"");
    for (; *cell; cell++)
        text_add(out, *cell == '"' ? "\"\"" : "%c", *cell);
    text_add(out, "\"");
}

bool cli_ends_with(const char *name, const char *end)
{
    size_t a = strlen(name), b = strlen(end);
    return a >= b && strcasecmp(name + a - b, end) == 0;
}
