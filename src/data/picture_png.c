/* PNG by libpng, from memory. */
#include "base/memory.h"
#include "data/picture.h"

#include <inttypes.h>
#include <png.h>
#include <string.h>

/* One file. It lives outside the function that calls setjmp, so that what changes behind it is
 * still there after a failure. */
typedef struct png_file {
    const uint8_t *bytes;
    size_t size, at;
    const char *name;
    int channels;
    png_structp png;
    png_infop info;
    png_bytep *rows;
    picture *out;
    char message[160];
} png_file;

static void on_error(png_structp png, png_const_charp message)
{
    png_file *file = png_get_error_ptr(png);
    snprintf(file->message, sizeof file->message, "%s", message);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
    (void)png, (void)message;
}

static void read_bytes(png_structp png, png_bytep to, png_size_t count)
{
    png_file *file = png_get_io_ptr(png);
    if (count > file->size - file->at)
        png_error(png, "it ends in the middle");
    memcpy(to, file->bytes + file->at, count);
    file->at += count;
}

static kiln_status damaged(const png_file *file)
{
    return kiln_fail(KILN_ERROR_FORMAT, "%s: is a damaged PNG file (%s)", file->name,
                     file->message);
}

static kiln_status open_file(png_file *file)
{
    file->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, file, on_error, on_warning);
    file->info = file->png ? png_create_info_struct(file->png) : NULL;
    if (file->info == NULL)
        return kiln_fail_memory(0);
    return KILN_OK;
}

static void close_file(png_file *file)
{
    png_destroy_read_struct(&file->png, &file->info, NULL);
    free(file->rows);
}

static kiln_status read_header(png_file *file)
{
    if (setjmp(png_jmpbuf(file->png)))
        return damaged(file);
    /* the size is checked here, with a sentence of its own; text and profiles are not kept */
    png_set_user_limits(file->png, 0x7fffffff, 0x7fffffff);
    png_set_chunk_malloc_max(file->png, 1 << 20);
    png_set_chunk_cache_max(file->png, 16);
    png_set_keep_unknown_chunks(file->png, PNG_HANDLE_CHUNK_NEVER, NULL, 0);
    png_set_read_fn(file->png, file, read_bytes);
    png_read_info(file->png, file->info);
    return KILN_OK;
}

static void set_transformations(png_file *file)
{
    png_structp png = file->png;
    int type = png_get_color_type(png, file->info);
    bool transparent = png_get_valid(png, file->info, PNG_INFO_tRNS);
    bool grey = (type & PNG_COLOR_MASK_COLOR) == 0;
    png_set_strip_16(png);
    if (type == PNG_COLOR_TYPE_PALETTE)
        png_set_palette_to_rgb(png);
    if (grey && png_get_bit_depth(png, file->info) < 8)
        png_set_expand_gray_1_2_4_to_8(png);
    if (transparent && file->channels == 4)
        png_set_tRNS_to_alpha(png);
    if (file->channels == 4) {
        if ((type & PNG_COLOR_MASK_ALPHA) == 0 && !transparent)
            png_set_add_alpha(png, 255, PNG_FILLER_AFTER);
    } else {
        png_set_strip_alpha(png);
    }
    if (file->channels >= 3 && grey)
        png_set_gray_to_rgb(png);
}

static kiln_status read_pixels(png_file *file)
{
    png_structp png = file->png;
    if (setjmp(png_jmpbuf(png)))
        return damaged(file);
    set_transformations(file);
    int passes = png_set_interlace_handling(png);
    (void)passes;
    png_read_update_info(png, file->info);
    size_t row = png_get_rowbytes(png, file->info);
    if (row != (size_t)file->out->width * (size_t)file->channels)
        png_error(png, "its rows have another length than its header says");
    png_read_image(png, file->rows);
    png_read_end(png, NULL);
    return KILN_OK;
}

/* Deflate packs at most 1032 to 1: a header that promises more pixels than the file can hold is a
 * lie, and costs no memory. */
static kiln_status check_promise(const png_file *file, int64_t height, int64_t width)
{
    uint64_t bits = (uint64_t)width * png_get_bit_depth(file->png, file->info) *
                    png_get_channels(file->png, file->info);
    uint64_t bytes = (bits + 7) / 8 * (uint64_t)height;
    if (bytes / 1040 > file->size)
        return kiln_fail(KILN_ERROR_FORMAT,
                         "%s: says it has %" PRId64 " x %" PRId64
                         " pixels, more than its %zu bytes can hold",
                         file->name, width, height, file->size);
    return KILN_OK;
}

static kiln_status measure(png_file *file, int64_t *height, int64_t *width)
{
    KILN_TRY(open_file(file));
    KILN_TRY(read_header(file));
    *height = png_get_image_height(file->png, file->info);
    *width = png_get_image_width(file->png, file->info);
    KILN_TRY(picture_check_size(file->name, *height, *width));
    return check_promise(file, *height, *width);
}

kiln_status png_measure(const void *bytes, size_t size, const char *name, int64_t *height,
                        int64_t *width)
{
    png_file file = {.bytes = bytes, .size = size, .name = name};
    kiln_status status = measure(&file, height, width);
    close_file(&file);
    return status;
}

/* libpng's own way to grey depends on the gamma the file names; this one is that of JPEG and Keras.
 */
static void to_grey(picture *p)
{
    const uint8_t *in = p->pixels;
    uint8_t *out = p->pixels;
    for (int64_t i = 0; i < p->height * p->width; i++, in += 3)
        *out++ = (uint8_t)((299 * in[0] + 587 * in[1] + 114 * in[2] + 500) / 1000);
    p->channels = 1;
}

static kiln_status decode(png_file *file)
{
    int64_t height, width;
    KILN_TRY(measure(file, &height, &width));
    bool make_grey =
        file->channels == 1 && png_get_color_type(file->png, file->info) & PNG_COLOR_MASK_COLOR;
    if (make_grey)
        file->channels = 3;
    KILN_TRY(picture_room(file->name, height, width, file->channels, file->out));
    file->rows = mem_new((size_t)height, sizeof *file->rows);
    if (file->rows == NULL)
        return kiln_last_status();
    for (int64_t i = 0; i < height; i++)
        file->rows[i] = file->out->pixels + (size_t)i * (size_t)width * (size_t)file->channels;
    KILN_TRY(read_pixels(file));
    if (make_grey)
        to_grey(file->out);
    return KILN_OK;
}

kiln_status png_decode(const void *bytes, size_t size, const char *name, int channels, picture *out)
{
    png_file file = {.bytes = bytes, .size = size, .name = name, .channels = channels, .out = out};
    *out = (picture){0};
    kiln_status status = decode(&file);
    close_file(&file);
    if (status != KILN_OK) {
        free(out->pixels);
        *out = (picture){0};
    }
    return status;
}
