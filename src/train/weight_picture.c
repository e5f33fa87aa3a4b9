#include "train/weight_picture.h"

#include <math.h>

enum { LONGEST_SIDE = 512, MOST_PICTURES = 3 };

/* A matrix within the weight: element (y, x) of picture i is values[y * down + x * right + i]. */
typedef struct layout {
    int64_t height, width, down, right, pictures;
} layout;

static layout lay_out(kiln_shape shape)
{
    int64_t d[KILN_MAX_RANK];
    int rank = 0;
    for (int i = 0; i < shape.rank; i++)
        if (shape.dims[i] != 1)
            d[rank++] = shape.dims[i];
    int64_t pictures = 1;
    for (int i = 2; i < rank; i++)
        pictures *= d[i];
    if (rank < 2)
        return (layout){1, rank ? d[0] : 1, 0, 1, 1};
    if (rank == 2 && d[0] > d[1])
        return (layout){d[1], d[0], 1, d[1], 1};
    return (layout){d[0], d[1], d[1] * pictures, pictures, pictures};
}

static void find_range(kiln_shape shape, const float *values, double *low, double *high)
{
    *low = INFINITY;
    *high = -INFINITY;
    for (int64_t i = 0; i < kiln_shape_size(shape); i++) {
        *low = values[i] < *low ? values[i] : *low;
        *high = values[i] > *high ? values[i] : *high;
    }
}

kiln_status weight_pictures(event_summary *s, const char *tag, kiln_shape shape,
                            const float *values)
{
    const layout l = lay_out(shape);
    const int64_t thin_y = (l.height - 1) / LONGEST_SIDE + 1,
                  thin_x = (l.width - 1) / LONGEST_SIDE + 1, height = (l.height - 1) / thin_y + 1,
                  width = (l.width - 1) / thin_x + 1;
    double low, high;
    if (kiln_shape_size(shape) == 0)
        return KILN_OK;
    uint8_t *pixels = mem_new((size_t)(height * width), 1);
    if (pixels == NULL)
        return KILN_ERROR_MEMORY;
    find_range(shape, values, &low, &high);
    kiln_status status = KILN_OK;
    for (int64_t i = 0; i < l.pictures && i < MOST_PICTURES && status == KILN_OK; i++) {
        for (int64_t y = 0; y < height; y++)
            for (int64_t x = 0; x < width; x++) {
                double v = values[y * thin_y * l.down + x * thin_x * l.right + i];
                v = high > low ? (v - low) / (high - low) * 255 : 0;
                pixels[y * width + x] = (uint8_t)(v >= 0 ? v <= 255 ? v + 0.5 : 255 : 0);
            }
        char *name = str_format("%s/image/%d", tag, (int)i);
        status =
            name ? summary_image(s, name, pixels, (int)width, (int)height, 1) : KILN_ERROR_MEMORY;
        free(name);
    }
    free(pixels);
    return status;
}
