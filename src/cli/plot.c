/* kiln plot */
#include "base/file.h"
#include "cli/session.h"

#include <string.h>

static struct {
    const char *output;
} given;

static const option options[] = {
    {"-o", OPTION_TEXT, offsetof(__typeof__(given), output), "FILE.svg",
     "where to draw it (standard output)", 0},
};

static kiln_status plot(const char *name)
{
    text out = {0};
    kiln_status status = given.output ? file_writable(given.output) : KILN_OK;
    kiln_model *model = status == KILN_OK ? session_model(name, NULL) : NULL;
    if (model == NULL)
        return kiln_last_status();
    status = model_plot(model, &out);
    if (status == KILN_OK && given.output)
        status = file_write_atomic(given.output, out.data, out.length);
    else if (status == KILN_OK)
        fwrite(out.data, 1, out.length, stdout);
    text_free(&out);
    kiln_model_free(model);
    return status;
}

static int run(int count, char **words)
{
    int status = options_parse(&command_plot, &given, &count, words);
    if (status >= 0)
        return status;
    size_t length = given.output ? strlen(given.output) : 0;
    if (given.output && (length < 4 || strcmp(given.output + length - 4, ".svg") != 0))
        return usage_error(&command_plot, "-o '%s': it takes a .svg file", given.output);
    if (session_start() != KILN_OK || plot(words[0]) != KILN_OK)
        return cli_fail();
    return EXIT_DONE;
}

const command command_plot = {
    .name = "plot",
    .arguments = "MODEL",
    .least_arguments = 1,
    .most_arguments = 1,
    .summary = "a drawing of a network's layers",
    .help = "Draws the layers, what they read, and the shapes between them, as SVG for a browser:\n"
            "inputs, layers with weights and frozen layers have colours of their own.",
    .example = "  kiln plot resnet20 -o resnet20.svg",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .group = &length_group,
    .run = run,
};
