/* How often a plan goes through a batch to normalize it: twice forward (its sums, then its values)
 * and twice back, whatever follows it; and that a gradient draws no random numbers again. */
#include "graph/autodiff.h"
#include "graph/plan_inside.h"
#include "harness/harness.h"
#include "op/normalize.h"

#include <math.h>

static const kiln_shape pictures = {4, {16, 12, 12, 32}}, column = {1, {32}};

typedef struct network {
    kiln_device *device;
    ir_weight x, gamma, beta; /* what is normalized is a weight, so that its readers are known */
    cl_mem slab;
} network;

static void network_open(network *n, kiln_device *device)
{
    size_t size = (size_t)kiln_shape_size(pictures);
    *n = (network){.device = device,
                   .x = {.path = "x", .shape = pictures},
                   .gamma = {.path = "gamma", .shape = column, .offset = size},
                   .beta = {.path = "beta", .shape = column, .offset = size + 64}};
    float *start = malloc((size + 128) * sizeof *start);
    for (size_t i = 0; i < size + 128; i++)
        start[i] = sinf((float)i);
    harness_ok(device_alloc(device, (size + 128) * sizeof *start, "weights", &n->slab));
    harness_ok(device_write(device, n->slab, 0, start, (size + 128) * sizeof *start));
    free(start);
    n->x.memory = n->gamma.memory = n->beta.memory = n->slab;
}

/* relu(normalized x) * sin(its number), summed; trained or only computed. */
static plan *network_plan(network *n, bool trains)
{
    static const plan_optimizer sgd = {.defines = "#define KILN_RULE_SGD 1\n"};
    ir_graph g = {0};
    ir_id x = op_weight(&g, &n->x), w[3] = {x, op_weight(&g, &n->gamma), op_weight(&g, &n->beta)},
          gradients[3];
    op_moments m = {.weight = op_reshape(&g, op_row_mask(&g, 16), (kiln_shape){4, {16, 1, 1, 1}}),
                    .count = op_affine(&g, op_row_count(&g), 144, 0)};
    harness_ok(op_batch_moments(&g, x, column, op_constant(&g, 0), &m));
    ir_id y = op_unary(&g, F_RELU, op_batch_normalize(&g, x, &m, 1e-3, w[1], w[2]));
    ir_id sums = op_reduce(&g, R_SUM, op_unary(&g, F_SIN, y), 1, 3, false),
          loss = op_reduce(&g, R_SUM, sums, 0, 0, false);
    plan_request r = {.name = "network", .graph = &g, .loss = loss, .seed = 1};
    plan_update updates[3];
    if (trains) {
        harness_ok(graph_gradients(&g, loss, 3, w, gradients));
        for (int i = 0; i < 3; i++)
            updates[i] = (plan_update){g.items[w[i]].attr.object, gradients[i]};
        r.update_count = 3;
        r.updates = updates;
        r.optimizer = &sgd;
    } else {
        r.output_count = 1;
        r.outputs = &y;
    }
    plan *p;
    harness_ok(plan_create(n->device, &r, &p));
    ir_free(&g);
    return p;
}

/* Launches that read x. */
static int passes(const plan *p, const ir_weight *x)
{
    int count = 0;
    for (size_t i = 0; i < p->b.launches.count; i++) {
        const launch *l = &p->b.launches.items[i];
        bool reads = false;
        for (int k = 0; k < l->argument_count; k++)
            reads |= l->arguments[k].kind == ARGUMENT_WEIGHT && l->arguments[k].weight == x;
        count += reads;
    }
    return count;
}

START_TEST(passes_of_a_batch_normalization)
{
    HARNESS_EACH_DEVICE(device)
    {
        network n;
        network_open(&n, device);
        for (int trains = 0; trains < 2; trains++) {
            plan *p = network_plan(&n, trains);
            text t = {0};
            harness_ok(plan_dump(p, &t));
            int count = passes(p, &n.x);
            ck_assert_msg(count >= 2 && count <= 2 + 2 * trains, "%s: x is read %d times\n%s",
                          trains ? "training" : "forward", count, t.data);
            text_free(&t);
            plan_free(p);
        }
        device_free(device, n.slab);
    }
}
END_TEST

/* Nodes called so on the way from `from` to the sources. */
static int count_nodes(const ir_graph *g, ir_id from, const char *name)
{
    bool *reached = calloc(g->count, sizeof *reached);
    int count = 0;
    reached[from] = true;
    for (ir_id i = from; i >= 0; i--) {
        if (!reached[i])
            continue;
        count += strcmp(g->items[i].op->name, name) == 0;
        for (int k = 0; k < g->items[i].input_count; k++)
            reached[g->items[i].inputs[k]] = true;
    }
    free(reached);
    return count;
}

/* dropout(relu(x)), with and without a Flatten in between: the gradient of x takes from the result
 * what was kept, and has no select of its own. */
START_TEST(draws_of_a_dropout_behind_relu)
{
    const kiln_shape flat = {2, {pictures.dims[0], -1}};
    for (int flattens = 0; flattens < 2; flattens++) {
        ir_graph g = {0};
        ir_weight w = {.path = "x", .shape = pictures};
        ir_id x = op_weight(&g, &w), y = op_unary(&g, F_RELU, x), gradient;
        if (flattens)
            y = op_reshape(&g, y, flat);
        ir_id kept = op_binary(&g, F_GREATER_EQUAL, op_uniform(&g, g.items[y].shape, 0),
                               op_constant(&g, 0.5));
        ir_id d = op_select(&g, kept, op_affine(&g, y, 2, 0), op_constant(&g, 0));
        ir_id loss = op_reduce(&g, R_SUM, op_unary(&g, F_SIN, d), 0, -1, false);
        harness_ok(graph_gradients(&g, loss, 1, &x, &gradient));
        ck_assert_int_eq(count_nodes(&g, gradient, "relu_gradient"), 1);
        ck_assert_int_eq(count_nodes(&g, gradient, "select"), 1);
        ck_assert(ir_shape_equal(g.items[gradient].shape, pictures));
        ir_free(&g);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("passes");
    TCase *all = tcase_create("all");
    tcase_add_test(all, passes_of_a_batch_normalization);
    tcase_add_test(all, draws_of_a_dropout_behind_relu);
    suite_add_tcase(suite, all);
    return harness_run(suite);
}
