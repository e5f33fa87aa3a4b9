/* The built-in networks. */
#ifndef CLI_NETWORKS_H
#define CLI_NETWORKS_H

#include "data/dataset.h"

#include <kiln/kiln.h>

typedef struct network network;
struct network {
    const char *name;
    const char *summary; /* NULL for a tiny one */
    int64_t batch_size;  /* of its benchmark */
    const char *task;    /* of text: "generate" or "classify"; NULL: it takes no text */
    double rate;         /* learning rate of task "generate"; 0: the optimizer's */
    kiln_shape sized;    /* by its data: a sample where there are none; rank 0: always the same */
    int64_t words; /* a sample is a sequence of whole numbers below this, each with the next one
                      as its target (or two classes, of task "classify"); 0: it is not */
    bool tiny;     /* a small size of another one */
    kiln_model *(*build)(const network *which, const kiln_dataset *data);
};

/* Ends with a nameless one. Each of them has a tiny size too, which network_find knows as
 * NAME-tiny: the same layers with few units, for a slow device or a quick trial. */
extern const network networks[];

/* NULL when there is none of that name; no failure is recorded. */
const network *network_find(const char *name);

/* Passes over the data that kiln fit makes when it is not told how many: one, but more where an
 * epoch is short. */
int64_t network_epochs(const network *which);

/* Builds it. data sizes a network that is sized by it; NULL: by network.sized. NULL on
 * failure. */
kiln_model *network_build(const network *which, const kiln_dataset *data);

/* The initial weights of networks with recurrent layers, by the options. */
typedef struct network_weights {
    bool pytorch; /* as PyTorch draws them; else as Keras does */
    const char *embeddings, *kernel, *recurrent, *bias; /* initializers; NULL: as above */
    int64_t width; /* of the Embedding; 0: the network's own */
} network_weights;
extern network_weights network_initial;

/* In networks_recurrent.c. */
kiln_model *network_build_simple_rnn(const network *which, const kiln_dataset *data);
kiln_model *network_build_lstm(const network *which, const kiln_dataset *data);
kiln_model *network_build_gru(const network *which, const kiln_dataset *data);
kiln_model *network_build_bilstm_classifier(const network *which, const kiln_dataset *data);

/* How many outputs the targets of a data set want: its classes, or the elements of a float target.
 */
int64_t network_outputs(const kiln_dataset *data);

#endif
