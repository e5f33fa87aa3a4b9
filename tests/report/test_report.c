/* Axes, escapes and drawings of pages. */
#include "harness/harness.h"

#include "report/chart.h"
#include "report/escape.h"
#include "report/page.h"
#include "report/picture.h"
#include "report/scale.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

START_TEST(scales_have_round_limits)
{
    double ticks[SCALE_MOST_TICKS];
    scale s = scale_make(0.31, 2.39, false, 0, 100);
    ck_assert_double_eq_tol(s.low, 0, 1e-12);
    ck_assert_double_eq_tol(s.high, 2.5, 1e-12);
    ck_assert_double_eq_tol(scale_at(&s, 1.25), 50, 1e-9);
    ck_assert_double_eq(scale_at(&s, 9), 100); /* outside: at the end */
    ck_assert_double_eq(scale_at(&s, NAN), 0);
    ck_assert_uint_eq(scale_ticks(&s, 7, ticks), 6);
    ck_assert_double_eq_tol(ticks[1], 0.5, 1e-12);
    s = scale_make(3e-4, 20, true, 100, 0);
    ck_assert_double_eq_tol(s.low, 1e-4, 1e-12);
    ck_assert_double_eq_tol(s.high, 100, 1e-9);
    ck_assert_double_eq_tol(scale_at(&s, 0.1), 50, 1e-9);
    ck_assert_uint_eq(scale_ticks(&s, 7, ticks), 7);
    ck_assert_uint_le(scale_ticks(&s, 3, ticks), 3);
    ck_assert_double_eq_tol(ticks[1], 0.1, 1e-9);
    for (int log = 0; log < 2; log++) { /* what cannot be an axis becomes one */
        static const double limits[][2] = {
            {INFINITY, -INFINITY}, {0, 0}, {5, 5}, {NAN, 1}, {-1, -1}};
        for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
            s = scale_make(limits[i][0], limits[i][1], log, 0, 1);
            ck_assert(isfinite(s.low) && isfinite(s.high) && s.low < s.high);
            ck_assert(!log || s.low > 0);
            ck_assert_uint_ge(scale_ticks(&s, 5, ticks), 1);
        }
    }
}
END_TEST

START_TEST(labels_are_short)
{
    static const struct {
        double value;
        const char *label;
    } rows[] = {{0, "0"},     {0.25, "0.25"},   {-3, "-3"},    {1200, "1,200"}, {999999, "999,999"},
                {1e6, "1e6"}, {2.5e7, "2.5e7"}, {1e-5, "1e-5"}};
    char label[32];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ck_assert_str_eq(scale_label(rows[i].value, label), rows[i].label);
}
END_TEST

START_TEST(texts_stand_for_themselves)
{
    text t = {0};
    escape_add(&t, "a<b> & \"c\" \xc3\xa4 \xff \x01");
    ck_assert_str_eq(t.data, "a&lt;b&gt; &amp; &quot;c&quot; \xc3\xa4 ? ?");
    text_free(&t);
    escape_add_short(&t, "\xc3\xa4\xc3\xb6\xc3\xbc<", 3);
    ck_assert_str_eq(t.data, "\xc3\xa4\xc3\xb6\xe2\x80\xa6");
    text_free(&t);
    escape_add_short(&t, "\xc3\xa4\xc3\xb6\xc3\xbc", 3);
    ck_assert_str_eq(t.data, "\xc3\xa4\xc3\xb6\xc3\xbc");
    text_free(&t);
}
END_TEST

/* Curves with holes, a single point, none at all; bars of any ratio. */
START_TEST(drawings_have_only_numbers)
{
    const double holes[] = {NAN, 1, INFINITY, 0.5, 0.25, -1}, one[] = {3}, radius[] = {4};
    const char *const labels[] = {"<x>"};
    const chart_series series[] = {{.name = "a", .y = holes, .count = 6},
                                   {.name = "b",
                                    .y = one,
                                    .count = 1,
                                    .radius = radius,
                                    .labels = labels,
                                    .notes = labels,
                                    .color = 9},
                                   {.name = "c", .y = one, .count = 0}};
    for (int kind = 0; kind < 8; kind++) {
        text t = {0};
        chart c = {.title = "t & u",
                   .x_name = "x",
                   .y_name = "y",
                   .series = series + (kind & 1 ? 2 : 0),
                   .count = kind & 1 ? 1 : 3,
                   .log_x = kind & 2,
                   .log_y = kind & 4};
        chart_draw(&t, &c, 350, 200);
        ck_assert(!t.failed && strncmp(t.data, "<svg ", 5) == 0);
        ck_assert_ptr_null(strstr(t.data, "nan"));
        ck_assert_ptr_null(strstr(t.data, "inf"));
        ck_assert_ptr_null(strstr(t.data, "<x>"));
        ck_assert_str_eq(t.data + t.length - 6, "</svg>");
        text_free(&t);
    }
    text t = {0};
    chart_bars(&t, "bars",
               (chart_bar[]){{"a", "1", 1, 2, 0}, {"b", "0", 0, 0, 1}, {"c", "9", 1e9, 0, 2}}, 3,
               350);
    ck_assert_ptr_nonnull(strstr(t.data, "logarithmic"));
    chart_bars(&t, "none", NULL, 0, 350);
    chart_timeline(&t, "none", "s", NULL, 0, 350);
    chart_matrix(&t, "m", (const char *const[]){"p", "q"}, (const double[]){3, 0, 0, 0}, 2, 350);
    ck_assert_ptr_nonnull(strstr(t.data, "p taken for p: 3 of 3"));
    ck_assert_ptr_null(strstr(t.data, "nan"));
    text_free(&t);
}
END_TEST

