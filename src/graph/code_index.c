/* Index arithmetic: where the inputs of a node are at a place in its index space. */
#include "graph/code_inside.h"

#include <inttypes.h>
#include <string.h>

/* The position that strides give to the axes first..last of a shape whose row-major position over
 * those axes is `flat`. *scale is its distance when it is a plain multiple of flat (0: it does not
 * move), else -1. */
static void axes_index(text *t, kiln_shape shape, int first, int last, const char *flat,
                       const int64_t *strides, int64_t *scale)
{
    int64_t row[KILN_MAX_RANK], run = 1;
    bool zero = true, plain = true;
    int64_t s = -1;
    for (int k = last; k >= first; k--) {
        row[k] = run;
        if (shape.dims[k] > 1) {
            zero &= strides[k] == 0;
            if (s < 0 && strides[k] >= 0 && strides[k] % run == 0)
                s = strides[k] / run;
            plain &= s >= 0 && strides[k] == s * run;
        }
        run *= shape.dims[k];
    }
    if (zero) {
        *scale = 0;
        text_add(t, "0");
    } else if (plain) {
        *scale = s;
        if (s == 1)
            text_add(t, "%s", flat);
        else
            text_add(t, "%s * %" PRId64 "u", flat, s);
    } else {
        *scale = -1;
        const char *plus = "";
        for (int k = first; k <= last; k++) {
            if (shape.dims[k] == 1 || strides[k] == 0)
                continue;
            text_add(t, "%s%s", plus, "(");
            if (row[k] == 1)
                text_add(t, "%s", flat);
            else
                text_add(t, "%s / %" PRId64 "u", flat, row[k]);
            if (k > first)
                text_add(t, " %% %" PRId64 "u", shape.dims[k]);
            text_add(t, ") * %" PRId64 "%s", strides[k] < 0 ? -strides[k] : strides[k],
                     strides[k] < 0 ? " * -1" : "u");
            plus = " + ";
        }
    }
}

int code_inner_axis(const domain *d, kiln_shape shape, const char **outer, const char **inner)
{
    if (d->inner[0]) {
        int64_t run = 1;
        for (int q = shape.rank; q-- > 0;) {
            run *= shape.dims[q];
            if (run == d->width && (q == 0 || shape.dims[q] > 1 || d->width == 1)) {
                *outer = d->outer;
                *inner = d->inner;
                return q;
            }
            if (run > d->width)
                break;
        }
    }
    *outer = "0";
    *inner = d->flat;
    return 0;
}

kiln_status code_strided(code *c, int d, kiln_shape shape, const int64_t *strides, int64_t offset,
                         int *lanes, char *out)
{
    const char *outer, *inner;
    int q = code_inner_axis(&c->domains.items[d], shape, &outer, &inner);
    bool split = inner == c->domains.items[d].inner || c->domains.items[d].inner[0] == '\0';
    text a = {0}, z = {0};
    int64_t outer_scale = 0, inner_scale = 0;
    if (q > 0)
        axes_index(&a, shape, 0, q - 1, outer, strides, &outer_scale);
    axes_index(&z, shape, q, shape.rank - 1, inner, strides, &inner_scale);
    if (*lanes == 16) {
        if (inner_scale == 0 && split)
            *lanes = 1;
        else if (inner_scale != 1 || !split)
            c->scalar_only = true;
    }
    snprintf(out, SHORT, "i%d", c->next++);
    text_add(&c->out, "const %s %s = ", code_index_type(c), out);
    if (offset)
        text_add(&c->out, "%" PRId64 "u + ", offset);
    text_add(&c->out, "%s%s%s;\n", q > 0 ? a.data : "", q > 0 ? " + " : "", z.data ? z.data : "0");
    bool failed = a.failed || z.failed || c->out.failed;
    text_free(&a);
    text_free(&z);
    return failed ? KILN_ERROR_MEMORY : KILN_OK;
}

