/* Activations and regularizers against Keras, values and gradients. */
#include "figures.h"
#include "runner.h"

#include "graph/autodiff.h"

#define COUNT(ARRAY) (sizeof(ARRAY) / sizeof *(ARRAY))
#define ELEMENTS (ROWS * COLUMNS)

static const kiln_shape whole = {2, {ROWS, COLUMNS}};

/* The gradient of a scalar for x. */
static ir_id gradient(ir_graph *g, const char *name, ir_id scalar, ir_id x)
{
    ir_id dx;
    harness_ok(graph_gradients(g, scalar, 1, &x, &dx));
    ck_assert_msg(dx != IR_NONE, "%s has no gradient", name);
    return dx;
}

START_TEST(activations)
{
    enum { N = COUNT(activation_figures), PART = 16 };
    static float y[N][ELEMENTS], dx[N][ELEMENTS];
    HARNESS_EACH_DEVICE(device)
    {
        for (size_t first = 0; first < N; first += PART) {
            size_t n = N - first < PART ? N - first : PART;
            ir_id outputs[2 * PART];
            float *values[2 * PART];
            runner r;
            runner_start(&r, device);
            ir_id x = runner_input(&r, whole, figures_x), w = runner_input(&r, whole, figures_w);
            for (size_t i = 0; i < n; i++) {
                const char *name = activation_figures[first + i].spec;
                int columns = activation_figures[first + i].columns;
                ir_id out = activation_apply(&r.graph, name, x);
                ck_assert_msg(out != IR_NONE, "%s: %s", name, kiln_last_error());
                ck_assert_int_eq(r.graph.items[out].shape.dims[1], columns);
                ir_id part = op_slice(&r.graph, w, 1, 0, columns, 1);
                ir_id sum =
                    op_reduce(&r.graph, R_SUM, op_binary(&r.graph, F_MUL, out, part), 0, -1, false);
                outputs[2 * i] = out == x ? op_unary(&r.graph, F_IDENTITY, out) : out;
                outputs[2 * i + 1] = gradient(&r.graph, name, sum, x);
                values[2 * i] = y[first + i];
                values[2 * i + 1] = dx[first + i];
            }
            runner_run(&r, ROWS, (int)(2 * n), outputs, values);
            runner_end(&r);
        }
        for (size_t i = 0; i < N; i++) {
            size_t columns = (size_t)activation_figures[i].columns;
            runner_compare(activation_figures[i].spec, y[i], activation_figures[i].y,
                           ROWS * columns, 2e-6);
            runner_compare(activation_figures[i].spec, dx[i], activation_figures[i].dx, ELEMENTS,
                           5e-6);
        }
    }
}
END_TEST

/* Every name that the library knows has figures, and so has every way to call it. */
START_TEST(all_have_figures)
{
    for (const spec_class *c = activation_classes; c->name; c++) {
        bool found = false;
        for (size_t i = 0; i < COUNT(activation_figures) && !found; i++) {
            spec s;
            harness_ok(spec_resolve(activation_classes, "activation", activation_figures[i].spec,
                                    &s, NULL));
            found = strcmp(s.name, c->name) == 0;
        }
        ck_assert_msg(found, "activation %s has no figures: add it to make_figures.py", c->name);
    }
    for (const spec_class *c = regularizer_classes; c->name; c++) {
        bool found = false;
        for (size_t i = 0; i < COUNT(regularizer_figures) && !found; i++) {
            spec s;
            harness_ok(spec_resolve(regularizer_classes, "regularizer", regularizer_figures[i].spec,
                                    &s, NULL));
            found = strcmp(s.name, c->name) == 0;
        }
        ck_assert_msg(found, "regularizer %s has no figures: add it to make_figures.py", c->name);
    }
}
END_TEST

START_TEST(regularizers)
{
    enum { N = COUNT(regularizer_figures) };
    float penalty[N], dx[N][ELEMENTS];
    HARNESS_EACH_DEVICE(device)
    {
        ir_id outputs[2 * N];
        float *values[2 * N];
        runner r;
        runner_start(&r, device);
        ir_id x = runner_input(&r, whole, figures_x);
        for (size_t i = 0; i < N; i++) {
            outputs[2 * i] = regularizer_apply(&r.graph, regularizer_figures[i].spec, x);
            ck_assert_msg(outputs[2 * i] != IR_NONE, "%s", kiln_last_error());
            ck_assert_int_eq(r.graph.items[outputs[2 * i]].shape.rank, 0);
            outputs[2 * i + 1] = gradient(&r.graph, regularizer_figures[i].spec, outputs[2 * i], x);
            values[2 * i] = &penalty[i];
            values[2 * i + 1] = dx[i];
        }
        runner_run(&r, ROWS, 2 * N, outputs, values);
        runner_end(&r);
        for (size_t i = 0; i < N; i++) {
            const char *name = regularizer_figures[i].spec;
            runner_compare(name, &penalty[i], &regularizer_figures[i].penalty, 1, 5e-6);
            runner_compare(name, dx[i], regularizer_figures[i].dx, ELEMENTS, 5e-6);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("figures");
    TCase *tests = tcase_create("figures");
    tcase_add_test(tests, all_have_figures);
    tcase_add_test(tests, activations);
    tcase_add_test(tests, regularizers);
    suite_add_tcase(suite, tests);
    return harness_run(suite);
}
