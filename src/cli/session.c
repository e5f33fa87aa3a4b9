#include "cli/session.h"

#include "base/clock.h"
#include "base/env.h"
#include "base/file.h"
#include "check/check.h"
#include "cli/networks.h"
#include "cli/series.h"
#include "cli/text_data.h"
#include "device/device.h"
#include "train/training.h"

#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Ctrl-C ---- */

static volatile sig_atomic_t training, asked_to_stop;

static void on_interrupt(int signal)
{
    (void)signal;
    if (!training || asked_to_stop) {
        static const char newline = '\n';
        if (write(STDERR_FILENO, &newline, 1) != 1)
            asked_to_stop = 1;
        check_forget_running();
        _exit(EXIT_INTERRUPTED);
    }
    asked_to_stop = 1;
    kiln_stop_training(NULL);
}

static void on_termination(int number)
{
    check_forget_running();
    signal(number, SIG_DFL);
    raise(number);
}

void session_begin_training(void)
{
    training = 1;
}

void session_end_training(void)
{
    training = 0;
}

bool session_interrupted(void)
{
    return asked_to_stop;
}

/* ---- notices on standard error ---- */

static void on_compile(const char *label)
{
    static bool said;
    static char last[128];
    if (!said)
        fprintf(stderr, "compiling for this device, once (later runs find it in the cache):\n");
    said = true;
    if (strncmp(last, label, sizeof last - 1) != 0) /* candidates of one measurement look alike */
        fprintf(stderr, "  %s\n", label);
    snprintf(last, sizeof last, "%s", label);
}

static double share_of(int64_t done, int64_t total)
{
    return total > 0 ? (double)done / (double)total : 0;
}

static int on_download(void *user, const char *file, int64_t done, int64_t total)
{
    static char last[256];
    static int shown;
    (void)user;
    bool terminal = isatty(STDERR_FILENO);
    char bar[CLI_BAR];
    double share = share_of(done, total);
    int percent = (int)(100 * share);
    if (strncmp(last, file, sizeof last - 1) != 0) {
        snprintf(last, sizeof last, "%s", file);
        shown = -1;
        if (!terminal)
            fprintf(stderr, "downloading %s\n", file);
    }
    if (!terminal || percent == shown)
        return 0;
    shown = percent;
    fprintf(stderr, "\rdownloading %s %s %3d %%%s", file, cli_bar(share, bar), percent,
            percent == 100 ? "\n" : "");
    return 0;
}

static int on_reading(void *user, const char *source, int64_t done, int64_t total)
{
    static double begun;
    static bool drawn;
    (void)user;
    bool end = done >= total;
    if (!isatty(STDERR_FILENO))
        return 0;
    if (begun == 0)
        begun = clock_seconds();
    if (clock_seconds() - begun > 0.3 && (!end || drawn)) { /* nothing for what takes no time */
        char bar[CLI_BAR];
        double share = share_of(done, total);
        fprintf(stderr, "\rreading %s %s %3d %%%s", source, cli_bar(share, bar), (int)(100 * share),
                end ? "\n" : "");
        drawn = true;
    }
    if (end) {
        begun = 0;
        drawn = false;
    }
    return 0;
}

static void on_warning(const char *way, const char *why)
{
    fprintf(stderr, "kiln: the device computes wrongly (%s); it is used %s\n", why, way);
}

kiln_status session_start(void)
{
    struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = SA_RESTART};
    sigaction(SIGINT, &action, NULL);
    action.sa_handler = on_termination;
    sigaction(SIGTERM, &action, NULL);
    device_on_warning = on_warning;
    training_check_option = "--check-numerics";
    if (common.verbose > 0) {
        device_on_compile = on_compile;
        kiln_set_download_progress(on_download, NULL);
        kiln_set_reading_progress(on_reading, NULL);
    }
    return env_check();
}

/* ---- opening ---- */

kiln_device *session_device(void)
{
    return kiln_device_open(common.device);
}

bool session_is_bytes(const kiln_dataset *data)
{
    return data->input_count > 0 && data->inputs[0].dtype == KILN_UINT8;
}

