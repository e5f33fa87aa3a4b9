/* Convolutions and the gradient of their kernels, by definition. */
#include "harness/reference.h"

#include "op/conv.h"
#include "op/leaf.h"

/* The element of axis a that tap k of output o reads, or -1. */
static int64_t element(const blas_convolution *c, int a, int64_t o, int64_t k)
{
    int64_t at = o * c->stride[a] - c->before[a] + k * c->dilation[a];
    return at < 0 || at % c->spread[a] || at / c->spread[a] >= c->input[a] ? -1 : at / c->spread[a];
}

/* Each channel by itself: the windows of x times the kernel, the other way, or one tap of them. */
static bool depthwise(const ir_graph *g, const ir_node *n, const double *const *in, double *out)
{
    bool back = n->op == &op_desc_depthwise_back, tap = n->op == &op_desc_window_tap;
    if (n->op != &op_desc_depthwise && !back && !tap)
        return false;
    op_window w = op_window_of(&n->attr);
    kiln_shape of = g->items[n->inputs[0]].shape, small = back ? of : n->shape,
               large = back ? n->shape : of;
    int64_t channels = n->shape.dims[n->shape.rank - 1], taps = 1;
    for (int a = 0; a < w.axes; a++)
        taps *= w.size[a];
    for (int64_t i = 0; i < kiln_shape_size(n->shape); i++)
        out[i] = 0;
    for (int64_t o = 0; o < kiln_shape_size(small); o++)
        for (int64_t t = 0; t < taps; t++) {
            int64_t rest = o / channels, k = t, from = o % channels, size = channels;
            bool inside = true;
            for (int a = w.axes; a-- > 0;) {
                int64_t at = rest % small.dims[a + 1] * w.stride[a] - w.before[a] +
                             k % w.size[a] * w.dilation[a];
                inside &= at >= 0 && at < large.dims[a + 1];
                inside &= !tap || k % w.size[a] == n->attr.more.dims[a];
                from += at * size;
                size *= large.dims[a + 1];
                rest /= small.dims[a + 1];
                k /= w.size[a];
            }
            from += rest * size;
            if (!inside)
                continue;
            double weight = tap ? 1 : in[1][t * channels + o % channels];
            if (back)
                out[from] += in[0][o] * weight;
            else
                out[o] += in[0][from] * weight;
        }
    return true;
}

bool reference_convolution(const ir_graph *g, const ir_node *n, const double *const *in,
                           double *out)
{
    if (n->op != &op_desc_conv && n->op != &op_desc_conv_weight_gradient)
        return depthwise(g, n, in, out);
    blas_convolution c = op_conv_product(g, n);
    const double *x = in[0], *second = in[1];
    int64_t channels = c.channels / c.groups, filters = c.filters / c.groups,
            pixels = c.output[0] * c.output[1] * c.output[2],
            taps = c.size[0] * c.size[1] * c.size[2];
    for (int64_t i = 0; i < kiln_shape_size(n->shape); i++)
        out[i] = 0;
    for (int64_t image = 0; image < c.batch; image++)
        for (int64_t p = 0; p < pixels; p++)
            for (int64_t t = 0; t < taps; t++) {
                int64_t z = element(&c, 0, p / (c.output[1] * c.output[2]),
                                    t / (c.size[1] * c.size[2])),
                        y = element(&c, 1, p / c.output[2] % c.output[1],
                                    t / c.size[2] % c.size[1]),
                        w = element(&c, 2, p % c.output[2], t % c.size[2]);
                if (z < 0 || y < 0 || w < 0)
                    continue;
                int64_t from = (((image * c.input[0] + z) * c.input[1] + y) * c.input[2] + w) *
                               c.channels,
                        pixel = image * pixels + p;
                for (int64_t f = 0; f < c.filters; f++)
                    for (int64_t k = 0; k < channels; k++) {
                        double value = x[from + f / filters * channels + k];
                        int64_t weight = (t * channels + k) * c.filters + f;
                        if (c.splits)
                            out[image / (c.batch / c.splits) * taps * channels * c.filters +
                                weight] += value * second[pixel * c.filters + f];
                        else
                            out[pixel * c.filters + f] += value * second[weight];
                    }
            }
    return true;
}
