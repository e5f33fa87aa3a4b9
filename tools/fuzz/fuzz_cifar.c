/* CIFAR's binary files in an archive: any bytes make a data set or fail with a sentence. */
#include "data/cifar.h"
#include "data/dataset.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static char path[32];
    static int file = -1;
    const pictures_request request = {.channels = 3};
    if (file < 0) {
        file = memfd_create("fuzz", 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    }
    if (file < 0 || ftruncate(file, 0) != 0 || pwrite(file, bytes, size, 0) != (ssize_t)size)
        abort();
    for (int test = 0; test < 2; test++) {
        kiln_dataset *data = cifar_open(path, test, &request);
        if (data == NULL && *kiln_last_error() == '\0')
            abort();
        if (data && data->samples < 1)
            abort();
        kiln_dataset_free(data);
        kiln_clear_error();
    }
    return 0;
}
