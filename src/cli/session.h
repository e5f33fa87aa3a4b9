/* What the words of a command line open: the device, data, models. */
#ifndef CLI_SESSION_H
#define CLI_SESSION_H

#include "cli/cli.h"
#include "data/dataset.h"
#include "model/model.h"

/* Before anything else of a command that computes: notices for compilations and downloads, Ctrl-C,
 * the check of the environment. */
kiln_status session_start(void);

/* The device that --device names. NULL on failure. */
kiln_device *session_device(void);

/* Opens DATA, as text where it is for a model of text (text_data.h); part is "train" or "test".
 * model may be NULL: then the file says what its classes are. labels KILN_NO: no label is looked
 * for; KILN_DEFAULT: a CSV file may have one or not. NULL on failure. */
kiln_dataset *session_data(const char *source, const char *part, const char *label,
                           const kiln_model *model, kiln_choice labels);

/* Adds how pictures are read, by the options and by what a model takes (one sample's shape). */
void session_pictures(kiln_dataset_args *args, kiln_shape input);

/* Says on standard error which pictures were left out. */
void session_skipped(const kiln_dataset *data);

/* Picture files of their own, for a model. NULL on failure. */
kiln_dataset *session_images(size_t count, char *const *paths, const kiln_model *model);

/* Opens MODEL: a built-in name or a file. data (may be NULL) sizes a built-in network. NULL on
 * failure. */
kiln_model *session_model(const char *name, const kiln_dataset *data);

/* Opens MODEL, a file, for DATA: an axis that it leaves open is as long as --sequence-length says,
 * else as it is in the data. label and labels are as for session_data. NULL on failure. */
kiln_model *session_model_for(const char *name, const char *source, const char *label,
                              kiln_choice labels);

/* Are the inputs bytes, such as those of pictures? The scale kept with a model is for these: arrays
 * of numbers are taken as they are. */
bool session_is_bytes(const kiln_dataset *data);

/* Puts named arrays into the order of the model's inputs and outputs. */
kiln_status session_match(kiln_dataset *data, const kiln_model *model, bool need_targets);

/* Says which device and engine a model uses, where it is not compiled for a training. */
kiln_status session_place(kiln_model *model, kiln_device *device);

/* Is there a built-in network of that name (and no file)? */
bool session_is_builtin(const char *name);

/* Between these two Ctrl-C ends the training after the running steps; else it ends the program.
 * Either way the program exits 130. */
void session_begin_training(void);
void session_end_training(void);
/* Was there one between them? */
bool session_interrupted(void);

/* The most memory this process had so far, in bytes. */
uint64_t session_resident(void);

/* "12,345" in one of a few buffers of its own. */
const char *session_count(int64_t number);
const char *session_figure(double value); /* "0.023", "1.50", "12.3" or "1,760" */
/* "1.5 MB" likewise; powers of 1000. */
const char *session_bytes(uint64_t bytes);

#endif
