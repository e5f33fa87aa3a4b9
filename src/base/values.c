#include <kiln/values.h>

size_t kiln_dtype_size(kiln_dtype dtype)
{
    switch (dtype) {
    case KILN_UINT8: return 1;
    case KILN_INT64:
    case KILN_FLOAT64: return 8;
    default: return 4;
    }
}

const char *kiln_dtype_name(kiln_dtype dtype)
{
    static const char *const names[] = {"float32", "int32", "uint8", "int64", "float64"};
    return (unsigned)dtype < sizeof names / sizeof *names ? names[dtype] : "unknown";
}

int64_t kiln_shape_size(kiln_shape shape)
{
    int64_t size = 1;
    for (int i = 0; i < shape.rank; i++)
        size *= shape.dims[i];
    return size;
}

kiln_shape kiln_shape_of(int rank, const int64_t *dims)
{
    kiln_shape shape = {.rank = rank < 0 ? 0 : rank > KILN_MAX_RANK ? KILN_MAX_RANK : rank};
    for (int i = 0; i < shape.rank; i++)
        shape.dims[i] = dims[i];
    return shape;
}