void session_pictures(kiln_dataset_args *args, kiln_shape input)
{
    args->image_size[0] = pictures.image_size[0];
    args->image_size[1] = pictures.image_size[1];
    args->color_mode = pictures.color_mode;
    args->skip_unreadable = pictures.skip_unreadable ? KILN_YES : KILN_NO;
    args->input_shape = input;
}

void session_skipped(const kiln_dataset *data)
{
    const char *why;
    int64_t count = kiln_dataset_skipped(data, &why), shown = 0;
    if (count == 0)
        return;
    fprintf(stderr, "left out %s that cannot be read:\n", count == 1 ? "a picture" : "pictures");
    for (const char *line = why; *line; line = strchr(line, '\n') + 1, shown++)
        fprintf(stderr, "  %.*s\n", (int)strcspn(line, "\n"), line);
    if (count > shown)
        fprintf(stderr, "  and %s more\n", session_count(count - shown));
}

/* The shape of the only input; rank 0 where there are several. */
static kiln_shape only_input(const kiln_model *model)
{
    return model && kiln_model_input_count(model) == 1 ? kiln_model_input_shape(model, 0)
                                                       : (kiln_shape){0};
}

static void use_scale(kiln_dataset *data, const kiln_model *model)
{
    if (data && model && model->facts && model->facts->input_scale > 0 && session_is_bytes(data))
        data->scale = model->facts->input_scale;
}

kiln_dataset *session_images(size_t count, char *const *paths, const kiln_model *model)
{
    kiln_dataset_args args = {.has_labels = KILN_NO};
    session_pictures(&args, only_input(model));
    kiln_dataset *data = kiln_dataset_from_images(count, (const char *const *)paths, &args);
    use_scale(data, model);
    if (data)
        session_skipped(data);
    return data;
}

kiln_dataset *session_data(const char *source, const char *part, const char *label,
                           const kiln_model *model, kiln_choice labels)
{
    if (text_task(model))
        return text_open(source, &(text_wish){.model = model,
                                              .label = label,
                                              .labels = labels,
                                              .once = strcmp(part, "test") == 0});
    if (text_check_task(model) != KILN_OK)
        return NULL;
    kiln_dataset_args args = {.part = part, .label = label, .has_labels = labels};
    if (model) {
        const model_facts *facts = model->facts;
        kiln_shape shape = kiln_model_input_shape(model, 0);
        if (kiln_model_input_count(model) == 1 && shape.rank == 1)
            args.features = shape.dims[0];
        if (facts && facts->class_count) {
            args.class_count = facts->class_count;
            args.class_names = (const char *const *)facts->class_names;
        }
    }
    session_pictures(&args, only_input(model));
    kiln_dataset *data = kiln_dataset_open_with(source, &args);
    use_scale(data, model);
    if (data)
        session_skipped(data);
    else
        text_advise(source, model);
    return data;
}

bool session_is_builtin(const char *name)
{
    struct stat info; /* a folder of that name is no model */
    return network_find(name) != NULL && (stat(name, &info) != 0 || !S_ISREG(info.st_mode));
}

static kiln_model *open_model(const char *name, const kiln_dataset *data, open_axis *open)
{
    kiln_model *model;
    if (session_is_builtin(name)) {
        model = network_build(network_find(name), data);
    } else if (!file_exists(name) && strchr(name, '/') == NULL && strchr(name, '.') == NULL) {
        kiln_fail(KILN_ERROR_FILE,
                  "%s: there is no such file, and no built-in network of that name; kiln new lists "
                  "those",
                  name);
        return NULL;
    } else {
        model = save_load(name, open);
    }
    if (model && common.seed && !model->seeded &&
        kiln_model_set_seed(model, common.seed) != KILN_OK) {
        kiln_model_free(model);
        return NULL;
    }
    if (model && common.dtype)
        kiln_model_set_dtype_policy(model, common.dtype);
    return model;
}

kiln_model *session_model(const char *name, const kiln_dataset *data)
{
    return open_model(name, data, &(open_axis){.length = texts.sequence_length});
}

