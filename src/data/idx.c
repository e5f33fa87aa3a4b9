#include "data/idx.h"

#include <inttypes.h>
#include <string.h>

typedef struct idx_type {
    unsigned char code;
    unsigned char size; /* in the file */
    kiln_dtype dtype;   /* in memory, at least as large */
} idx_type;

static const idx_type types[] = {
    {0x08, 1, KILN_UINT8}, {0x09, 1, KILN_INT32},   {0x0B, 2, KILN_INT32},
    {0x0C, 4, KILN_INT32}, {0x0D, 4, KILN_FLOAT32}, {0x0E, 8, KILN_FLOAT64},
};

static const idx_type *find_type(unsigned code)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].code == code)
            return &types[i];
    return NULL;
}

bool idx_looks_like(const unsigned char *bytes, size_t size)
{
    return size >= 4 && bytes[0] == 0 && bytes[1] == 0 && find_type(bytes[2]) && bytes[3] > 0 &&
           bytes[3] <= DATA_MAX_RANK;
}

static uint32_t big_endian(const unsigned char *b, int size)
{
    uint32_t value = 0;
    for (int i = 0; i < size; i++)
        value = value << 8 | b[i];
    return value;
}

/* Widens in place, from the last element to the first, so that nothing is overwritten unread. */
static void convert(const idx_type *type, void *data, size_t count)
{
    const unsigned char *in = data;
    int32_t *out = data;
    if (type->code == 0x08)
        return;
    for (size_t i = count; i-- > 0;) {
        if (type->code == 0x09) {
            out[i] = (int8_t)in[i];
        } else if (type->code == 0x0B) {
            out[i] = (int16_t)big_endian(in + 2 * i, 2);
        } else if (type->size == 4) {
            uint32_t bits = big_endian(in + 4 * i, 4);
            memcpy(out + i, &bits, 4);
        } else {
            uint64_t bits =
                (uint64_t)big_endian(in + 8 * i, 4) << 32 | big_endian(in + 8 * i + 4, 4);
            memcpy((char *)data + 8 * i, &bits, 8);
        }
    }
}

/* The header: two zero bytes, a type, the number of axes, the axes. */
static kiln_status read_header(data_reader *r, data_array *array, const idx_type **type)
{
    unsigned char head[4 + 4 * DATA_MAX_RANK];
    size_t got;
    KILN_TRY(reader_read(r, head, 4, &got));
    if (got < 4)
        return kiln_fail(KILN_ERROR_FORMAT,
                         "%s: is %zu bytes long; an IDX file has a header of at least 8",
                         reader_name(r), got);
    *type = find_type(head[2]);
    if (head[0] != 0 || head[1] != 0 || *type == NULL)
        return kiln_fail(KILN_ERROR_FORMAT,
                         "%s: starts with %02x %02x %02x %02x, which is no IDX header (00 00, a "
                         "type of 08 to 0e, "
                         "the number of axes) and no gzip file (1f 8b)",
                         reader_name(r), head[0], head[1], head[2], head[3]);
    if (head[3] == 0 || head[3] > DATA_MAX_RANK)
        return kiln_fail(KILN_ERROR_FORMAT, "%s: the IDX header says %d axes; 1 to %d are read",
                         reader_name(r), head[3], DATA_MAX_RANK);
    array->rank = head[3];
    size_t axes = 4 * (size_t)array->rank;
    KILN_TRY(reader_read(r, head + 4, axes, &got));
    if (got < axes)
        return kiln_fail(KILN_ERROR_FORMAT, "%s: is cut off in the IDX header: %zu bytes of %zu",
                         reader_name(r), 4 + got, 4 + axes);
    for (int i = 0; i < array->rank; i++)
        array->dims[i] = big_endian(head + 4 + 4 * i, 4);
    return KILN_OK;
}

static kiln_status read_elements(data_reader *r, data_array *array, const idx_type *type)
{
    char shape[DATA_SHAPE_TEXT];
    size_t packed = 0, got;
    uint64_t rest;
    data_shape_text(array->rank, array->dims, shape);
    bool fits = data_size(array->rank, array->dims, type->size, &packed);
    if (fits && !data_size(array->rank, array->dims, kiln_dtype_size(type->dtype), &array->bytes))
        fits = false;
    if (!fits || packed > reader_most(r)) {
        if (reader_is_gzip(r))
            return kiln_fail(KILN_ERROR_FORMAT,
                             "%s: the header says %s, more than this gzip file of at most %" PRIu64
                             " unpacked bytes can hold",
                             reader_name(r), shape, reader_most(r));
        return kiln_fail(KILN_ERROR_FORMAT,
                         "%s: the header says %s, but only %" PRIu64
                         " bytes follow it: the file is cut off or its header is wrong",
                         reader_name(r), shape, reader_most(r));
    }
    array->data = malloc(array->bytes ? array->bytes : 1);
    if (array->data == NULL)
        return kiln_fail_memory(array->bytes);
    KILN_TRY(reader_read(r, array->data, packed, &got));
    if (got < packed)
        return kiln_fail(
            KILN_ERROR_FORMAT,
            "%s: the header says %s, %zu bytes, but only %zu follow it: the file is cut off",
            reader_name(r), shape, packed, got);
    KILN_TRY(reader_rest(r, (uint64_t)1 << 30, &rest));
    if (rest > 0)
        return kiln_fail(KILN_ERROR_FORMAT,
                         "%s: the header says %s, %zu bytes, but %s%" PRIu64
                         " follow it: the file is too long or its header is wrong",
                         reader_name(r), shape, packed, rest >> 30 ? "at least " : "",
                         packed + rest);
    convert(type, array->data, packed / type->size);
    return KILN_OK;
}

kiln_status idx_read_from(data_reader *reader, data_array *array)
{
    const idx_type *type = NULL;
    *array = (data_array){0};
    kiln_status status = read_header(reader, array, &type);
    if (status == KILN_OK) {
        array->dtype = type->dtype;
        status = read_elements(reader, array, type);
    }
    if (status != KILN_OK)
        data_array_free(array);
    return status;
}

kiln_status idx_read(const char *path, data_array *array)
{
    data_reader *reader = reader_open(path);
    if (reader == NULL) {
        *array = (data_array){0};
        return kiln_last_status();
    }
    kiln_status status = idx_read_from(reader, array);
    reader_close(reader);
    return status;
}
