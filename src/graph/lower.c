/* From a cluster to its launch: the common parts. What is particular to a kind of cluster is in
 * lower_pointwise.c, lower_reduce.c and lower_product.c. */
#include "graph/lower_inside.h"

/* "add+relu": the operations of a cluster, anchor first. */
static void cluster_name(const builder *b, int number, char *out, size_t room)
{
    size_t at = 0;
    ir_id anchor = b->clusters[number].anchor;
    if (anchor != IR_NONE)
        at += (size_t)snprintf(out, room, "%s", b->g->items[anchor].op->name);
    for (size_t i = 0; i < b->count && at + 24 < room; i++)
        if (b->cluster_of[i] == number && (ir_id)i != anchor &&
            b->g->items[i].op != op_pointwise(F_IDENTITY))
            at += (size_t)snprintf(out + at, room - at, "%s%s", at ? "+" : "",
                                   b->g->items[i].op->name);
    if (at == 0)
        snprintf(out, room, "copy");
}

const chain *lower_chain(const builder *b, int number)
{
    return b->clusters[number].chain < 0 ? NULL : &b->chains.items[b->clusters[number].chain];
}

launch *lower_launch(builder *b, int number)
{
    char name[sizeof((launch *)0)->name];
    cluster_name(b, number, name, sizeof name);
    ir_id shown = b->clusters[number].anchor != IR_NONE ? b->clusters[number].anchor
                                                        : b->clusters[number].first;
    launch *l = launch_new(b, name, b->g->items[shown].place, b->clusters[number].scope);
    if (l)
        l->chain = b->clusters[number].chain;
    if (l && l->chain >= 0) /* a chain that is a loop runs once */
        l->scope = 0;
    return l;
}

kiln_status lower_emit(builder *b, launch *l, int number, int lanes, const domain *d,
                       lower_emitter f, void *user, text *out, bool *done)
{
    bool scalar_only = false;
    int arguments = l->argument_count;
    code *c = code_new(b, l, number, lanes, d);
    if (c == NULL)
        return KILN_ERROR_MEMORY;
    kiln_status status = f(c, user, &scalar_only);
    *done = !scalar_only;
    if (status == KILN_OK && *done)
        text_add(out, "%s", code_text(c));
    else
        l->argument_count = arguments;
    code_free(c);
    return status != KILN_OK ? status : out->failed ? KILN_ERROR_MEMORY : KILN_OK;
}

kiln_status lower_emit_result(code *c, void *user, bool *scalar_only)
{
    const lower_result *job = user;
    KILN_TRY(code_set(c, job->anchor, job->name));
    for (int i = 0; i < job->also_count; i++) {
        char name[24];
        snprintf(name, sizeof name, "%s%d", job->name, i + 1);
        KILN_TRY(code_set(c, job->also[i], name));
    }
    return code_store_all(c, scalar_only);
}

kiln_status lower_cluster(builder *b, int number)
{
    ir_id shown = b->clusters[number].anchor != IR_NONE ? b->clusters[number].anchor
                                                        : b->clusters[number].first;
    kiln_status status;
    switch (b->clusters[number].kind) {
    case CLUSTER_REDUCE:
        status = lower_reduce(b, number);
        break;
    case CLUSTER_PRODUCT:
        status = lower_product(b, number);
        break;
    default:
        status = lower_pointwise(b, number);
        break;
    }
    if (status != KILN_OK && kiln_last_status() != KILN_OK && b->g->items[shown].place)
        return kiln_fail_in("layer %s (%s)", b->g->items[shown].place, b->g->items[shown].op->name);
    return status;
}