int code_find_domain(code *c, const domain *d)
{
    for (size_t i = 0; i < c->domains.count; i++) {
        const domain *o = &c->domains.items[i];
        if (ir_shape_equal(o->shape, d->shape) && strcmp(o->flat, d->flat) == 0 &&
            strcmp(o->outer, d->outer) == 0 && strcmp(o->inner, d->inner) == 0 &&
            o->width == d->width)
            return (int)i;
    }
    if (MEM_PUSH_ROOM(&c->domains) != KILN_OK)
        return -1;
    c->domains.items[c->domains.count] = *d;
    return (int)c->domains.count++;
}

kiln_status code_input_domain(code *c, int d, kiln_shape from, kiln_shape to, int *result,
                              int *lanes)
{
    domain next = c->domains.items[d];
    next.shape = to;
    if (kiln_shape_size(from) != kiln_shape_size(to)) {
        if (kiln_shape_size(to) == 1) {
            next = (domain){.shape = to, .flat = "0", .outer = "0", .inner = "0", .width = 1};
            *lanes = 1;
        } else {
            int64_t strides[KILN_MAX_RANK] = {0}, run = 1;
            for (int k = 1; k <= to.rank; k++) {
                strides[from.rank - k] = to.dims[to.rank - k] == 1 ? 0 : run;
                run *= to.dims[to.rank - k];
            }
            const char *outer, *inner;
            domain here = c->domains.items[d];
            int q = code_inner_axis(&here, from, &outer, &inner);
            bool inner_full = inner == here.inner || strcmp(inner, here.inner) == 0,
                 outer_zero = true;
            for (int k = 0; k < from.rank; k++) {
                bool equal =
                    k >= from.rank - to.rank && to.dims[k - (from.rank - to.rank)] == from.dims[k];
                if (k >= q)
                    inner_full &= equal;
                else
                    outer_zero &= from.dims[k] == 1 || strides[k] == 0;
            }
            int before = *lanes;
            KILN_TRY(code_strided(c, d, from, strides, 0, lanes, next.flat));
            next.outer[0] = next.inner[0] = '\0';
            next.width = 0;
            if (inner_full && here.inner[0]) {
                next.width = here.width;
                snprintf(next.inner, sizeof next.inner, "%s", here.inner);
                if (outer_zero) {
                    snprintf(next.outer, sizeof next.outer, "0");
                } else {
                    snprintf(next.outer, sizeof next.outer, "i%d", c->next++);
                    text_add(&c->out, "const %s %s = (%s - %s) / %" PRId64 "u;\n",
                             code_index_type(c), next.outer, next.flat, next.inner, next.width);
                }
            } else if (before == 16 && *lanes == 16) {
                c->scalar_only = true;
            }
        }
    }
    *result = code_find_domain(c, &next);
    return *result < 0 ? KILN_ERROR_MEMORY : KILN_OK;
}

void code_row_and_column(code *c, int d, int64_t width, const char **row, const char **column,
                         bool *lanes_ok, char *space)
{
    const domain *here = &c->domains.items[d];
    if (here->inner[0] && here->width == width) {
        *row = here->outer;
        *column = here->inner;
        *lanes_ok = true;
        return;
    }
    *lanes_ok = width % 16 == 0 && here->inner[0] && here->width % 16 == 0;
    if (width == 1) {
        *row = here->flat;
        *column = "0";
        *lanes_ok = false;
        return;
    }
    snprintf(space, 2 * SHORT, "i%d", c->next++);
    snprintf(space + SHORT, SHORT, "i%d", c->next++);
    text_add(&c->out, "const %s %s = %s / %" PRId64 "u;\nconst %s %s = %s %% %" PRId64 "u;\n",
             code_index_type(c), space, here->flat, width, code_index_type(c), space + SHORT,
             here->flat, width);
    *row = space;
    *column = space + SHORT;
}