/* A curve of one point, and points between holes: no line shows them. */
START_TEST(lone_points_are_circles)
{
    const double one[] = {3}, holes[] = {NAN, 1, NAN, 0.5, 0.25, NAN, 2}, line[] = {1, 2};
    const struct {
        chart_series series;
        const char *kind;
        int circles;
    } rows[] = {
        {{.name = "a", .y = one, .count = 1}, "class=\"fill c0\"", 1},
        {{.y = one, .count = 1, .color = 1, .dashed = true}, "class=\"line c1\"", 1},
        {{.name = "a", .y = holes, .count = 7}, "class=\"fill c0\"", 2},
        {{.name = "a", .y = line, .count = 2}, NULL, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        text t = {0};
        int circles = 0;
        chart_draw(
            &t,
            &(chart){
                .title = "t", .x_name = "x", .y_name = "y", .series = &rows[i].series, .count = 1},
            350, 200);
        for (const char *at = t.data; (at = strstr(at, "<circle ")) != NULL; at++) {
            const char *end = strchr(at, '>'),
                       *kind = strstr(at, rows[i].kind ? rows[i].kind : "none");
            ck_assert(kind && kind < end);
            circles++;
        }
        ck_assert_int_eq(circles, rows[i].circles);
        text_free(&t);
    }
}
END_TEST

/* A value stands behind its bar's end or its mark, whichever is further, and inside of the drawing
 * in the widest of fonts too. */
START_TEST(values_of_bars_have_room)
{
    const chart_bar bars[] = {{"a", "0.1234 ms", 0.1234, 20, 0}, {"b", "12.34 ms", 12.34, 12.5, 1}};
    for (double width = 350; width <= 1000; width += 650) {
        text t = {0};
        size_t values = 0;
        chart_bars(&t, "bars", bars, 2, width);
        for (const char *at = t.data; (at = strstr(at, "<text x=\"")) != NULL; at++) {
            double x = strtod(at + 9, NULL);
            const char *end = strchr(at, '>'), *kind = strstr(at, "class=\"value\"");
            if (kind == NULL || kind > end)
                continue;
            values++;
            ck_assert(x + 8.36 * (double)strcspn(end + 1, "<") <= width);
        }
        ck_assert_uint_eq(values, 2);
        text_free(&t);
    }
}
END_TEST

START_TEST(long_names_are_shortened_in_the_legend)
{
    char name[200];
    const double line[] = {1, 2};
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    text t = {0};
    chart_draw(&t,
               &(chart){.title = "t",
                        .x_name = "x",
                        .y_name = "y",
                        .series = &(chart_series){.name = name, .y = line, .count = 2},
                        .count = 1},
               350, 200);
    ck_assert_ptr_null(strstr(t.data, name));
    name[40] = '\0';
    ck_assert_ptr_nonnull(strstr(t.data, name));
    text_free(&t);
}
END_TEST

static char shared[32];

static void take_again(text *out, const void *user, double width)
{
    (void)user;
    snprintf(shared, sizeof shared, "%.0f", width);
    text_add(out, "%s", shared);
}

/* A drawing may write its labels where the caption was. */
START_TEST(captions_outlive_their_drawing)
{
    text t = {0};
    snprintf(shared, sizeof shared, "what is seen < all");
    page_figure(&t, shared, false, take_again, NULL);
    ck_assert_ptr_nonnull(strstr(t.data, "<figcaption>what is seen &lt; all</figcaption></figure>"));
    ck_assert_ptr_null(strstr(shared, "seen"));
    text_free(&t);
}
END_TEST

START_TEST(pictures_are_png)
{
    const uint8_t pixels[2 * 3 * 3] = {255, 0, 0, 0, 255, 0};
    void *png;
    size_t bytes;
    for (int channels = 1; channels <= 3; channels += 2) {
        harness_ok(picture_png_encode(pixels, 3, 2, channels, &png, &bytes));
        ck_assert(bytes > 40 && memcmp(png, "\x89PNG\r\n", 6) == 0);
        free(png);
    }
    text t = {0};
    harness_ok(picture_add(&t, pixels, 3, 2, 1, "\"x\""));
    ck_assert_ptr_nonnull(
        strstr(t.data, "alt=\"&quot;x&quot;\" src=\"data:image/png;base64,iVBORw0KGgo"));
    text_free(&t);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("report");
    TCase *tests = tcase_create("report");
    tcase_add_test(tests, scales_have_round_limits);
    tcase_add_test(tests, labels_are_short);
    tcase_add_test(tests, texts_stand_for_themselves);
    tcase_add_test(tests, drawings_have_only_numbers);
    tcase_add_test(tests, lone_points_are_circles);
    tcase_add_test(tests, long_names_are_shortened_in_the_legend);
    tcase_add_test(tests, values_of_bars_have_room);
    tcase_add_test(tests, captions_outlive_their_drawing);
    tcase_add_test(tests, pictures_are_png);
    suite_add_tcase(suite, tests);
    return harness_run(suite);
}
