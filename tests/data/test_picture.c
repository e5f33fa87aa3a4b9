/* PNG and JPEG to bytes: kinds of files, resizing, and every way they can be wrong. */
#include "draw.h"
#include "support.h"

#include "data/picture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { W = 13, H = 9 };

static void wanted(int seed, int x, int y, int from, int to, uint8_t out[4])
{
    uint8_t c[4];
    draw_colour(seed, x, y, W, H, c);
    if (from == 2)
        c[1] = c[3];
    uint8_t alpha = from == 2 ? c[1] : from == 4 ? c[3] : 255;
    if (from <= 2)
        c[1] = c[2] = c[0];
    out[0] =
        to == 1 && from > 2 ? (uint8_t)((299 * c[0] + 587 * c[1] + 114 * c[2] + 500) / 1000) : c[0];
    out[1] = c[1];
    out[2] = c[2];
    out[3] = alpha;
}

static void compare(const picture *p, int from, int to, int tolerance)
{
    ck_assert_int_eq(p->height, H);
    ck_assert_int_eq(p->width, W);
    ck_assert_int_eq(p->channels, to);
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++) {
            uint8_t right[4];
            wanted(1, x, y, from, to, right);
            for (int c = 0; c < to; c++)
                ck_assert_msg(abs(p->pixels[(y * W + x) * to + c] - right[c]) <= tolerance,
                              "%d to %d channels, pixel %d %d, channel %d: %d, not %d", from, to, x,
                              y, c, p->pixels[(y * W + x) * to + c], right[c]);
        }
}

START_TEST(png_of_every_kind)
{
    static const int targets[] = {1, 3, 4};
    for (int from = 1; from <= 4; from++)
        for (int kind = 0; kind < 4; kind++)
            for (int t = 0; t < 3; t++) {
                size_t size;
                picture p;
                uint8_t *file = draw_png(1, W, H, from, kind & 1 ? 16 : 8, kind & 2, &size);
                ck_assert_int_eq(picture_decode(file, size, "a.png", targets[t], &p), KILN_OK);
                compare(&p, from, targets[t], 0);
                free(p.pixels);
                free(file);
            }
}
END_TEST

START_TEST(jpeg_of_every_kind)
{
    static const int kinds[] = {1, 3, 4}, targets[] = {1, 3, 4};
    for (int k = 0; k < 3; k++)
        for (int progressive = 0; progressive < 2; progressive++)
            for (int t = 0; t < 3; t++) {
                size_t size;
                picture p;
                uint8_t *file = draw_jpeg(1, W, H, kinds[k], progressive, &size);
                ck_assert_int_eq(picture_decode(file, size, "a.jpg", targets[t], &p), KILN_OK);
                /* inks without black are the colours; alpha of a JPEG is 255 */
                compare(&p, kinds[k] == 4 ? 3 : kinds[k], targets[t], 16);
                free(p.pixels);
                free(file);
            }
}
END_TEST

START_TEST(measures)
{
    size_t size;
    int64_t height, width;
    uint8_t *png = draw_png(1, W, H, 3, 8, false, &size);
    ck_assert_int_eq(picture_measure(png, size, "a", &height, &width), KILN_OK);
    ck_assert(height == H && width == W);
    free(png);
    uint8_t *jpeg = draw_jpeg(1, W, H, 3, false, &size);
    ck_assert_int_eq(picture_measure(jpeg, size, "a", &height, &width), KILN_OK);
    ck_assert(height == H && width == W);
    free(jpeg);
}
END_TEST

/* Figures of TensorFlow's bilinear resize, rounded: [[0, 40], [80, 200]] to 3 x 4 and to 1 x 1, and
 * a row of six to four. */
START_TEST(resizes_as_keras)
{
    uint8_t square[4] = {0, 40, 80, 200}, row[6] = {0, 10, 50, 110, 190, 250}, out[12];
    static const uint8_t large[12] = {0, 10, 30, 40, 40, 60, 100, 120, 80, 110, 170, 200};
    static const uint8_t less[4] = {3, 40, 130, 235};
    picture p = {.height = 2, .width = 2, .channels = 1, .pixels = square};
    ck_assert_int_eq(picture_resize(&p, 3, 4, out), KILN_OK);
    ck_assert_mem_eq(out, large, 12);
    ck_assert_int_eq(picture_resize(&p, 1, 1, out), KILN_OK);
    ck_assert_int_eq(out[0], 80);
    p = (picture){.height = 1, .width = 6, .channels = 1, .pixels = row};
    ck_assert_int_eq(picture_resize(&p, 1, 4, out), KILN_OK);
    ck_assert_mem_eq(out, less, 4);
}
END_TEST

