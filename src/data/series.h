/* A series: the rows of a table in the order of time, and what a model sees of them. */
#ifndef DATA_SERIES_H
#define DATA_SERIES_H

#include "data/dataset.h"
#include "data/series_date.h"
#include "model/series.h"

/* Columns of a CSV file, as they are in it. */
typedef struct series_table {
    char *file;
    int64_t rows;
    size_t columns;
    char **names;    /* of the columns: their headers, or, where these are missing or shared with
                        others, their places in the file */
    float *values;   /* (rows, columns) */
    char **dates;    /* of the rows; NULL: no column of dates */
    char *date_name; /* its header, or "date" */
    series_format format;     /* of the dates, where they can be read */
    series_interval interval; /* between them, where they can be read */
    text notes; /* a line on each thing worth saying, such as dates out of order; may be empty */
} series_table;

/* Which columns of a file: those that are forecast, then those that are only seen. Words are names
 * or indices, as csv_table_find takes them. */
typedef struct series_choice {
    size_t count;
    const char *const *words;
} series_choice;

/* Reads a file. No words: the last column that holds numbers and no dates. Rows are put into the
 * order of their dates. Dates are in the first other column that holds some, or is called like
 * dates are, or else holds no numbers (then they are names). Free it also after a failure. */
kiln_status series_read(const char *path, const series_choice *choice, series_table *table);
void series_free(series_table *table);

/* Leaves rows first..end-1 (end 0: to the last). */
kiln_status series_cut(series_table *table, int64_t first, int64_t end);

/* Fits the means and scales to the rows before `train_rows`, and notes these and the columns'
 * names; the other fields are set already. standardize false: 0 and 1. */
kiln_status series_fit(const series_table *table, int64_t train_rows, bool standardize,
                       model_series *series);

/* The first row that can be forecast: before it are a window and the values it differs from. */
int64_t series_first_target(const model_series *series);
/* The first row that the model was not trained on, so far as it can be told: the one behind the
 * date it was trained to, else behind as many rows, else the first that can be forecast. */
int64_t series_first_unknown(const series_table *table, const model_series *series);
/* The row that the last window forecasts: behind the table's last. */
int64_t series_next_target(const series_table *table, const model_series *series);

/* Windows for the rows first, first + stride, ... that are not behind `last`: (window, columns),
 * and, where targets are wanted, (horizon, targets) without the axes of 1. NULL on failure. */
kiln_dataset *series_windows(const series_table *table, const model_series *series, int64_t first,
                             int64_t last, int64_t stride, bool targets);

/* Turns what a model says, (horizon, targets) for the window before `row`, into the file's units.
 */
void series_restore(const series_table *table, const model_series *series, int64_t row,
                    const float *values, double *restored);

/* What one says who knows nothing: the last value before `row`; or, for a season of so many rows,
 * the last value that is whole seasons before entry `step` of the forecast. NaN: there is none. */
double series_naive(const series_table *table, const model_series *series, int64_t row,
                    int64_t step, int64_t season, size_t column);

#endif
