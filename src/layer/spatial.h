/* What layers over pictures and sequences share: (batch, axes..., channels), or the channels first.
 */
#ifndef LAYER_SPATIAL_H
#define LAYER_SPATIAL_H

#include "layer/layer.h"
#include "op/window.h"

/* 1, 2 or 3: the digit in the class's name ("MaxPooling2D", "Conv1DTranspose"). */
int spatial_axes(const kiln_layer *layer);

/* Fails unless value is one of the words in `allowed`, separated by spaces. */
kiln_status spatial_word(const char *field, const char *value, const char *allowed);
/* Checks a field data_format, and says whether it is "channels_first". */
kiln_status spatial_format(const char *data_format);
bool spatial_channels_first(const char *data_format);
/* Fails unless the sample has so many axes and channels. */
kiln_status spatial_input(kiln_shape input, int axes);
/* Where the axes of a sample begin: 0, or 1 behind the channels. */
int spatial_begin(const char *data_format);

/* A sample's axes, then its channels, as data_format has them; and back. */
kiln_shape spatial_channels_last(const char *data_format, kiln_shape sample);
kiln_shape spatial_as_given(const char *data_format, kiln_shape sample);
/* Channels from the second to the last axis of x (batch, ...), or back. */
ir_id spatial_move_channels(ir_graph *g, ir_id x, bool back);

/* A field of sizes, one for each axis: none given takes `fallback` (0: they must be given), a
 * single one stands for all. For builders and reading. */
kiln_status spatial_fill(const char *field, kiln_shape *sizes, int axes, int64_t fallback,
                         int64_t least);

/* x (batch, ...) as (rows, axes..., channels): with the channels first, each is a row of one
 * channel. The way back takes the batch and channels from `like`. */
ir_id spatial_enter(ir_graph *g, ir_id x, const char *data_format);
ir_id spatial_leave(ir_graph *g, ir_id y, ir_id like, const char *data_format);

#endif
