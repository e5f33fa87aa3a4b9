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

static void hook(text *t, const char *name, const char *vector_parameters, const launch *l,
                 const char *statements, int64_t rows, int64_t width, int64_t groups,
                 const char *type)
{
    text_add(t, "static void @_%s(const uint batch, const uint row, const uint col, %s", name,
             vector_parameters);
    for (int i = 3; i < l->argument_count; i++)
        text_add(t, ", __global %s%s *p%d, const ulong o%d",
                 l->arguments[i].written ? "" : "const ", l->arguments[i].type, i, i);
    text_add(t, ")\n{\n");
    if (groups > 1) /* a row has the filters of all groups */
        text_add(t,
                 "const %s r = batch / %" PRId64 "u * %" PRId64 "u + row;\nconst uint c = batch %% "
                 "%" PRId64 "u * %" PRId64 "u + col;\n",
                 type, groups, rows, groups, width / groups);
    else
        text_add(t, "const %s r = batch * %" PRId64 "u + row;\nconst uint c = col;\n", type, rows);
    text_add(t, "const %s i = r * %" PRId64 "u + c;\n%s}\n", type, width, statements);
}

kiln_status lower_product(builder *b, int number)
{
    cluster *k = &b->clusters[number];
    const ir_node *n = &b->g->items[k->anchor];
    launch *l = lower_launch(b, number);
    if (l == NULL)
        return KILN_ERROR_MEMORY;
    int64_t rows = n->shape.dims[n->shape.rank - 2], width = n->shape.dims[n->shape.rank - 1];
    bool is_conv = n->op != &op_desc_matmul;
    int64_t groups = is_conv ? n->attr.integer[0] : 1;
    l->product = graph_product(b->g, n);
    l->flops = 2.0 * (double)kiln_shape_size(n->shape) * (double)l->product.k;
    argument a, w;
    KILN_TRY(operand(b, l, number, n->inputs[0], &a));
    KILN_TRY(operand(b, l, number, n->inputs[1], &w));
    /* The first three arguments are the template's; the same buffer may be there twice. */
    l->arguments[0] = a;
    l->arguments[1] = w;
    l->arguments[2] = (argument){.kind = ARGUMENT_NODE,
                                 .where = place_written(b, k->anchor),
                                 .written = true,
                                 .type = "float"};
    l->argument_count = l->reserved = 3;
    if (k->choice.engine == BLAS_CLBLAST) {
        l->is_clblast = true;
        return blas_clblast_scratch(b->device, &l->product, &l->scratch_bytes);
    }
    bool plain = only_stores_anchor(b, number);
    text wide = {0}, narrow = {0};
    kiln_status status = KILN_OK;
    if (!plain) {
        const char *type = kiln_shape_size(n->shape) >= INT32_MAX ? "ulong" : "uint";
        domain d = {.shape = n->shape, .flat = "i", .outer = "r", .inner = "c", .width = width};
        lower_result job = {k->anchor, "v", NULL, 0};
        bool vector = false, done;
        status = lower_emit(b, l, number, 16, &d, lower_emit_result, &job, &wide, &vector);
        if (status == KILN_OK)
            status = lower_emit(b, l, number, 1, &d, lower_emit_result, &job, &narrow, &done);
        if (status == KILN_OK) {
            text t = {0};
            hook(&t, "store1", "const float v", l, narrow.data, rows, width, groups, type);
            text names = {0};
            for (int i = 3; i < l->argument_count; i++)
                text_add(&names, ", p%d, o%d", i, i);
            if (vector)
                hook(&t, "store16", "const float16 v", l, wide.data, rows, width, groups, type);
            text_add(&l->source,
                     "%s#define KILN_STORE_C1(batch, row, col, x) @_store1(batch, row, col, x%s)\n",
                     t.data ? t.data : "", names.data ? names.data : "");
            if (vector)
                text_add(
                    &l->source,
                    "#define KILN_STORE_C16(batch, row, col, x) @_store16(batch, row, col, x%s)\n",
                    names.data ? names.data : "");
            else
                text_add(&l->source,
                         "#define KILN_STORE_C16(batch, row, col, x) { float lane[16]; vstore16(x, "
                         "0, lane); for (uint j = 0; j < 16; j++) @_store1(batch, row, (col) + j, "
                         "lane[j]%s); }\n",
                         names.data ? names.data : "");
            text_add(&l->source, "#define KILN_EXTRA_ARGS %s\n#define KILN_EXTRA_PARAMS ",
                     names.data ? names.data : "");
            for (int i = 3; i < l->argument_count; i++)
                text_add(&l->source, ", __global %s%s *p%d, const ulong o%d",
                         l->arguments[i].written ? "" : "const ", l->arguments[i].type, i, i);
            text_add(&l->source, "\n");
            if (t.failed || names.failed)
                status = KILN_ERROR_MEMORY;
            text_free(&t);
            text_free(&names);
        }
    }
    blas_choice choice = k->choice;
    const chain *in = lower_chain(b, number);
    if (status == KILN_OK && in) {
        status =
            blas_choose_rows(b->device, &l->product, (int)(rows / in->rows * in->block), &choice);
        l->stride = (size_t)(in->rows / in->block);
        l->repeats = choice.global[0] / l->stride;
        choice.global[0] = l->stride;
    }
    if (status == KILN_OK && is_conv && !choice.serial) {
        blas_convolution c = op_conv_product(b->g, n);
        blas_convolution_loader(&c, &l->source);
    }
    if (status == KILN_OK) {
        text_add(&l->source, "#undef KILN_BODY_ONLY\n#define KILN_NAME @\n%s%s",
                 choice.serial ? "#define KILN_BODY_ONLY 1\n" : "", choice.defines);
        status = source_file(&l->source, choice.file);
        l->serial = choice.serial;
        if (choice.serial) {
            l->items = choice.global[0];
            l->local = 1;
        } else {
            l->dims = choice.dims;
            memcpy(l->global, choice.global, sizeof l->global);
            memcpy(l->local3, choice.local, sizeof l->local3);
        }
    }
    if (status == KILN_OK && (l->source.failed || wide.failed || narrow.failed))
        status = KILN_ERROR_MEMORY;
    text_free(&wide);
    text_free(&narrow);
    return status;
}
