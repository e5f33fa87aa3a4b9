#include "data/picture.h"

#include "base/memory.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

int64_t picture_most_pixels = 100000000;

bool picture_is_png(const void *bytes, size_t size)
{
    return size >= 4 && memcmp(bytes, "\x89PNG", 4) == 0;
}

bool picture_is_jpeg(const void *bytes, size_t size)
{
    return size >= 3 && memcmp(bytes, "\xff\xd8\xff", 3) == 0;
}

bool picture_is_named(const char *path)
{
    static const char *const ends[] = {".png", ".jpg", ".jpeg"};
    size_t length = strlen(path);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        size_t n = strlen(ends[i]);
        if (length > n && strcasecmp(path + length - n, ends[i]) == 0)
            return true;
    }
    return false;
}

/* A word for what people rename to .png and .jpg. */
static const char *stranger(const unsigned char *b, size_t size)
{
    if (size >= 4 && memcmp(b, "GIF8", 4) == 0)
        return "a GIF picture";
    if (size >= 12 && memcmp(b, "RIFF", 4) == 0 && memcmp(b + 8, "WEBP", 4) == 0)
        return "a WebP picture";
    if (size >= 2 && memcmp(b, "BM", 2) == 0)
        return "a BMP picture";
    if (size >= 4 && (memcmp(b, "II*", 4) == 0 || memcmp(b, "MM\0*", 4) == 0))
        return "a TIFF picture";
    if (size >= 12 && memcmp(b + 4, "ftyp", 4) == 0)
        return "a HEIC or AVIF picture";
    return NULL;
}

static kiln_status not_a_picture(const void *bytes, size_t size, const char *name)
{
    const char *what = stranger(bytes, size);
    if (size == 0)
        return kiln_fail(KILN_ERROR_FORMAT, "%s: is empty", name);
    if (what)
        return kiln_fail(KILN_ERROR_FORMAT, "%s: is %s; pictures are PNG and JPEG files", name,
                         what);
    return kiln_fail(KILN_ERROR_FORMAT, "%s: is neither a PNG nor a JPEG file", name);
}

kiln_status picture_measure(const void *bytes, size_t size, const char *name, int64_t *height,
                            int64_t *width)
{
    *height = *width = 0;
    if (picture_is_png(bytes, size))
        return png_measure(bytes, size, name, height, width);
    if (picture_is_jpeg(bytes, size))
        return jpeg_measure(bytes, size, name, height, width);
    return not_a_picture(bytes, size, name);
}

kiln_status picture_decode(const void *bytes, size_t size, const char *name, int channels,
                           picture *out)
{
    *out = (picture){0};
    if (picture_is_png(bytes, size))
        return png_decode(bytes, size, name, channels, out);
    if (picture_is_jpeg(bytes, size))
        return jpeg_decode(bytes, size, name, channels, out);
    return not_a_picture(bytes, size, name);
}

kiln_status picture_check_size(const char *name, int64_t height, int64_t width)
{
    if (height <= 0 || width <= 0)
        return kiln_fail(KILN_ERROR_FORMAT, "%s: says it has %" PRId64 " x %" PRId64 " pixels",
                         name, width, height);
    if (height > picture_most_pixels / width)
        return kiln_fail(KILN_ERROR_FORMAT,
                         "%s: says it has %" PRId64 " x %" PRId64 " pixels; %" PRId64
                         " pixels are the most",
                         name, width, height, picture_most_pixels);
    return KILN_OK;
}

kiln_status picture_room(const char *name, int64_t height, int64_t width, int channels,
                         picture *out)
{
    KILN_TRY(picture_check_size(name, height, width));
    size_t bytes = (size_t)height * (size_t)width * (size_t)channels;
    out->height = height;
    out->width = width;
    out->channels = channels;
    out->pixels = malloc(bytes);
    return out->pixels ? KILN_OK : kiln_fail_memory(bytes);
}

/* Where one output row or column reads: two neighbours and the weight of the second. */
typedef struct between {
    int64_t low, high;
    float weight;
} between;

static between *find_places(int64_t from, int64_t to)
{
    between *places = mem_new((size_t)to, sizeof *places);
    float scale = (float)from / (float)to;
    for (int64_t i = 0; places && i < to; i++) {
        float at = ((float)i + 0.5f) * scale - 0.5f;
        int64_t floor = (int64_t)at - (at < 0); /* at is above -1 */
        places[i].low = floor < 0 ? 0 : floor >= from ? from - 1 : floor;
        places[i].high = floor + 1 < from ? floor + 1 : from - 1;
        places[i].weight = at - (float)floor;
    }
    return places;
}

static void resize_row(const picture *from, const between *y, const between *columns, int64_t width,
                       uint8_t *out)
{
    size_t channels = (size_t)from->channels, stride = (size_t)from->width * channels;
    const uint8_t *top = from->pixels + (size_t)y->low * stride;
    const uint8_t *bottom = from->pixels + (size_t)y->high * stride;
    for (int64_t x = 0; x < width; x++) {
        size_t left = (size_t)columns[x].low * channels, right = (size_t)columns[x].high * channels;
        float weight = columns[x].weight;
        for (size_t c = 0; c < channels; c++) {
            float a = top[left + c] + (float)(top[right + c] - top[left + c]) * weight;
            float b = bottom[left + c] + (float)(bottom[right + c] - bottom[left + c]) * weight;
            *out++ = (uint8_t)(a + (b - a) * y->weight + 0.5f);
        }
    }
}

kiln_status picture_resize(const picture *from, int64_t height, int64_t width, uint8_t *out)
{
    size_t row = (size_t)width * (size_t)from->channels;
    if (height == from->height && width == from->width) {
        memcpy(out, from->pixels, row * (size_t)height);
        return KILN_OK;
    }
    between *rows = find_places(from->height, height);
    between *columns = rows ? find_places(from->width, width) : NULL;
    for (int64_t y = 0; columns && y < height; y++)
        resize_row(from, &rows[y], columns, width, out + (size_t)y * row);
    kiln_status status = columns ? KILN_OK : kiln_last_status();
    free(rows);
    free(columns);
    return status;
}
