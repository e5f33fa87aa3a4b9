/* Convolutions by CLBlast, of windows that are written down: values and gradients. */
#include "harness/harness.h"
#include "harness/trial.h"
#include "op/conv.h"

typedef struct row {
    kiln_shape x;
    int64_t size, channels, filters, stride;
    op_padding padding;
    bool back; /* the transpose */
} row;

static const row rows[] = {
    {{4, {4, 7, 6, 3}}, 3, 3, 8, 1, PADDING_SAME, false},
    {{4, {2, 9, 8, 4}}, 3, 4, 5, 2, PADDING_SAME, false},
    {{4, {2, 8, 6, 2}}, 2, 2, 6, 2, PADDING_VALID, true},
};

START_TEST(by_clblast)
{
    const row *r = &rows[_i];
    trial t;
    trial_start(&t, 7);
    t.engine = BLAS_CLBLAST;
    ir_graph *g = &t.graph;
    op_window w = {.axes = 2,
                   .size = {r->size, r->size},
                   .stride = {r->stride, r->stride},
                   .dilation = {1, 1}};
    kiln_shape shape;
    harness_ok(op_window_place("a window", &w, r->padding, r->x, &shape));
    op_conv c = op_conv_of(&w, shape, 1);
    ir_id kernel =
        trial_weight(&t, (kiln_shape){3, {r->size * r->size, r->channels, r->filters}}, -1, 1);
    shape.dims[3] = r->filters;
    ir_id y = r->back
                  ? op_convolve_back(g, trial_float(&t, shape, -1, 1), kernel, &c, &r->x.dims[1])
                  : op_convolve(g, trial_float(&t, r->x, -1, 1), kernel, &c);
    trial_output(&t, op_unary(g, F_TANH, y));
    t.tolerances[0] = 3e-5;
    trial_differentiate(&t);
    trial_run_everywhere(&t, "a convolution by CLBlast");
    trial_end(&t);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("engines");
    TCase *all = tcase_create("all");
    tcase_add_loop_test(all, by_clblast, 0, sizeof rows / sizeof *rows);
    suite_add_tcase(suite, all);
    return harness_run(suite);
}
