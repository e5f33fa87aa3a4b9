/* Text: Keras's TextVectorization, data sets from text files, and text that a model writes. */
#ifndef KILN_TEXT_H
#define KILN_TEXT_H

#include "data.h"
#include "model.h"

KILN_BEGIN_DECLS

/* ---- TextVectorization (output_mode "int") ----
 * Token 0 is '' (padding), token 1 '[UNK]' (what is not in the vocabulary). Texts are UTF-8. */
typedef struct kiln_text_vectorization kiln_text_vectorization;

typedef struct kiln_text_vectorization_args {
    int64_t max_tokens;      /* of the vocabulary, the two reserved ones counted; 0: no limit */
    const char *standardize; /* "lower_and_strip_punctuation" (default), "lower", "strip_punctuation", "none"; of
                              * ASCII, as in Keras */
    const char *split;       /* "whitespace" (default), "character", "none" */
    int64_t output_sequence_length; /* tokens a text is padded or cut to; 0: as many as the longest of a call has */
    size_t vocabulary_count; /* 0: kiln_text_vectorization_adapt finds one */
    const char *const *vocabulary; /* without the reserved tokens, or with them at its start */
    char unset_;             /* set by nobody: lets the macro be called without arguments */
} kiln_text_vectorization_args;

/* NULL on failure. Free with kiln_text_vectorization_free. */
KILN_API kiln_text_vectorization *kiln_text_vectorization_with(const kiln_text_vectorization_args *args);
#ifndef __cplusplus
#define kiln_text_vectorization_new(...)                                                                               \
    kiln_text_vectorization_with(&(kiln_text_vectorization_args){.unset_ = 0, __VA_ARGS__})
#endif

/* Finds the vocabulary of these texts: by falling frequency, and falling alphabet among those of the same. */
KILN_API kiln_status kiln_text_vectorization_adapt(kiln_text_vectorization *layer, size_t count,
                                                   const char *const *texts);

/* The numbers of the tokens of each text: (count, *length), the caller's to free. NULL on failure. */
KILN_API int32_t *kiln_text_vectorization_call(const kiln_text_vectorization *layer, size_t count,
                                               const char *const *texts, int64_t *length);

/* All tokens by number; owned by the layer. */
KILN_API const char *const *kiln_text_vectorization_vocabulary(const kiln_text_vectorization *layer, size_t *count);
KILN_API void kiln_text_vectorization_free(kiln_text_vectorization *layer); /* NULL is allowed */

/* ---- data sets from a text file ----
 * Task "generate": windows of one long text, int32 of shape (sequence_length); the target is the window one token on.
 * They share one array: a window is a place in it. Characters are numbered in the order of their code points, and
 * each counts (there are no reserved tokens) unless max_tokens is given; words are numbered as by TextVectorization.
 * Task "classify": labelled lines of a table (.tsv, .csv), or lines without labels; int32 of shape (sequence_length),
 * padded with 0, and int32 labels.
 * How the text was read is kept with the data set, and by kiln_fit with the model: see kiln_text_dataset_like. */
typedef struct kiln_text_dataset_args {
    const char *task;        /* "generate" (default) or "classify" */
    const char *standardize; /* as of TextVectorization; generate: "none" */
    const char *split;       /* generate: "character"; classify: "whitespace" */
    int64_t max_tokens;      /* 0: no limit */
    int64_t sequence_length; /* generate: 64; classify: one that 99 of 100 lines fit in */
    size_t vocabulary_count; /* 0: that of the training part (of all of the file where each character counts) */
    const char *const *vocabulary; /* by number, as kiln_text_vectorization_vocabulary yields it */
    const char *text_column, *label_column; /* classify: by name or index (from 0; -1: the last); default: the text is
                                             * the column with most of it, the label the one with fewest values */
    const char *kept_text_column, *kept_label_column; /* those of a model, where no others are given: a table of several
                                                       * columns must have the text's, and the label's where there must
                                                       * be labels; lines that are no table need neither */
    kiln_choice labels;      /* classify: KILN_NO: none; KILN_YES: there must be some; default: where there is a table */
    size_t class_count;      /* 0: found in the file */
    const char *const *class_names;
    double validation_split; /* 0: none; else the share at the end of a text, or drawn within each class */
    const char *subset;      /* with a split: "training" or "validation" */
    uint64_t seed;           /* of the split of lines */
    int64_t sequence_stride; /* generate: tokens from one window to the next; 1, and sequence_length for validation */
    int64_t batch_size;      /* generate, for stateful models: row r of each batch of so many goes on where row r of the
                              * one before ended (train without shuffling); 0: windows one after the other */
    char unset_;             /* set by nobody */
} kiln_text_dataset_args;

/* NULL on failure. Free with kiln_dataset_free. */
KILN_API kiln_dataset *kiln_text_dataset_from_file_with(const char *path, const kiln_text_dataset_args *args);
#ifndef __cplusplus
#define kiln_text_dataset_from_file(...) KILN_TEXT_DATASET_(__VA_ARGS__, .unset_ = 0)
#define KILN_TEXT_DATASET_(path, ...) kiln_text_dataset_from_file_with(path, &(kiln_text_dataset_args){__VA_ARGS__})
#endif

/* The arguments that read text as this model's was, to be changed as needed; they point into the model. Zeroes where the
 * model was not trained on text. */
KILN_API kiln_text_dataset_args kiln_text_dataset_like(const kiln_model *model);

/* ---- text that a model writes ----
 * The recurrent layers carry their state from token to token; layers that look at several tokens at once are refused. */
typedef struct kiln_generate_args {
    kiln_model *model;
    const char *prompt; /* goes on from there; default: the end of a line, or any token */
    int64_t length;     /* tokens to write (500) */
    double temperature; /* divides the scores (1); KILN_ZERO: the likeliest token each time */
    int64_t top_k;      /* draws among so many of the likeliest; 0: among all */
    double top_p;       /* draws among the fewest that have this probability together; 0: among all */
    uint64_t seed;      /* the same one writes the same text; 0: another one each time */
    /* Called with each token as it is written; anything but 0 ends the text. */
    int (*on_text)(void *user, const char *text, size_t bytes);
    void *user;
} kiln_generate_args;

/* What the model writes behind the prompt, the caller's to free; NULL on failure (a text that was interrupted is returned
 * as far as it got, with KILN_INTERRUPTED on record). */
KILN_API char *kiln_generate_with(const kiln_generate_args *args);
#ifndef __cplusplus
#define kiln_generate(...) kiln_generate_with(&(kiln_generate_args){.model = __VA_ARGS__})
#endif

KILN_END_DECLS

#endif
