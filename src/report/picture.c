#include "report/picture.h"

#include "report/escape.h"

#include <png.h>
#include <string.h>

kiln_status picture_png_encode(const uint8_t *pixels, int width, int height, int channels,
                               void **png, size_t *bytes)
{
    png_image image = {.version = PNG_IMAGE_VERSION,
                       .width = (png_uint_32)width,
                       .height = (png_uint_32)height,
                       .format = channels == 1   ? PNG_FORMAT_GRAY
                                 : channels == 3 ? PNG_FORMAT_RGB
                                                 : PNG_FORMAT_RGBA};
    png_alloc_size_t size = 0;
    *png = NULL;
    if (png_image_write_to_memory(&image, NULL, &size, 0, pixels, 0, NULL))
        *png = mem_new(size, 1);
    if (*png == NULL || !png_image_write_to_memory(&image, *png, &size, 0, pixels, 0, NULL)) {
        free(*png);
        *png = NULL;
        return kiln_fail(KILN_ERROR_MEMORY, "a picture of %d x %d pixels cannot be written: %s",
                         width, height, image.message[0] ? image.message : "out of memory");
    }
    *bytes = size;
    return KILN_OK;
}

static void add_base64(text *out, const unsigned char *data, size_t bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < bytes; i += 3) {
        size_t n = bytes - i < 3 ? bytes - i : 3;
        uint32_t v = (uint32_t)data[i] << 16;
        v |= n > 1 ? (uint32_t)data[i + 1] << 8 : 0;
        v |= n > 2 ? data[i + 2] : 0;
        const char four[4] = {digits[v >> 18], digits[v >> 12 & 63],
                              n > 1 ? digits[v >> 6 & 63] : '=', n > 2 ? digits[v & 63] : '='};
        text_bytes(out, four, 4);
    }
}

kiln_status picture_add(text *out, const uint8_t *pixels, int width, int height, int channels,
                        const char *words)
{
    void *png;
    size_t bytes;
    KILN_TRY(picture_png_encode(pixels, width, height, channels, &png, &bytes));
    text_add(out, "<img width=\"%d\" height=\"%d\" alt=\"", width, height);
    escape_add(out, words);
    text_add(out, "\" src=\"data:image/png;base64,");
    add_base64(out, png, bytes);
    text_add(out, "\">");
    free(png);
    return out->failed ? KILN_ERROR_MEMORY : KILN_OK;
}
