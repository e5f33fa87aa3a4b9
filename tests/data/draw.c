#include "draw.h"

#include <check.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

void draw_colour(int seed, int x, int y, int width, int height, uint8_t rgba[4])
{
    rgba[0] = (uint8_t)((x * 200 / width + seed * 40) % 256);
    rgba[1] = (uint8_t)(y * 200 / height + 20);
    rgba[2] = (uint8_t)((x + y) * 100 / (width + height) + 60);
    rgba[3] = (uint8_t)(255 - y * 100 / height);
}

typedef struct grown {
    uint8_t *bytes;
    size_t size;
} grown;

static void write_bytes(png_structp png, png_bytep bytes, png_size_t count)
{
    grown *to = png_get_io_ptr(png);
    to->bytes = realloc(to->bytes, to->size + count);
    memcpy(to->bytes + to->size, bytes, count);
    to->size += count;
}

static void flush(png_structp png)
{
    (void)png;
}

uint8_t *draw_png(int seed, int width, int height, int channels, int depth, bool interlaced,
                  size_t *size)
{
    static const int types[] = {0, PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_GRAY_ALPHA,
                                PNG_COLOR_TYPE_RGB, PNG_COLOR_TYPE_RGB_ALPHA};
    grown out = {0};
    size_t row = (size_t)(width * channels * depth / 8);
    uint8_t *pixels = calloc((size_t)height, row);
    png_bytep *rows = calloc((size_t)height, sizeof *rows);
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    for (int y = 0; y < height; y++) {
        rows[y] = pixels + (size_t)y * row;
        for (int x = 0; x < width; x++) {
            uint8_t rgba[4];
            draw_colour(seed, x, y, width, height, rgba);
            if (channels == 2)
                rgba[1] = rgba[3];
            for (int c = 0; c < channels; c++)
                rows[y][(x * channels + c) * depth / 8] = rgba[c];
        }
    }
    png_set_write_fn(png, &out, write_bytes, flush);
    png_set_IHDR(png, info, (png_uint_32)width, (png_uint_32)height, depth, types[channels],
                 interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_BASE,
                 PNG_FILTER_TYPE_BASE);
    png_write_info(png, info);
    png_write_image(png, rows);
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    free(rows);
    free(pixels);
    *size = out.size;
    return out.bytes;
}

uint8_t *draw_jpeg(int seed, int width, int height, int channels, bool progressive, size_t *size)
{
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    unsigned char *out = NULL;
    unsigned long length = 0;
    uint8_t *row = calloc((size_t)width, (size_t)channels);
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &out, &length);
    jpeg.image_width = (JDIMENSION)width;
    jpeg.image_height = (JDIMENSION)height;
    jpeg.input_components = channels;
    jpeg.in_color_space = channels == 1 ? JCS_GRAYSCALE : channels == 3 ? JCS_RGB : JCS_CMYK;
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, 95, TRUE);
    if (progressive)
        jpeg_simple_progression(&jpeg);
    jpeg.write_Adobe_marker = channels == 4;
    jpeg_start_compress(&jpeg, TRUE);
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            uint8_t rgba[4];
            draw_colour(seed, x, y, width, height, rgba);
            rgba[3] = 255; /* inverted: no black */
            memcpy(row + x * channels, rgba, (size_t)channels);
        }
        JSAMPROW rows[1] = {row};
        ck_assert_uint_eq(jpeg_write_scanlines(&jpeg, rows, 1), 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    free(row);
    *size = length;
    return out;
}
