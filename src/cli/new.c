/* kiln new */
#include "base/file.h"
#include "cli/networks.h"
#include "cli/series.h"
#include "cli/session.h"
#include "cli/text_data.h"
#include "format/keras_json.h"

#include <string.h>

static struct {
    const char *output, *data, *label;
} given;

static const option options[] = {
    {"-o", OPTION_TEXT, offsetof(__typeof__(given), output), "FILE.json",
     "where to write it; standard output by default", 0},
    {"--data", OPTION_TEXT, offsetof(__typeof__(given), data), "DATA",
     "data that size the network (all but mlp, mlp1024, cnn, lenet)", 0},
    {"--label", OPTION_TEXT, offsetof(__typeof__(given), label), "COLUMN",
     "label column of a CSV file, by name or index (the last)", 0},
};

static int list(void)
{
    for (const network *n = networks; n->name; n++)
        printf("%-10s %s\n", n->name, n->summary);
    return EXIT_DONE;
}

static kiln_status write_network(const network *which)
{
    text json = {0};
    kiln_dataset *data = NULL;
    kiln_model *model = NULL;
    kiln_status status = given.output ? file_writable(given.output) : KILN_OK;
    if (status == KILN_OK && given.data) {
        text_expect(which->name);
        if (series_is_meant(which->name, NULL))
            series_training_data(given.data, NULL, false, &data);
        else
            data = session_data(given.data, "train", given.label, NULL, KILN_DEFAULT);
        status = data ? KILN_OK : kiln_last_status();
    }
    if (status == KILN_OK) {
        model = network_build(which, data);
        status = model ? keras_json_write(model, NULL, 2, &json) : kiln_last_status();
    }
    if (status == KILN_OK) {
        text_add(&json, "\n");
        if (json.failed)
            status = kiln_fail_memory(json.length);
        else if (given.output)
            status = file_write_atomic(given.output, json.data, json.length);
        else
            fwrite(json.data, 1, json.length, stdout);
    }
    kiln_shape shape = model ? kiln_model_output_shape(model, 0) : (kiln_shape){0};
    if (status == KILN_OK && which->sized.rank > 0 && data == NULL)
        fprintf(stderr,
                "%s is sized by its data: this one takes %s and has %lld outputs; give --data to "
                "size it for yours\n",
                which->name, ir_shape_text(which->sized),
                (long long)(shape.rank ? shape.dims[shape.rank - 1] : 1));
    text_free(&json);
    kiln_model_free(model);
    kiln_dataset_free(data);
    return status;
}

static int run(int count, char **words)
{
    int status = options_parse(&command_new, &given, &count, words);
    if (status >= 0)
        return status;
    if (count == 0 && given.output)
        return usage_error(&command_new, "-o %s: no network is named", given.output);
    if (count == 0)
        return list();
    const network *which = network_find(words[0]);
    if (which == NULL)
        return usage_error(&command_new,
                           "there is no built-in network '%s': kiln new lists those there are",
                           words[0]);
    if (session_start() != KILN_OK || write_network(which) != KILN_OK)
        return cli_fail();
    return EXIT_DONE;
}

const command command_new = {
    .name = "new",
    .arguments = "[NAME]",
    .most_arguments = 1,
    .summary = "write a built-in network as Keras JSON to start from",
    .help =
        "Writes a built-in network in the JSON that Keras's model.to_json() writes, to be edited\n"
        "and then trained with kiln fit FILE.json. Without NAME it lists the networks there are. Each has a\n"
        "small size too, for a slow device or a quick trial: mlp-tiny, cnn-tiny and so on, wherever a\n"
        "built-in network is named.",
    .example = "  kiln new mlp -o model.json\n  kiln fit model.json mnist -o digits.keras",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .takes_data = true,
    .group = &series_fit_group,
    .run = run,
};
