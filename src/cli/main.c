/* The program: finds the command and runs it. */
#include "base/process.h"
#include "cli/cli.h"

#include <string.h>

static const command *const commands[] = {
    &command_devices, &command_new,      &command_summary, &command_fit,  &command_evaluate,
    &command_predict, &command_generate, &command_convert, &command_plot, &command_bench,
    &command_compare, &command_profile,  &command_report,  &command_tune};
enum { COMMAND_COUNT = sizeof commands / sizeof *commands };

static void help(FILE *stream)
{
    fprintf(stream,
            "Kiln %s trains neural networks on any OpenCL device.\n\n"
            "usage: kiln COMMAND [arguments] [options]\n\ncommands:\n",
            kiln_version());
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        fprintf(stream, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
    fprintf(stream, "\nkiln COMMAND --help says more about one of them.\n"
                    "\nexample:\n"
                    "  kiln fit mlp mnist --epochs 5 -o digits.keras\n"
                    "  kiln evaluate digits.keras mnist\n");
}

static const command *find(const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

int main(int count, char **words)
{
    if (count < 2) {
        help(stderr);
        return EXIT_USAGE;
    }
    const char *name = words[1];
    if (strcmp(name, "--version") == 0) {
        printf("kiln %s\n", kiln_version());
        return EXIT_DONE;
    }
    bool asks_help =
        strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0;
    if (asks_help && count == 2) {
        help(stdout);
        return EXIT_DONE;
    }
    if (asks_help)
        name = words[2];
    const command *cmd = find(name);
    if (cmd == NULL)
        return usage_error(NULL, "unknown command '%s'", name);
    if (asks_help) {
        options_help(cmd, stdout);
        return EXIT_DONE;
    }
    if (count > 2 && strcmp(words[2], "--child") == 0)
        process_ends_with_parent();
    int status = cmd->run(count - 2, words + 2);
    /* A full disk or a closed pipe shows when the last of the output is written. */
    if ((fflush(stdout) != 0 || ferror(stdout)) && status == EXIT_DONE) {
        fprintf(stderr, "kiln: standard output: writing failed; is the disk full?\n");
        status = EXIT_FAILED;
    }
    return status;
}
