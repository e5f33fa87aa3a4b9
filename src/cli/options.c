#include "cli/options.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

common_options common;

picture_options pictures;

text_options texts;

static struct {
    int64_t verbose;
    const char *image_size;
} raw_common;

static const option common_table[] = {
    {"--device", OPTION_TEXT, offsetof(common_options, device), "D",
     "which device: an index, platform:device, part of a name, gpu, cpu (see kiln devices)", 0},
    {"--gemm", OPTION_TEXT, offsetof(common_options, gemm), "E",
     "engine of matrix products: auto (default), clblast or tile", 0},
    {"--dtype", OPTION_TEXT, offsetof(common_options, dtype), "POLICY",
     "float32 or mixed_float16, of all layers (the model's; a built-in one has float32)", 0},
    {"--batch-size", OPTION_WHOLE, offsetof(common_options, batch_size), "N",
     "samples in a step (32)", 1},
    {"--seed", OPTION_UNSIGNED, offsetof(common_options, seed), "N",
     "fixes initial weights, order and dropout", 0},
    {"--check-numerics", OPTION_FLAG, offsetof(common_options, check_numerics), NULL,
     "after a result that is not finite, names the layer and the launch that made it", 0},
};
static const option verbose_option = {
    "--verbose", OPTION_WHOLE, 0, "0|1|2", "silence, a progress bar (default), a line an epoch", 0};

static const option image_size_option = {
    "--image-size",
    OPTION_TEXT,
    offsetof(__typeof__(raw_common), image_size),
    "HxW",
    "height and width all pictures are brought to (the model's, else that of the pictures)",
    0};
static const option picture_table[] = {
    {"--color-mode", OPTION_TEXT, offsetof(picture_options, color_mode), "MODE",
     "how pictures are read: rgb, grayscale or rgba (the model's, else rgb)", 0},
    {"--skip-unreadable", OPTION_FLAG, offsetof(picture_options, skip_unreadable), NULL,
     "leaves out pictures that cannot be read, and names them", 0},
};

static const option text_table[] = {
    {"--task", OPTION_TEXT, offsetof(text_options, task), "TASK",
     "the data are text: generate (what follows each character) or classify (labelled lines)", 0},
    {"--sequence-length", OPTION_WHOLE, offsetof(text_options, sequence_length), "N",
     "characters or words in a sample (64; of lines: one that 99 of 100 fit in); of open axes", 1},
    {"--split", OPTION_TEXT, offsetof(text_options, split), "HOW",
     "character (default to generate), whitespace (default of lines) or none", 0},
    {"--standardize", OPTION_TEXT, offsetof(text_options, standardize), "HOW",
     "none, lower, strip_punctuation or lower_and_strip_punctuation (default of lines)", 0},
    {"--max-tokens", OPTION_WHOLE, offsetof(text_options, max_tokens), "N",
     "the most frequent ones, with two for padding and all others (all of them)", 3},
    {"--text-column", OPTION_TEXT, offsetof(text_options, text_column), "COLUMN",
     "of labelled lines, by name or index (the model's, else the longest)", 0},
    {"--label-column", OPTION_TEXT, offsetof(text_options, label_column), "COLUMN",
     "of labelled lines, by name or index (the model's, else of fewest values)", 0},
    {"--contiguous", OPTION_FLAG, offsetof(text_options, contiguous), NULL,
     "windows of a text in its order, for stateful models, instead of windows drawn by the seed",
     0},
};

static const option length_table[] = {
    {"--sequence-length", OPTION_WHOLE, offsetof(text_options, sequence_length), "N",
     "length of an axis that the model leaves open, as Input((None, 3))", 1},
};
const option_group length_group = {"options for models with an open axis:", length_table, 1,
                                   &texts};

