/* Kernels of products: a template of blas/, or CLBlast; what follows the product is computed where
 * the template stores its results. */
#include "graph/lower_inside.h"
#include "op/conv.h"
#include "op/leaf.h"

#include <inttypes.h>
#include <string.h>

/* The buffer a product's operand lies in. */
static kiln_status operand(builder *b, launch *l, int number, ir_id id, argument *a)
{
    domain d = {.shape = b->g->items[id].shape, .flat = "0"};
    code *c = code_new(b, l, number, 1, &d);
    if (c == NULL)
        return KILN_ERROR_MEMORY;
    kiln_status status = code_source(c, id, a);
    code_free(c);
    return status;
}

static bool only_stores_anchor(const builder *b, int number)
{
    for (size_t i = 0; i < b->count; i++)
        if (b->cluster_of[i] == number && (ir_id)i != b->clusters[number].anchor)
            return false;
    return true;
}

/* The elements that hooks are called for. */
typedef struct hook_shape {
    kiln_shape shape;
    int64_t rows, width, groups; /* groups: a row has the filters of all */
    const char *type;            /* of indices */
} hook_shape;

static void hook(text *t, const char *name, const char *values, const launch *l,
                 const char *statements, const hook_shape *h)
{
    text_add(t, "static void @_%s(const uint batch, const uint row, const uint col, %s", name,
             values);
    for (int i = 3; i < l->argument_count; i++)
        text_add(t, ", __global %s%s *p%d, const ulong o%d",
                 l->arguments[i].written ? "" : "const ", l->arguments[i].type, i, i);
    text_add(t, ")\n{\n");
    if (h->groups > 1)
        text_add(t,
                 "const %s r = batch / %" PRId64 "u * %" PRId64 "u + row;\nconst uint c = batch %% "
                 "%" PRId64 "u * %" PRId64 "u + col;\n",
                 h->type, h->groups, h->rows, h->groups, h->width / h->groups);
    else
        text_add(t, "const %s r = batch * %" PRId64 "u + row;\nconst uint c = col;\n", h->type,
                 h->rows);
    text_add(t, "const %s i = r * %" PRId64 "u + c;\n%s}\n", h->type, h->width,
             statements ? statements : "");
}

/* The template's arguments: operands and result, and the index that goes with a pooled operand. */
static kiln_status add_arguments(builder *b, launch *l, int number, const ir_node *n)
{
    ir_id anchor = b->clusters[number].anchor, through = pooling_source(b, anchor), inputs[2];
    for (int i = 0; i < 2; i++)
        inputs[i] = through != IR_NONE && through_views(b, n->inputs[i]) == through
                        ? b->g->items[through].inputs[1]
                        : n->inputs[i];
    /* The same buffer may be there twice. */
    KILN_TRY(operand(b, l, number, inputs[0], &l->arguments[0]));
    KILN_TRY(operand(b, l, number, inputs[1], &l->arguments[1]));
    l->arguments[2] = (argument){
        .kind = ARGUMENT_NODE, .where = place_written(b, anchor), .written = true};
    l->arguments[2].type = place_type(b, l->arguments[2].where.owner);
    l->argument_count = l->reserved = 3;
    if (through == IR_NONE)
        return KILN_OK;
    KILN_TRY(operand(b, l, number, b->g->items[through].inputs[0], &l->arguments[3]));
    l->argument_count = l->reserved = 4;
    text_add(&l->source, "#define KILN_INDEX(i) ((uint)p3[o3 + (i)])\n"
                         "#define KILN_INDEX16(i) convert_float16(vload16(0, p3 + (o3 + (i))))\n");
    return KILN_OK;
}

static kiln_status emit_gates(code *c, void *user, bool *scalar_only)
{
    const cluster *k = user;
    KILN_TRY(code_set_gates(c, k->anchor, k->gates));
    return code_store_all(c, scalar_only);
}

/* The hook of a cell behind its product: a unit from all its gates. */
static kiln_status add_gates_hook(builder *b, launch *l, int number, const hook_shape *h)
{
    cluster *k = &b->clusters[number];
    text body = {0}, values = {0}, *t = &l->source;
    bool done;
    domain d = {.shape = h->shape, .flat = "i", .outer = "r", .inner = "c", .width = h->width};
    kiln_status status = lower_emit(b, l, number, 1, &d, emit_gates, k, &body, &done);
    for (int i = 0; i < k->gates; i++)
        text_add(&values, "%sconst float z%d", i ? ", " : "", i);
    if (status == KILN_OK && values.data) {
        hook(t, "store_gates", values.data, l, body.data, h);
        text_add(t, "#define KILN_STORE_GATES(batch, row, unit, z) @_store_gates(batch, row, unit");
        for (int i = 0; i < k->gates; i++)
            text_add(t, ", z(%d)", i);
        for (int i = 3; i < l->argument_count; i++)
            text_add(t, ", p%d, o%d", i, i);
        text_add(t, ")\n");
    }
    if (t->failed || values.failed)
        status = KILN_ERROR_MEMORY;
    text_free(&body);
    text_free(&values);
    return status;
}

