/* What a model of a series says about a file, in the file's own units. */
#ifndef CLI_FORECAST_H
#define CLI_FORECAST_H

#include "cli/series.h"

/* Options of the commands that forecast. */
extern const option_group forecast_group;

typedef struct forecast {
    series_table table;
    const model_series *series; /* the model's */
    int64_t known;              /* rows of the file; those behind them were forecast */
    int64_t first, count;       /* rows that have a window before them, of the last forecast */
    int64_t steps;              /* rows behind the file's end that are wanted; 0: all there are */
    double *values;             /* (count, horizon, targets) */
} forecast;

/* Opens a file for a model of a series. *windows: before the rows that are held out, each with what
 * follows it (targets), or one more that ends with the file. Close it also after a failure. */
kiln_status forecast_open(forecast *f, const char *path, const kiln_model *model, bool targets,
                          kiln_dataset **windows);
/* The same, silently, for a model that was just trained on the file; where no row was held out
 * (*held false), of the rows it was trained on. */
kiln_status forecast_open_trained(forecast *f, const char *path, const kiln_model *model,
                                  bool *held, kiln_dataset **windows);
void forecast_close(forecast *f);

/* Turns what the model said about the windows into the file's units. */
kiln_status forecast_take(forecast *f, const float *outputs, int64_t samples, int64_t row);

/* Has the model forecast from all windows, and takes what it says. */
kiln_status forecast_predict(forecast *f, kiln_model *model, kiln_dataset *windows);

/* Settles how many rows behind the file's end are wanted (0: those that there are): where the
 * model's forecast ends before, it goes on with forecasts as values. */
kiln_status forecast_go_on(forecast *f, kiln_model *model, int64_t steps);

/* The row behind the last one that is wanted. */
int64_t forecast_end(const forecast *f);

/* The date of a row, behind the file's end too: "1961-01", "+1". In one of a few buffers of its
 * own. */
const char *forecast_date(const forecast *f, int64_t row);

/* The forecast of a row that is one step ahead; column: of the forecast ones. NaN: there is none.
 */
double forecast_at(const forecast *f, int64_t row, size_t column);
/* What forecast i says of its entry `step`, which is row first + i + step * rate. */
double forecast_entry(const forecast *f, int64_t i, int64_t step, size_t column);

/* Errors over all windows whose forecast is known to its end: of the model, of the last value, and
 * of the value a season before (season 0: not known). */
typedef enum forecaster { FORECAST_MODEL, FORECAST_LAST, FORECAST_SEASON, FORECASTERS } forecaster;
typedef struct forecast_errors {
    int64_t count;
    double mape; /* per cent; NaN where values are 0 */
    double rmse, mae;
} forecast_errors;
void forecast_measure(const forecast *f, forecaster who, size_t column, forecast_errors *errors);
int64_t forecast_season(const forecast *f);

/* The errors as a table on standard output, and as a member "forecast" of an object. */
void forecast_print_errors(const forecast *f, const char *model_name);
kiln_status forecast_add_errors(const forecast *f, json_t *object);

/* Known and forecast values: on the screen (the last `rows` known ones; 0: all), as CSV (*rows: how
 * many it has), as SVG. */
void forecast_print(const forecast *f, int64_t rows);
kiln_status forecast_write_csv(const forecast *f, const char *path, int64_t *rows);
kiln_status forecast_plot(const forecast *f, const char *path);

#endif