/* How long the data are along the axis that a model leaves open; 0: they do not say. */
static int64_t length_along(const kiln_dataset *data, const open_axis *open)
{
    const data_column *column = data->input_count ? &data->inputs[0] : NULL;
    for (size_t i = 0; i < data->input_count; i++)
        if (data->inputs[i].name && strcmp(data->inputs[i].name, open->layer) == 0)
            column = &data->inputs[i];
    return column && open->axis < column->shape.rank ? column->shape.dims[open->axis] : 0;
}

/* Opens the data without the model, which cannot be read before, to see how long they are. */
static kiln_status take_length(const char *source, const char *label, kiln_choice labels,
                               open_axis *open)
{
    kiln_dataset *data =
        texts.task
            ? text_open(source, &(text_wish){.task = texts.task, .label = label, .labels = labels})
            : session_data(source, NULL, label, NULL, labels);
    if (data == NULL)
        return kiln_last_status();
    int64_t length = length_along(data, open);
    kiln_dataset_free(data);
    if (length > 0)
        open->length = length;
    return KILN_OK;
}

kiln_model *session_model_for(const char *name, const char *source, const char *label,
                              kiln_choice labels)
{
    int64_t given = texts.sequence_length ? texts.sequence_length : series_window();
    open_axis open = {.length = given};
    kiln_error_record before;
    kiln_model *model = open_model(name, NULL, &open);
    if (given || open.layer[0] == '\0' ||
        (model && (model->facts->text.tokens || model->facts->series)))
        return model;
    int64_t known = model ? open.length : 0;
    kiln_error_save(&before);
    kiln_status status = take_length(source, label, labels, &open);
    if (status == KILN_OK && open.length == known) {
        kiln_error_restore(&before);
        return model;
    }
    kiln_model_free(model);
    return status == KILN_OK ? open_model(name, NULL, &open) : NULL;
}

kiln_status session_match(kiln_dataset *data, const kiln_model *model, bool need_targets)
{
    size_t inputs = model->input_count, outputs = model->output_count;
    const char **names = mem_new(inputs + outputs, sizeof *names);
    if (names == NULL)
        return KILN_ERROR_MEMORY;
    for (size_t i = 0; i < inputs; i++)
        names[i] = model->calls[model->inputs[i]].layer->name;
    for (size_t i = 0; i < outputs; i++)
        names[inputs + i] = model_output_name(model, (size_t)i);
    kiln_status status = dataset_assign(data, inputs, names, outputs, names + inputs, need_targets);
    free(names);
    return status;
}

kiln_status session_place(kiln_model *model, kiln_device *device)
{
    return kiln_compile(model, .device = device, .gemm = common.gemm);
}

/* ---- numbers ---- */

uint64_t session_resident(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (uint64_t)usage.ru_maxrss * 1024;
}

enum { BUFFER_BYTES = 32 };

static char *next_buffer(void)
{
    static char ring[8][BUFFER_BYTES];
    static unsigned next;
    return ring[next++ % 8];
}

const char *session_count(int64_t number)
{
    char digits[24], *out = next_buffer();
    int n = snprintf(digits, sizeof digits, "%" PRId64, number), used = 0;
    for (int i = 0; i < n; i++) {
        if (i > (digits[0] == '-') && (n - i) % 3 == 0)
            out[used++] = ',';
        out[used++] = digits[i];
    }
    out[used] = '\0';
    return out;
}

const char *session_figure(double value)
{
    char *out;
    if (fabs(value) >= 99.95)
        return session_count(llround(value));
    out = next_buffer();
    snprintf(out, BUFFER_BYTES,
             fabs(value) >= 9.995    ? "%.1f"
             : fabs(value) >= 0.9995 ? "%.2f"
                                     : "%.2g",
             value);
    return out;
}

const char *session_bytes(uint64_t bytes)
{
    static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB"};
    double value = (double)bytes;
    int unit = 0;
    while (value >= 1000 && unit < 4) {
        value /= 1000;
        unit++;
    }
    char *out = next_buffer();
    snprintf(out, 32, value < 10 && unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return out;
}
