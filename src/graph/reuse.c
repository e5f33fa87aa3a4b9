/* Results written over what only they still need: an element-wise result, with or without a product
 * in front of it, may lie where an operand lay that nothing reads later and that the launch itself
 * reads at the same index alone. So the gradient in front of a relu takes the place of the relu's
 * result. */
#include "graph/inside.h"
#include "op/leaf.h"

/* Smaller ones are not worth the wait for the operand's other readers. */
enum { LEAST_BYTES = 256 * 1024 };

ir_id storage_of(const builder *b, ir_id owner)
{
    while (b->stored_in[owner] != IR_NONE)
        owner = b->stored_in[owner];
    return owner;
}

static bool is_plain(const builder *b, ir_id id)
{
    const ir_node *n = &b->g->items[id];
    return b->stored[id] && b->cluster_of[id] >= 0 && !b->required[id] && !b->stacked[id] &&
           !b->fixed[id].memory && b->state_of[id] == IR_NONE && b->update_of[id] < 0 &&
           b->assign_of[id] < 0 && n->scope == 0 && n->op != &op_desc_scan_state &&
           n->op != &op_desc_max_pool_index &&
           (size_t)place_elements(b, id) * place_element_size(b, id) >= LEAST_BYTES;
}

/* The only value that a launch writes; IR_NONE when there are more. */
static ir_id only_result(const builder *b, const launch *l)
{
    ir_id result = IR_NONE;
    for (int i = 0; i < l->argument_count; i++) {
        const argument *a = &l->arguments[i];
        if (!a->written || (a->kind == ARGUMENT_NODE && !b->stored[a->where.owner]))
            continue;
        if (a->kind != ARGUMENT_NODE || result != IR_NONE)
            return IR_NONE;
        result = a->where.owner;
    }
    return result;
}

/* Whether the nodes of a cluster read a value only element by element. */
static bool reads_in_place(const builder *b, int number, ir_id value)
{
    ir_id anchor = b->clusters[number].anchor,
          through = anchor != IR_NONE ? pooling_source(b, anchor) : IR_NONE;
    for (int k = 0; through != IR_NONE && k < b->g->items[through].input_count; k++)
        if (through_views(b, b->g->items[through].inputs[k]) == value)
            return false;
    for (size_t i = 0; i < b->count; i++) {
        const ir_node *n = &b->g->items[i];
        for (int k = 0; b->cluster_of[i] == number && k < n->input_count; k++)
            if (through_views(b, n->inputs[k]) == value &&
                (n->op->kind != OP_POINTWISE ||
                 kiln_shape_size(n->shape) != kiln_shape_size(b->g->items[value].shape)))
                return false;
    }
    return true;
}

static bool is_used_later(const builder *b, size_t after, ir_id storage)
{
    for (size_t i = after + 1; i < b->launches.count; i++) {
        const launch *l = &b->launches.items[i];
        for (int k = 0; k < l->argument_count; k++)
            if (l->arguments[k].kind == ARGUMENT_NODE &&
                storage_of(b, l->arguments[k].where.owner) == storage)
                return true;
    }
    return false;
}

void reuse_storage(builder *b)
{
    for (size_t i = 0; i < b->launches.count; i++) {
        const launch *l = &b->launches.items[i];
        ir_id result = only_result(b, l);
        if (result == IR_NONE || l->chain >= 0 || l->scope || l->is_clblast || !is_plain(b, result))
            continue;
        int number = b->cluster_of[result];
        cluster_kind kind = b->clusters[number].kind;
        if (kind != CLUSTER_POINTWISE && kind != CLUSTER_PRODUCT)
            continue;
        for (int k = 0; k < l->argument_count; k++) {
            const argument *a = &l->arguments[k];
            ir_id operand = a->kind == ARGUMENT_NODE ? a->where.owner : IR_NONE;
            if (operand == IR_NONE || a->written || !is_plain(b, operand) ||
                b->cluster_of[operand] == number ||
                place_elements(b, operand) != place_elements(b, result) ||
                b->half[operand] != b->half[result] ||
                !reads_in_place(b, number, operand) || is_used_later(b, i, storage_of(b, operand)))
                continue;
            b->stored_in[result] = operand;
            break;
        }
    }
}
