/* Series on the command line: how their windows are cut for a training. */
#ifndef CLI_SERIES_H
#define CLI_SERIES_H

#include "cli/session.h"
#include "data/series.h"

/* Options of the commands that cut windows. */
extern const option_group series_fit_group;

/* Is a series meant: by --window, by a model of one, or by a network that takes nothing else? model
 * NULL: a built-in one of that name. */
bool series_is_meant(const char *model_name, const kiln_model *model);

/* --window; 0: not given. */
int64_t series_window(void);

/* Opens a file for a training: windows of the rows that are not held out; prints what they are
 * where aloud is true. A model of a series (may be NULL) goes on with its own columns, windows and
 * scales. */
kiln_status series_training_data(const char *path, const kiln_model *model, bool aloud,
                                 kiln_dataset **data);

/* The file's columns that a model was made with, in its order; notes are printed where aloud is
 * true. Free the table also after a failure. */
kiln_status series_open(const char *path, const model_series *series, bool aloud,
                        series_table *table);

#endif
