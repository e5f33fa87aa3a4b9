/* Options of a command, by table. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef enum option_kind {
    OPTION_FLAG,     /* bool */
    OPTION_TEXT,     /* const char *, NULL when not given */
    OPTION_WHOLE,    /* int64_t, at least `least` */
    OPTION_UNSIGNED, /* uint64_t */
    OPTION_REAL      /* double, above `least` */
} option_kind;

/* One option. Values go into a structure of the command, which holds the defaults before. */
typedef struct option {
    const char *name; /* "--epochs", or "-o" */
    option_kind kind;
    size_t offset;           /* of the value in the structure */
    const char *placeholder; /* "N" */
    const char *help;
    double least;
} option;

/* Options that several commands share, with their values. */
typedef struct option_group {
    const char *title; /* "options for series:" */
    const option *options;
    size_t count;
    void *values;
} option_group;

typedef struct command {
    const char *name;
    const char *arguments; /* "MODEL DATA" as in the usage line */
    int least_arguments, most_arguments;
    const char *summary; /* half a line for the list of commands */
    const char *help;    /* a paragraph or two */
    const char *example; /* lines of shell */
    const option *options;
    size_t option_count;
    bool takes_common; /* the options of every command that computes */
    bool takes_data;   /* the options on pictures and text */
    const option_group *group; /* NULL: none */
    int (*run)(int count, char **arguments);
} command;

/* Parses the command line behind the command's name into `values` (a structure of the command's
 * own) and the common options. Moves the other words to the front of `words` and sets *count.
 * Returns -1 to go on, or what the program exits with: 0 after --help, 2 after one line about a
 * mistake. */
int options_parse(const command *cmd, void *values, int *count, char **words);

/* One line on standard error about wrong usage; returns 2. */
int usage_error(const command *cmd, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prints the command's help. */
void options_help(const command *cmd, FILE *stream);

/* The options of every command that computes; set by options_parse. */
typedef struct common_options {
    const char *device;
    const char *gemm, *dtype;
    int64_t batch_size; /* 0: not given */
    uint64_t seed;      /* 0: not given */
    bool has_verbose;
    int verbose; /* 0, 1 (default) or 2 */
    bool check_numerics;
} common_options;
extern common_options common;

/* How text is read; set by options_parse. */
typedef struct text_options {
    const char *task, *text_column, *label_column, *split, *standardize; /* NULL: not given */
    int64_t sequence_length, max_tokens;                                 /* 0: not given */
    bool contiguous;
} text_options;
extern text_options texts;
/* Of commands without data: the text option that sizes models too. */
extern const option_group length_group;

/* How pictures are read; set by options_parse. */
typedef struct picture_options {
    const char *color_mode; /* NULL: not given */
    bool skip_unreadable;
    int64_t image_size[2]; /* height, width; 0: not given */
} picture_options;
extern picture_options pictures;

#endif