/* Every beginning of a file fails with one sentence about it. */
START_TEST(cut_files)
{
    for (int kind = 0; kind < 5; kind++) {
        size_t size;
        uint8_t *file = kind < 2    ? draw_png(2, W, H, 3, 8, kind, &size)
                        : kind == 4 ? draw_png(2, W, H, 1, 8, 0, &size)
                                    : draw_jpeg(2, W, H, 3, kind == 3, &size);
        for (size_t cut = 0; cut < size; cut++) {
            picture p;
            uint8_t *part = malloc(cut ? cut : 1); /* of its own, so that sanitizers see its end */
            memcpy(part, file, cut);
            if (picture_decode(part, cut, "cut", 3, &p) == KILN_OK) {
                /* nothing but the end marker of a JPEG may be missing */
                ck_assert_msg(kind >= 2 && kind < 4 && cut + 2 >= size, "kind %d, %zu of %zu bytes",
                              kind, cut, size);
                free(p.pixels);
            } else {
                ck_assert_int_eq(strncmp(kiln_last_error(), "cut: is ", 8), 0);
                ck_assert_ptr_null(p.pixels);
                kiln_clear_error();
            }
            free(part);
        }
        free(file);
    }
}
END_TEST

/* Each byte changed in turn: either it decodes or it fails with a sentence. */
START_TEST(damaged_files)
{
    for (int kind = 0; kind < 2; kind++) {
        size_t size;
        uint8_t *file =
            kind == 0 ? draw_png(3, W, H, 3, 8, false, &size) : draw_jpeg(3, W, H, 3, true, &size);
        for (size_t i = 0; i < size; i++) {
            picture p;
            file[i] ^= 0x55;
            if (picture_decode(file, size, "bad", 3, &p) == KILN_OK)
                free(p.pixels);
            else
                ck_assert_str_ne(kiln_last_error(), "");
            kiln_clear_error();
            file[i] ^= 0x55;
        }
        free(file);
    }
}
END_TEST

static void put_size(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (24 - 8 * i));
}

static uint32_t crc(const uint8_t *bytes, size_t size)
{
    uint32_t c = 0xffffffffu;
    for (size_t i = 0; i < size; i++) {
        c ^= bytes[i];
        for (int k = 0; k < 8; k++)
            c = c & 1 ? 0xedb88320u ^ c >> 1 : c >> 1;
    }
    return ~c;
}

/* Headers that promise more than there is, or more than anyone should take. */
START_TEST(lying_headers)
{
    size_t size;
    picture p;
    uint8_t *file = draw_png(1, W, H, 3, 8, false, &size);
    put_size(file + 16, 9000);
    put_size(file + 20, 9000);
    put_size(file + 29, crc(file + 12, 17));
    ck_assert_int_ne(picture_decode(file, size, "lie.png", 3, &p), KILN_OK);
    char message[160];
    snprintf(message, sizeof message,
             "lie.png: says it has 9000 x 9000 pixels, more than its %zu bytes can hold", size);
    expect_error(KILN_ERROR_FORMAT, message);
    put_size(file + 16, 900000);
    put_size(file + 29, crc(file + 12, 17));
    ck_assert_int_ne(picture_decode(file, size, "bomb.png", 3, &p), KILN_OK);
    expect_error(KILN_ERROR_FORMAT, "bomb.png: says it has 900000 x 9000 pixels; 100000000 pixels "
                                    "are the most");
    free(file);

    file = draw_jpeg(1, W, H, 3, false, &size);
    for (size_t i = 0; i + 8 < size; i++)
        if (file[i] == 0xff && file[i + 1] == 0xc0) { /* the frame: height, width */
            memset(file + i + 5, 0xff, 4);
            break;
        }
    ck_assert_int_ne(picture_decode(file, size, "bomb.jpg", 3, &p), KILN_OK);
    ck_assert_ptr_nonnull(strstr(kiln_last_error(), "bomb.jpg: "));
    kiln_clear_error();
    free(file);
}
END_TEST

START_TEST(other_files)
{
    picture p;
    ck_assert_int_ne(picture_decode("", 0, "none.png", 3, &p), KILN_OK);
    expect_error(KILN_ERROR_FORMAT, "none.png: is empty");
    ck_assert_int_ne(picture_decode("GIF89a...", 9, "a.png", 3, &p), KILN_OK);
    expect_error(KILN_ERROR_FORMAT, "a.png: is a GIF picture; pictures are PNG and JPEG files");
    ck_assert_int_ne(picture_decode("some text", 9, "a.jpg", 3, &p), KILN_OK);
    expect_error(KILN_ERROR_FORMAT, "a.jpg: is neither a PNG nor a JPEG file");
    ck_assert(picture_is_named("a/b.JPG") && picture_is_named("b.jpeg") &&
              picture_is_named("x.Png") && !picture_is_named(".png") && !picture_is_named("png"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("picture");
    TCase *test = tcase_create("picture");
    tcase_set_timeout(test, 120);
    tcase_add_test(test, png_of_every_kind);
    tcase_add_test(test, jpeg_of_every_kind);
    tcase_add_test(test, measures);
    tcase_add_test(test, resizes_as_keras);
    tcase_add_test(test, cut_files);
    tcase_add_test(test, damaged_files);
    tcase_add_test(test, lying_headers);
    tcase_add_test(test, other_files);
    suite_add_tcase(suite, test);
    return run_suite(suite);
}
