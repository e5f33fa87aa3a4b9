#include "train/callbacks.h"

#include <errno.h>
#include <math.h>
#include <string.h>

typedef struct csv_logger {
    char *filename, *separator;
    bool append;
    FILE *file;
    char **keys; /* columns after the epoch */
    size_t key_count;
    bool header; /* to be written */
} csv_logger;

static void free_keys(csv_logger *c)
{
    for (size_t i = 0; i < c->key_count; i++)
        free(c->keys[i]);
    free(c->keys);
    c->keys = NULL;
    c->key_count = 0;
}

static kiln_status fail(const csv_logger *c, const char *what)
{
    return kiln_fail(KILN_ERROR_FILE, "CSVLogger: %s %s: %s", what, c->filename, strerror(errno));
}

static kiln_status begin(void *user, kiln_model *model)
{
    csv_logger *c = user;
    (void)model;
    if (c->file)
        fclose(c->file);
    free_keys(c);
    c->header = true;
    c->file = fopen(c->filename, c->append ? "a" : "w");
    if (c->file == NULL)
        return fail(c, "cannot write");
    if (c->append && fseek(c->file, 0, SEEK_END) == 0)
        c->header = ftell(c->file) <= 0;
    return KILN_OK;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names by order; without validation, its columns are there all the same, as Keras has it. */
static kiln_status settle_keys(csv_logger *c, const kiln_logs *logs)
{
    size_t count = kiln_logs_count(logs);
    bool validates = false;
    c->keys = mem_new(2 * count, sizeof *c->keys);
    if (c->keys == NULL)
        return KILN_ERROR_MEMORY;
    for (size_t i = 0; i < count; i++) {
        const char *name = kiln_logs_name(logs, i);
        validates = validates || strncmp(name, "val_", 4) == 0;
        c->keys[c->key_count] = str_copy(name);
        if (c->keys[c->key_count] == NULL)
            return KILN_ERROR_MEMORY;
        c->key_count++;
    }
    qsort(c->keys, count, sizeof *c->keys, by_text);
    for (size_t i = 0; !validates && i < count; i++) {
        c->keys[c->key_count] = str_format("val_%s", c->keys[i]);
        if (c->keys[c->key_count] == NULL)
            return KILN_ERROR_MEMORY;
        c->key_count++;
    }
    return KILN_OK;
}

/* The shortest text that reads back as the same number. */
static void print_number(FILE *file, double value)
{
    char words[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(words, sizeof words, "%.*g", digits, value);
        if (isnan(value) || strtod(words, NULL) == value)
            break;
    }
    fputs(words, file);
}

static kiln_status epoch_end(void *user, kiln_model *model, int64_t epoch, const kiln_logs *logs)
{
    csv_logger *c = user;
    (void)model;
    if (c->file == NULL)
        return KILN_OK;
    if (c->keys == NULL)
        KILN_TRY(settle_keys(c, logs));
    if (c->header) {
        fputs("epoch", c->file);
        for (size_t i = 0; i < c->key_count; i++)
            fprintf(c->file, "%s%s", c->separator, c->keys[i]);
        fputc('\n', c->file);
        c->header = false;
    }
    fprintf(c->file, "%lld", (long long)epoch);
    for (size_t i = 0; i < c->key_count; i++) {
        fputs(c->separator, c->file);
        if (logs_has(logs, c->keys[i]))
            print_number(c->file, kiln_logs_get(logs, c->keys[i]));
        else
            fputs("NA", c->file);
    }
    fputc('\n', c->file);
    return fflush(c->file) == 0 && !ferror(c->file) ? KILN_OK : fail(c, "cannot write");
}

static kiln_status end(void *user, kiln_model *model)
{
    csv_logger *c = user;
    (void)model;
    FILE *file = c->file;
    c->file = NULL;
    return file == NULL || fclose(file) == 0 ? KILN_OK : fail(c, "cannot write");
}

static void release(void *user)
{
    csv_logger *c = user;
    if (c->file)
        fclose(c->file);
    free_keys(c);
    free(c->filename);
    free(c->separator);
    free(c);
}

kiln_callback *kiln_csv_logger_with(const kiln_csv_logger_args *args)
{
    if (args->filename == NULL || args->filename[0] == '\0') {
        kiln_fail(KILN_ERROR_ARGUMENT, "CSVLogger needs a filename");
        return NULL;
    }
    csv_logger *c = mem_new(1, sizeof *c);
    if (c == NULL)
        return NULL;
    c->append = args->append == KILN_YES;
    c->filename = str_copy(args->filename);
    c->separator = str_copy(args->separator ? args->separator : ",");
    if (c->filename == NULL || c->separator == NULL) {
        release(c);
        return NULL;
    }
    kiln_callback *callback = callback_make(&(kiln_callback_functions){.on_train_begin = begin,
                                                                       .on_epoch_end = epoch_end,
                                                                       .on_train_end = end,
                                                                       .release = release},
                                            c);
    if (callback)
        callback->replays = !c->append; /* a file that is gone on with has those epochs already */
    return callback;
}