/* Is value one of the words, separated by blanks? */
static bool is_one_of(const char *value, const char *words)
{
    size_t n = strlen(value);
    for (const char *at = words; (at = strstr(at, value)) != NULL; at += n)
        if ((at == words || at[-1] == ' ') && (at[n] == ' ' || at[n] == '\0'))
            return true;
    return false;
}

enum { COMMON_COUNT = sizeof common_table / sizeof *common_table };

int usage_error(const command *cmd, const char *format, ...)
{
    va_list arguments;
    fprintf(stderr, "kiln: ");
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    if (cmd)
        fprintf(stderr, "; see kiln %s --help\n", cmd->name);
    else
        fprintf(stderr, "; see kiln --help\n");
    return 2;
}

static void print_option(const option *o, FILE *stream)
{
    char left[64];
    snprintf(left, sizeof left, "%s%s%s", o->name, o->placeholder ? " " : "",
             o->placeholder ? o->placeholder : "");
    fprintf(stream, "  %-24s %s\n", left, o->help);
}

void options_help(const command *cmd, FILE *stream)
{
    fprintf(stream, "usage: kiln %s%s%s%s\n\n%s\n", cmd->name, cmd->arguments[0] ? " " : "",
            cmd->arguments, cmd->option_count || cmd->takes_common ? " [options]" : "", cmd->help);
    if (cmd->option_count) {
        fprintf(stream, "\noptions:\n");
        for (size_t i = 0; i < cmd->option_count; i++)
            print_option(&cmd->options[i], stream);
    }
    if (cmd->group) {
        fprintf(stream, "\n%s\n", cmd->group->title);
        for (size_t i = 0; i < cmd->group->count; i++)
            print_option(&cmd->group->options[i], stream);
    }
    if (cmd->takes_data) {
        fprintf(stream, "\noptions for pictures:\n");
        print_option(&image_size_option, stream);
        for (size_t i = 0; i < sizeof picture_table / sizeof *picture_table; i++)
            print_option(&picture_table[i], stream);
        fprintf(stream, "\noptions for text:\n");
        for (size_t i = 0; i < sizeof text_table / sizeof *text_table; i++)
            print_option(&text_table[i], stream);
    }
    if (cmd->takes_common) {
        fprintf(stream, "\noptions of every command that computes:\n");
        for (size_t i = 0; i < COMMON_COUNT; i++)
            print_option(&common_table[i], stream);
        print_option(&verbose_option, stream);
    }
    fprintf(stream, "\nexample:\n%s\n", cmd->example);
}

static bool is_named(const option *o, const char *word, size_t length)
{
    return strlen(o->name) == length && memcmp(o->name, word, length) == 0;
}

/* The option a word names, up to its '='. */
static const option *find(const command *cmd, const char *word, size_t length, void **values,
                          void *own)
{
    for (size_t i = 0; i < cmd->option_count; i++)
        if (strlen(cmd->options[i].name) == length &&
            memcmp(cmd->options[i].name, word, length) == 0) {
            *values = own;
            return &cmd->options[i];
        }
    for (size_t i = 0; cmd->group && i < cmd->group->count; i++)
        if (is_named(&cmd->group->options[i], word, length)) {
            *values = cmd->group->values;
            return &cmd->group->options[i];
        }
    for (size_t i = 0; cmd->takes_data && i < sizeof picture_table / sizeof *picture_table; i++)
        if (is_named(&picture_table[i], word, length)) {
            *values = &pictures;
            return &picture_table[i];
        }
    for (size_t i = 0; cmd->takes_data && i < sizeof text_table / sizeof *text_table; i++)
        if (is_named(&text_table[i], word, length)) {
            *values = &texts;
            return &text_table[i];
        }
    if (cmd->takes_data && is_named(&image_size_option, word, length)) {
        *values = &raw_common;
        return &image_size_option;
    }
    if (!cmd->takes_common)
        return NULL;
    for (size_t i = 0; i < COMMON_COUNT; i++)
        if (strlen(common_table[i].name) == length &&
            memcmp(common_table[i].name, word, length) == 0) {
            *values = &common;
            return &common_table[i];
        }
    *values = &raw_common;
    return strlen(verbose_option.name) == length && memcmp(verbose_option.name, word, length) == 0
               ? &verbose_option
               : NULL;
}

