/* Gradients as ordinary nodes. */
#ifndef GRAPH_AUTODIFF_H
#define GRAPH_AUTODIFF_H

#include "op/op.h"

/* Adds nodes for d loss / d wrt[i] to the graph; loss is a scalar node. gradients[i] is IR_NONE
 * where the loss does not depend on wrt[i] (no failure). Nothing is computed for nodes from which
 * no wrt is reachable: a frozen layer costs nothing. */
kiln_status graph_gradients(ir_graph *graph, ir_id loss, int count, const ir_id *wrt,
                            ir_id *gradients);

#endif
