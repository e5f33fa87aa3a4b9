/* JPEG pictures: any bytes decode or fail with a sentence. */
#include "data/picture.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const int channels[] = {1, 3, 4};
    uint8_t small[7 * 5 * 4];
    picture p;
    picture_most_pixels = 1 << 18;
    if (size == 0)
        return 0;
    if (jpeg_decode(bytes, size, "fuzz", channels[size % 3], &p) == KILN_OK)
        picture_resize(&p, 7, 5, small);
    else if (*kiln_last_error() == '\0' || p.pixels)
        abort();
    free(p.pixels);
    kiln_clear_error();
    return 0;
}