/* Letters in which two words differ at least: how many of the shorter are not found in order. */
static size_t distance(const char *a, const char *b)
{
    enum { MOST = 40 };
    size_t rows = strlen(a), columns = strlen(b), before[MOST + 1], now[MOST + 1];
    if (columns > MOST || rows > MOST)
        return MOST;
    for (size_t j = 0; j <= columns; j++)
        before[j] = j;
    for (size_t i = 1; i <= rows; i++) {
        now[0] = i;
        for (size_t j = 1; j <= columns; j++) {
            size_t best = before[j - 1] + (a[i - 1] != b[j - 1]);
            if (before[j] + 1 < best)
                best = before[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            now[j] = best;
        }
        memcpy(before, now, sizeof before);
    }
    return before[columns];
}

static const char *nearest(const command *cmd, const char *word)
{
    const char *best = NULL;
    size_t least = 4;
    for (size_t i = 0; i < cmd->option_count + COMMON_COUNT + 1; i++) {
        const char *name = i < cmd->option_count ? cmd->options[i].name
                           : !cmd->takes_common  ? NULL
                           : i < cmd->option_count + COMMON_COUNT
                               ? common_table[i - cmd->option_count].name
                               : verbose_option.name;
        if (name && distance(word, name) < least) {
            least = distance(word, name);
            best = name;
        }
    }
    return best;
}

static int unknown(const command *cmd, const char *word, size_t length)
{
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)length, word);
    const char *guess = nearest(cmd, name);
    for (size_t i = 0;
         guess == NULL && cmd->takes_data && i < sizeof picture_table / sizeof *picture_table; i++)
        if (distance(name, picture_table[i].name) < 4)
            guess = picture_table[i].name;
    for (size_t i = 0; guess == NULL && cmd->group && i < cmd->group->count; i++)
        if (distance(name, cmd->group->options[i].name) < 4)
            guess = cmd->group->options[i].name;
    if (guess == NULL && cmd->takes_data && distance(name, image_size_option.name) < 4)
        guess = image_size_option.name;
    if (guess)
        return usage_error(cmd, "unknown option '%s': did you mean '%s'?", name, guess);
    return usage_error(cmd, "unknown option '%s'", name);
}

static int store(const command *cmd, const option *o, void *values, const char *value)
{
    char *place = (char *)values + o->offset, *end;
    errno = 0;
    switch (o->kind) {
    case OPTION_FLAG:
        *(bool *)place = true;
        return -1;
    case OPTION_TEXT:
        if (value[0] == '\0')
            return usage_error(cmd, "%s is empty: it takes a text", o->name);
        *(const char **)place = value;
        return -1;
    case OPTION_WHOLE: {
        long long number = strtoll(value, &end, 10);
        if (end == value || *end || errno || (double)number < o->least)
            return usage_error(cmd, "%s '%s': it takes a whole number of at least %.0f", o->name,
                               value, o->least);
        *(int64_t *)place = number;
        return -1;
    }
    case OPTION_UNSIGNED: {
        unsigned long long number = strtoull(value, &end, 10);
        if (end == value || *end || errno || value[0] == '-')
            return usage_error(cmd, "%s '%s': it takes a whole number from 0 to 2^64 - 1", o->name,
                               value);
        *(uint64_t *)place = number;
        return -1;
    }
    case OPTION_REAL: {
        double number = strtod(value, &end);
        if (end == value || *end || errno || !isfinite(number) || number <= o->least)
            return usage_error(cmd, "%s '%s': it takes a number above %g", o->name, value,
                               o->least);
        *(double *)place = number;
        return -1;
    }
    }
    return -1;
}

