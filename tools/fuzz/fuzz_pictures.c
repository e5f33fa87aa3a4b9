/* Archives of pictures, .tar, .tar.gz and .zip: any bytes make a data set or fail with a sentence.
 */
#include "data/dataset.h"
#include "data/picture.h"
#include "data/pictures.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    pictures_request request = {.wish.labels = KILN_DEFAULT, .wish.test = size & 1, .channels = 3};
    picture_most_pixels = 1 << 16;
    if (size == 0)
        return 0;
    request.height = request.width = size & 2 ? 4 : 0;
    request.skip_unreadable = size & 4;
    kiln_dataset *data = pictures_from_memory(bytes, size, "fuzz", &request);
    if (data == NULL && *kiln_last_error() == '\0')
        abort();
    if (data && (data->samples < 1 || data->input_count != 1))
        abort();
    kiln_dataset_free(data);
    kiln_clear_error();
    return 0;
}
