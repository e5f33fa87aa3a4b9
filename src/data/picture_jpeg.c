/* JPEG by libjpeg, from memory. */
#include "base/memory.h"
#include "data/picture.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>

/* A progressive file can repeat its scans without end, each of them as costly as the first. */
enum { MOST_SCANS = 200 };

/* One file. It lives outside the function that calls setjmp, so that what changes behind it is
 * still there after a failure. */
typedef struct jpeg_file {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf escape;
    const uint8_t *bytes;
    size_t size;
    const char *name;
    int channels;
    picture *out;
    uint8_t *line; /* of CMYK */
    char message[JMSG_LENGTH_MAX];
} jpeg_file;

static void give_up(jpeg_file *file, const char *message)
{
    snprintf(file->message, sizeof file->message, "%s", message);
    longjmp(file->escape, 1);
}

static void on_error(j_common_ptr jpeg)
{
    jpeg_file *file = jpeg->client_data;
    jpeg->err->format_message(jpeg, file->message);
    longjmp(file->escape, 1);
}

/* Most warnings are about bytes between segments, which cameras leave there; those about missing
 * data are failures. */
static void on_message(j_common_ptr jpeg, int level)
{
    if (level >= 0)
        return;
    jpeg->err->num_warnings++;
    switch (jpeg->err->msg_code) {
    case JWRN_JPEG_EOF:
    case JWRN_HIT_MARKER:
        give_up(jpeg->client_data, "it ends in the middle");
        break;
    case JWRN_HUFF_BAD_CODE:
    case JWRN_BOGUS_PROGRESSION:
        on_error(jpeg);
        break;
    default:
        break;
    }
}

static void on_output(j_common_ptr jpeg)
{
    (void)jpeg;
}

static void on_progress(j_common_ptr jpeg)
{
    if (jpeg->is_decompressor && ((j_decompress_ptr)jpeg)->input_scan_number > MOST_SCANS)
        give_up(jpeg->client_data, "it has too many scans");
}

static kiln_status damaged(const jpeg_file *file)
{
    return kiln_fail(KILN_ERROR_FORMAT, "%s: is a damaged JPEG file (%s)", file->name,
                     file->message);
}

static kiln_status read_header(jpeg_file *file)
{
    file->jpeg.err = jpeg_std_error(&file->errors);
    file->errors.error_exit = on_error;
    file->errors.emit_message = on_message;
    file->errors.output_message = on_output;
    file->jpeg.client_data = file;
    if (setjmp(file->escape))
        return damaged(file);
    jpeg_create_decompress(&file->jpeg);
    file->jpeg.client_data = file;
    file->progress.progress_monitor = on_progress;
    file->jpeg.progress = &file->progress;
    jpeg_mem_src(&file->jpeg, (unsigned char *)file->bytes, (unsigned long)file->size);
    jpeg_read_header(&file->jpeg, TRUE);
    return KILN_OK;
}

static void close_file(jpeg_file *file)
{
    jpeg_destroy_decompress(&file->jpeg);
    free(file->line);
}

kiln_status jpeg_measure(const void *bytes, size_t size, const char *name, int64_t *height,
                         int64_t *width)
{
    jpeg_file file = {.bytes = bytes, .size = size, .name = name};
    kiln_status status = read_header(&file);
    *height = file.jpeg.image_height;
    *width = file.jpeg.image_width;
    close_file(&file);
    return status == KILN_OK ? picture_check_size(name, *height, *width) : status;
}

static bool is_inks(const jpeg_file *file)
{
    J_COLOR_SPACE space = file->jpeg.jpeg_color_space;
    return space == JCS_CMYK || space == JCS_YCCK;
}

/* What libjpeg is asked for: grey where grey is wanted, inks as they are, else three colours. */
static int decoded_channels(const jpeg_file *file)
{
    return is_inks(file) ? 4 : file->channels == 1 ? 1 : 3;
}

/* Photographs in inks come from one maker's programs, which store them inverted. */
static void from_inks(const jpeg_file *file, uint8_t *out)
{
    const uint8_t *in = file->line;
    bool inverted = file->jpeg.saw_Adobe_marker;
    for (int64_t x = 0; x < file->out->width; x++, in += 4) {
        int colours[3], black = inverted ? in[3] : 255 - in[3];
        for (int c = 0; c < 3; c++)
            colours[c] = ((inverted ? in[c] : 255 - in[c]) * black + 127) / 255;
        if (file->channels == 1) {
            *out++ =
                (uint8_t)((299 * colours[0] + 587 * colours[1] + 114 * colours[2] + 500) / 1000);
            continue;
        }
        for (int c = 0; c < 3; c++)
            *out++ = (uint8_t)colours[c];
        if (file->channels == 4)
            *out++ = 255;
    }
}

/* Three colours, already in `line`, to four channels. */
static void add_alpha(const jpeg_file *file, uint8_t *out)
{
    const uint8_t *in = file->line;
    for (int64_t x = 0; x < file->out->width; x++, in += 3, out += 4) {
        memcpy(out, in, 3);
        out[3] = 255;
    }
}

static kiln_status read_pixels(jpeg_file *file)
{
    j_decompress_ptr jpeg = &file->jpeg;
    if (setjmp(file->escape))
        return damaged(file);
    int channels = decoded_channels(file);
    jpeg->out_color_space = channels == 4 ? JCS_CMYK : channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_start_decompress(jpeg);
    if (jpeg->output_components != channels || jpeg->output_width != (JDIMENSION)file->out->width ||
        jpeg->output_height != (JDIMENSION)file->out->height)
        give_up(file, "its colours are of an unknown kind");
    bool direct = channels == file->channels && !is_inks(file);
    while (jpeg->output_scanline < jpeg->output_height) {
        uint8_t *out = file->out->pixels + (size_t)jpeg->output_scanline *
                                               (size_t)file->out->width * (size_t)file->channels;
        JSAMPROW row = direct ? out : file->line;
        if (jpeg_read_scanlines(jpeg, &row, 1) != 1)
            give_up(file, "it ends in the middle");
        if (is_inks(file))
            from_inks(file, out);
        else if (!direct)
            add_alpha(file, out);
    }
    jpeg_finish_decompress(jpeg);
    return KILN_OK;
}

static kiln_status decode(jpeg_file *file)
{
    KILN_TRY(read_header(file));
    KILN_TRY(picture_room(file->name, file->jpeg.image_height, file->jpeg.image_width,
                          file->channels, file->out));
    file->line = mem_new((size_t)file->out->width, 4);
    return file->line ? read_pixels(file) : kiln_last_status();
}

kiln_status jpeg_decode(const void *bytes, size_t size, const char *name, int channels,
                        picture *out)
{
    jpeg_file file = {.bytes = bytes, .size = size, .name = name, .channels = channels, .out = out};
    *out = (picture){0};
    kiln_status status = decode(&file);
    close_file(&file);
    if (status != KILN_OK) {
        free(out->pixels);
        *out = (picture){0};
    }
    return status;
}