static int check_common(const command *cmd)
{
    if (raw_common.verbose < -1 || raw_common.verbose > 2)
        return usage_error(cmd, "--verbose '%lld': it takes 0, 1 or 2",
                           (long long)raw_common.verbose);
    if (raw_common.image_size) {
        char end;
        long long height, width;
        if (sscanf(raw_common.image_size, "%5lldx%5lld%c", &height, &width, &end) != 2 ||
            height < 1 || width < 1)
            return usage_error(cmd, "--image-size '%s': it takes HEIGHTxWIDTH, as 64x64",
                               raw_common.image_size);
        pictures.image_size[0] = height;
        pictures.image_size[1] = width;
    }
    if (pictures.color_mode && strcmp(pictures.color_mode, "rgb") != 0 &&
        strcmp(pictures.color_mode, "grayscale") != 0 && strcmp(pictures.color_mode, "rgba") != 0)
        return usage_error(cmd, "--color-mode '%s': it takes rgb, grayscale or rgba",
                           pictures.color_mode);
    if (texts.task && !is_one_of(texts.task, "generate classify"))
        return usage_error(cmd, "--task '%s': it takes generate or classify", texts.task);
    if (texts.split && !is_one_of(texts.split, "character whitespace none"))
        return usage_error(cmd, "--split '%s': it takes character, whitespace or none",
                           texts.split);
    if (texts.standardize &&
        !is_one_of(texts.standardize, "none lower strip_punctuation lower_and_strip_punctuation"))
        return usage_error(cmd,
                           "--standardize '%s': it takes none, lower, strip_punctuation or "
                           "lower_and_strip_punctuation",
                           texts.standardize);
    common.has_verbose = raw_common.verbose >= 0;
    common.verbose = common.has_verbose ? (int)raw_common.verbose : 1;
    if (common.gemm && strcmp(common.gemm, "auto") != 0 && strcmp(common.gemm, "clblast") != 0 &&
        strcmp(common.gemm, "tile") != 0)
        return usage_error(cmd, "--gemm '%s': it takes auto, clblast or tile", common.gemm);
    if (common.dtype && strcmp(common.dtype, "float32") != 0 &&
        strcmp(common.dtype, "mixed_float16") != 0)
        return usage_error(cmd, "--dtype '%s': it takes float32 or mixed_float16", common.dtype);
    return -1;
}

int options_parse(const command *cmd, void *values, int *count, char **words)
{
    int kept = 0;
    bool only_words = false;
    raw_common.verbose = -1;
    for (int i = 0; i < *count; i++) {
        char *word = words[i];
        if (only_words || word[0] != '-' || word[1] == '\0') {
            words[kept++] = word;
            continue;
        }
        if (strcmp(word, "--") == 0) {
            only_words = true;
            continue;
        }
        if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            options_help(cmd, stdout);
            return 0;
        }
        const char *equals = word[1] == '-' ? strchr(word, '=') : NULL;
        size_t length = equals ? (size_t)(equals - word) : strlen(word);
        void *where = values;
        const option *o = find(cmd, word, length, &where, values);
        if (o == NULL)
            return unknown(cmd, word, length);
        const char *value = equals ? equals + 1 : NULL;
        if (o->kind == OPTION_FLAG && value)
            return usage_error(cmd, "%s takes no value", o->name);
        if (o->kind != OPTION_FLAG && value == NULL) {
            if (i + 1 == *count)
                return usage_error(cmd, "%s needs a value: %s", o->name, o->placeholder);
            value = words[++i];
        }
        int status = store(cmd, o, where, value);
        if (status >= 0)
            return status;
    }
    *count = kept;
    if (kept < cmd->least_arguments)
        return usage_error(cmd, "kiln %s needs %s", cmd->name, cmd->arguments);
    if (kept > cmd->most_arguments)
        return usage_error(cmd, "kiln %s: '%s' is one word too many", cmd->name,
                           words[cmd->most_arguments]);
    return check_common(cmd);
}