/* The template's hooks: what follows the product, sixteen values at a time or one. */
static kiln_status add_hooks(builder *b, launch *l, int number, const hook_shape *h)
{
    const cluster *k = &b->clusters[number];
    bool pools = k->pooled != IR_NONE, vector = false, done;
    text wide = {0}, narrow = {0}, names = {0}, *t = &l->source;
    domain d = {.shape = h->shape, .flat = "i", .outer = "r", .inner = "c", .width = h->width};
    lower_result job = {pools ? k->pooled : k->anchor, "z", k->also, pools ? k->also_count : 0};
    kiln_status status = lower_emit(b, l, number, 16, &d, lower_emit_result, &job, &wide, &vector);
    if (status == KILN_OK)
        status = lower_emit(b, l, number, 1, &d, lower_emit_result, &job, &narrow, &done);
    const char *more = pools ? ", z1" : "";
    for (int i = 3; i < l->argument_count; i++)
        text_add(&names, ", p%d, o%d", i, i);
    const char *rest = names.data ? names.data : "";
    if (status == KILN_OK) {
        hook(t, "store1", pools ? "const float z, const float z1" : "const float z", l, narrow.data,
             h);
        if (vector)
            hook(t, "store16", pools ? "const float16 z, const float16 z1" : "const float16 z", l,
                 wide.data, h);
        if (!pools)
            text_add(t,
                     "#define KILN_STORE_C1(batch, row, col, z) @_store1(batch, row, col, z%s)\n",
                     rest);
        text_add(t, "#define KILN_STORE_C16(batch, row, col, z%s) ", more);
        if (vector)
            text_add(t, "@_store16(batch, row, col, z%s%s)\n", more, rest);
        else
            text_add(t,
                     "{ float lane[16]%s; vstore16(z, 0, lane); %sfor (uint j = 0; j < 16; j++) "
                     "@_store1(batch, row, (col) + j, lane[j]%s%s); }\n",
                     pools ? ", which[16]" : "", pools ? "vstore16(z1, 0, which); " : "",
                     pools ? ", which[j]" : "", rest);
        if (t->failed || names.failed)
            status = KILN_ERROR_MEMORY;
    }
    text_free(&wide);
    text_free(&narrow);
    text_free(&names);
    return status;
}

kiln_status lower_product(builder *b, int number)
{
    cluster *k = &b->clusters[number];
    const ir_node *n = &b->g->items[k->anchor];
    launch *l = lower_launch(b, number);
    if (l == NULL)
        return KILN_ERROR_MEMORY;
    hook_shape h = {.shape = n->shape,
                    .rows = n->shape.dims[n->shape.rank - 2],
                    .width = n->shape.dims[n->shape.rank - 1],
                    .groups = 1};
    bool is_conv = n->op != &op_desc_matmul;
    blas_convolution c = {.batch = 0};
    double elements = (double)kiln_shape_size(n->shape);
    l->product = graph_product(b->g, n);
    if (is_conv) {
        c = graph_convolution(b, k->anchor);
        h.groups = c.groups;
        l->product = blas_convolution_product(&c);
        elements = (double)l->product.m * (double)l->product.n *
                   (double)(l->product.batch[0] * l->product.batch[1]);
        if (c.unpool[2]) /* of each window one element */
            elements /= (double)(c.unpool[1] * c.unpool[2]);
    }
    if (k->pooled != IR_NONE) {
        h.rows = kiln_shape_size(b->g->items[k->pooled].shape) / h.width;
        h.shape = (kiln_shape){2, {h.rows, h.width}};
    }
    if (k->gates) { /* called for units */
        h.width /= k->gates;
        h.shape.dims[h.shape.rank - 1] = h.width;
    }
    h.type = kiln_shape_size(n->shape) >= INT32_MAX ? "ulong" : "uint";
    l->flops = 2.0 * elements * (double)l->product.k;
    KILN_TRY(add_arguments(b, l, number, n));
    if (k->choice.engine == BLAS_CLBLAST) {
        l->is_clblast = true;
        return blas_clblast_scratch(b->device, &l->product, &l->scratch_bytes);
    }
    if (k->gates)
        KILN_TRY(add_gates_hook(b, l, number, &h));
    else if (!only_stores_anchor(b, number))
        KILN_TRY(add_hooks(b, l, number, &h));
    if (l->argument_count > 3) {
        text_add(&l->source, "#define KILN_EXTRA_ARGS ");
        for (int i = 3; i < l->argument_count; i++)
            text_add(&l->source, ", p%d, o%d", i, i);
        text_add(&l->source, "\n#define KILN_EXTRA_PARAMS ");
        for (int i = 3; i < l->argument_count; i++)
            text_add(&l->source, ", __global %s%s *p%d, const ulong o%d",
                     l->arguments[i].written ? "" : "const ", l->arguments[i].type, i, i);
        text_add(&l->source, "\n");
    }
    blas_choice choice = k->choice;
    const chain *in = lower_chain(b, number);
    if (in) {
        blas_product p = l->product;
        p.rows = h.rows / in->rows * in->block;
        KILN_TRY(is_conv ? blas_choose_images(b->device, &c, &choice)
                         : blas_choose_rows(b->device, &p, &choice));
        l->stride = (size_t)(in->rows / in->block);
        l->repeats = choice.global[0] / l->stride;
        choice.global[0] = l->stride;
    }
    if (is_conv && !choice.serial)
        blas_convolution_loader(&c, "@", l->arguments[0].type, &l->source);
    for (int i = 0; i < 3; i++)
        if (strcmp(l->arguments[i].type, "half") == 0)
            text_add(&l->source, "#define KILN_HALF_%c 1\n", 'A' + i);
    text_add(&l->source, "#undef KILN_BODY_ONLY\n#define KILN_NAME @\n%s%s",
             choice.serial ? "#define KILN_BODY_ONLY 1\n" : "", choice.defines);
    KILN_TRY(source_file(&l->source, choice.file));
    l->serial = choice.serial;
    if (choice.serial) {
        l->items = choice.global[0];
        l->local = 1;
    } else {
        l->dims = choice.dims;
        memcpy(l->global, choice.global, sizeof l->global);
        memcpy(l->local3, choice.local, sizeof l->local3);
    }
    return l->source.failed ? KILN_ERROR_MEMORY : KILN_OK;
}
