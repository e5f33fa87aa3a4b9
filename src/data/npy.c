/* .npy: a header that is a Python dictionary, then the elements. */
#include "data/npy.h"

#include <inttypes.h>
#include <string.h>

static const unsigned char magic[6] = {0x93, 'N', 'U', 'M', 'P', 'Y'};

/* The most bytes of a header; NumPy itself refuses more than 10,000 for safety. */
enum { HEADER_MOST = 1 << 16 };

typedef struct npy_type {
    char kind; /* as in descr */
    int size;  /* in the file */
    kiln_dtype dtype;
} npy_type;

static const npy_type types[] = {
    {'b', 1, KILN_UINT8}, {'u', 1, KILN_UINT8},   {'i', 1, KILN_INT32},   {'i', 2, KILN_INT32},
    {'u', 2, KILN_INT32}, {'i', 4, KILN_INT32},   {'u', 4, KILN_INT64},   {'i', 8, KILN_INT64},
    {'u', 8, KILN_INT64}, {'f', 2, KILN_FLOAT32}, {'f', 4, KILN_FLOAT32}, {'f', 8, KILN_FLOAT64},
};

/* What the header says. */
typedef struct npy_head {
    const npy_type *type;
    bool big_endian, fortran;
    bool has_descr, has_order, has_shape;
} npy_head;

bool npy_looks_like(const unsigned char *bytes, size_t size)
{
    return size >= sizeof magic && memcmp(bytes, magic, sizeof magic) == 0;
}

/* The header's text: only what a dictionary of these three keys can contain. */
typedef struct scanner {
    const char *at, *end;
    const char *file;
} scanner;

static void skip_space(scanner *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\n' || *s->at == '\t' || *s->at == '\r'))
        s->at++;
}

static bool accept(scanner *s, char c)
{
    skip_space(s);
    if (s->at == s->end || *s->at != c)
        return false;
    s->at++;
    return true;
}

static bool accept_word(scanner *s, const char *word)
{
    size_t n = strlen(word);
    skip_space(s);
    if ((size_t)(s->end - s->at) < n || memcmp(s->at, word, n) != 0)
        return false;
    s->at += n;
    return true;
}

static kiln_status bad_header(const scanner *s, const char *what)
{
    return kiln_fail(KILN_ERROR_FORMAT, "%s: the .npy header %s", s->file, what);
}

/* A quoted string without escapes. */
static kiln_status scan_string(scanner *s, char *out, size_t size)
{
    skip_space(s);
    if (s->at == s->end || (*s->at != '\'' && *s->at != '"'))
        return bad_header(s, "is no dictionary of descr, fortran_order and shape");
    char quote = *s->at++;
    size_t n = 0;
    while (s->at < s->end && *s->at != quote && *s->at != '\\' && n + 1 < size)
        out[n++] = *s->at++;
    out[n] = '\0';
    if (s->at == s->end || *s->at != quote)
        return bad_header(s, "has a string that is too long or does not end");
    s->at++;
    return KILN_OK;
}

static kiln_status set_type(scanner *s, npy_head *head, const char *descr)
{
    const char *d = descr;
    char order = '=';
    if (*d == '<' || *d == '>' || *d == '|' || *d == '=')
        order = *d++;
    char kind = *d;
    int size = 0;
    for (d += *d != '\0'; *d >= '0' && *d <= '9' && size < 1000000; d++)
        size = size * 10 + (*d - '0');
    if (kind == '?') {
        kind = 'b';
        size = 1;
    }
    if (kind == 'O')
        return kiln_fail(KILN_ERROR_FORMAT,
                         "%s: holds Python objects (dtype '%s'), which only Python can read; save "
                         "numbers instead",
                         s->file, descr);
    for (size_t i = 0; *d == '\0' && i < sizeof types / sizeof *types; i++) {
        if (types[i].kind == kind && types[i].size == size) {
            head->type = &types[i];
            head->big_endian = order == '>';
            head->has_descr = true;
            return KILN_OK;
        }
    }
    return kiln_fail(KILN_ERROR_FORMAT,
                     "%s: has the dtype '%s'; bool, integers of 8 to 64 bits and floats of 16 to "
                     "64 bits are read",
                     s->file, descr);
}

static kiln_status scan_shape(scanner *s, npy_array *array)
{
    if (!accept(s, '('))
        return bad_header(s, "has a shape that is no tuple");
    array->rank = 0;
    while (!accept(s, ')')) {
        skip_space(s);
        bool negative = accept(s, '-');
        uint64_t value = 0;
        const char *first = s->at;
        for (; s->at < s->end && *s->at >= '0' && *s->at <= '9'; s->at++) {
            if (value > ((uint64_t)INT64_MAX - 9) / 10)
                return bad_header(s, "has a dimension that is too large");
            value = value * 10 + (uint64_t)(*s->at - '0');
        }
        if (s->at == first)
            return bad_header(s, "has a shape that is no tuple of integers");
        if (negative)
            return kiln_fail(KILN_ERROR_FORMAT,
                             "%s: the .npy header has the negative dimension -%" PRIu64, s->file,
                             value);
        if (s->at < s->end && *s->at == 'L') /* Python 2's long */
            s->at++;
        if (array->rank == DATA_MAX_RANK)
            return kiln_fail(KILN_ERROR_FORMAT, "%s: has more than %d axes", s->file,
                             DATA_MAX_RANK);
        array->dims[array->rank++] = (int64_t)value;
        if (!accept(s, ',')) {
            if (!accept(s, ')'))
                return bad_header(s, "has a shape that does not end");
            break;
        }
    }
    return KILN_OK;
}

static kiln_status scan_header(scanner *s, npy_head *head, npy_array *array)
{
    if (!accept(s, '{'))
        return bad_header(s, "is no dictionary of descr, fortran_order and shape");
    while (!accept(s, '}')) {
        char key[32], value[64];
        KILN_TRY(scan_string(s, key, sizeof key));
        if (!accept(s, ':'))
            return bad_header(s, "is no dictionary of descr, fortran_order and shape");
        if (strcmp(key, "descr") == 0) {
            skip_space(s);
            if (s->at < s->end && *s->at == '[')
                return kiln_fail(KILN_ERROR_FORMAT,
                                 "%s: holds records (a structured dtype); save each field as an "
                                 "array of its own",
                                 s->file);
            KILN_TRY(scan_string(s, value, sizeof value));
            KILN_TRY(set_type(s, head, value));
        } else if (strcmp(key, "fortran_order") == 0) {
            head->fortran = accept_word(s, "True");
            if (!head->fortran && !accept_word(s, "False"))
                return bad_header(s, "has a fortran_order that is neither True nor False");
            head->has_order = true;
        } else if (strcmp(key, "shape") == 0) {
            KILN_TRY(scan_shape(s, array));
            head->has_shape = true;
        } else {
            return kiln_fail(KILN_ERROR_FORMAT, "%s: the .npy header has the unknown key '%s'",
                             s->file, key);
        }
        if (!accept(s, ',') && (skip_space(s), s->at == s->end || *s->at != '}'))
            return bad_header(s, "does not end");
    }
    skip_space(s);
    if (s->at != s->end)
        return bad_header(s, "goes on behind its dictionary");
    if (!head->has_descr || !head->has_order || !head->has_shape)
        return kiln_fail(KILN_ERROR_FORMAT, "%s: the .npy header lacks %s", s->file,
                         !head->has_descr   ? "descr"
                         : !head->has_order ? "fortran_order"
                                            : "shape");
    return KILN_OK;
}

static kiln_status read_header(data_reader *r, npy_head *head, npy_array *array)
{
    unsigned char start[12] = {0};
    size_t got, more;
    KILN_TRY(reader_read(r, start, 8, &got));
    if (got < 8 || !npy_looks_like(start, got))
        return kiln_fail(KILN_ERROR_FORMAT,
                         "%s: is no .npy file: it does not start with \\x93NUMPY", reader_name(r));
    if (start[6] < 1 || start[6] > 3)
        return kiln_fail(KILN_ERROR_FORMAT, "%s: is a .npy file of version %d.%d; 1 to 3 are read",
                         reader_name(r), start[6], start[7]);
    size_t width = start[6] == 1 ? 2 : 4, length = 0;
    KILN_TRY(reader_read(r, start + 8, width, &more));
    for (size_t i = width; i-- > 0;)
        length = length << 8 | start[8 + i];
    if (more < width || length > reader_most(r) || length > HEADER_MOST)
        return kiln_fail(KILN_ERROR_FORMAT, "%s: the .npy header says it is %zu bytes long, but %s",
                         reader_name(r), length,
                         length > HEADER_MOST ? "that is too long" : "the file is cut off");
    char *content = mem_new(length + 1, 1);
    if (content == NULL)
        return kiln_last_status();
    kiln_status status = reader_read(r, content, length, &got);
    if (status == KILN_OK && got < length)
        status = kiln_fail(KILN_ERROR_FORMAT, "%s: is cut off in the .npy header", reader_name(r));
    scanner s = {.at = content, .end = content + length, .file = reader_name(r)};
    if (status == KILN_OK)
        status = scan_header(&s, head, array);
    free(content);
    return status;
}

float npy_half(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, mantissa = h & 1023,
             bits;
    float value;
    if (exponent == 0) { /* zero and subnormals: mantissa * 2^-24, exact */
        value = (float)mantissa * 0x1p-24f;
        memcpy(&bits, &value, 4);
        bits |= sign;
    } else {
        bits = sign | (exponent == 31 ? 255u : exponent + 112) << 23 | mantissa << 13;
    }
    memcpy(&value, &bits, 4);
    return value;
}

static void swap_bytes(unsigned char *data, size_t count, int size)
{
    for (size_t i = 0; i < count; i++, data += size)
        for (int a = 0, b = size - 1; a < b; a++, b--) {
            unsigned char t = data[a];
            data[a] = data[b];
            data[b] = t;
        }
}

/* Turns the file's elements (at the front of array->data, which is large enough) into those of
 * memory, from the last to the first: an element in memory is never smaller than in the file. */
static kiln_status convert(const npy_head *head, npy_array *array, const char *file)
{
    static const uint16_t probe = 1;
    bool host_big = *(const unsigned char *)&probe == 0;
    const npy_type *t = head->type;
    unsigned char *in = array->data;
    size_t count = array->bytes / kiln_dtype_size(array->dtype);
    if (t->size > 1 && head->big_endian != host_big)
        swap_bytes(in, count, t->size);
    for (size_t i = count; i-- > 0 && (size_t)t->size < kiln_dtype_size(array->dtype);) {
        uint16_t u16;
        uint32_t u32;
        if (t->size == 1) {
            ((int32_t *)array->data)[i] = (int8_t)in[i];
        } else if (t->size == 2) {
            memcpy(&u16, in + 2 * i, 2);
            if (t->kind == 'f')
                ((float *)array->data)[i] = npy_half(u16);
            else
                ((int32_t *)array->data)[i] = t->kind == 'i' ? (int16_t)u16 : u16;
        } else {
            memcpy(&u32, in + 4 * i, 4);
            ((int64_t *)array->data)[i] = u32;
        }
    }
    if (t->kind == 'b')
        for (size_t i = 0; i < count; i++)
            in[i] = in[i] != 0;
    if (t->kind == 'u' && t->size == 8)
        for (size_t i = 0; i < count; i++)
            if (((int64_t *)array->data)[i] < 0)
                return kiln_fail(KILN_ERROR_FORMAT,
                                 "%s: element %zu is %" PRIu64 ", which does not fit into int64",
                                 file, i, (uint64_t)((int64_t *)array->data)[i]);
    return KILN_OK;
}

/* Fortran order: the first axis runs fastest. */
static kiln_status transpose(npy_array *array)
{
    size_t element = kiln_dtype_size(array->dtype), count = array->bytes / element;
    if (array->rank < 2 || count == 0)
        return KILN_OK;
    unsigned char *out = malloc(array->bytes);
    if (out == NULL)
        return kiln_fail_memory(array->bytes);
    size_t stride[DATA_MAX_RANK], at = 0;
    int64_t index[DATA_MAX_RANK] = {0};
    stride[0] = 1;
    for (int i = 1; i < array->rank; i++)
        stride[i] = stride[i - 1] * (size_t)array->dims[i - 1];
    for (size_t i = 0; i < count; i++) {
        memcpy(out + i * element, (unsigned char *)array->data + at * element, element);
        for (int axis = array->rank - 1; axis >= 0; axis--) {
            at += stride[axis];
            if (++index[axis] < array->dims[axis])
                break;
            at -= stride[axis] * (size_t)array->dims[axis];
            index[axis] = 0;
        }
    }
    free(array->data);
    array->data = out;
    return KILN_OK;
}

static kiln_status read_elements(data_reader *r, const npy_head *head, npy_array *array)
{
    char shape[DATA_SHAPE_TEXT];
    size_t packed, got;
    uint64_t rest;
    data_shape_text(array->rank, array->dims, shape);
    array->dtype = head->type->dtype;
    if (!data_size(array->rank, array->dims, kiln_dtype_size(array->dtype), &array->bytes))
        return kiln_fail(KILN_ERROR_FORMAT, "%s: the shape %s is too large for any memory",
                         reader_name(r), shape);
    packed = array->bytes / kiln_dtype_size(array->dtype) * (size_t)head->type->size;
    if (packed > reader_most(r))
        return kiln_fail(KILN_ERROR_FORMAT,
                         "%s: the shape %s needs %zu bytes, but %s%" PRIu64
                         " follow the header: the file is cut off",
                         reader_name(r), shape, packed, reader_is_gzip(r) ? "at most " : "",
                         reader_most(r));
    array->data = malloc(array->bytes ? array->bytes : 1);
    if (array->data == NULL)
        return kiln_fail_memory(array->bytes);
    KILN_TRY(reader_read(r, array->data, packed, &got));
    if (got < packed)
        return kiln_fail(
            KILN_ERROR_FORMAT,
            "%s: the shape %s needs %zu bytes, but %zu follow the header: the file is cut off",
            reader_name(r), shape, packed, got);
    KILN_TRY(reader_rest(r, (uint64_t)1 << 30, &rest));
    if (rest > 0)
        return kiln_fail(KILN_ERROR_FORMAT, "%s: %" PRIu64 " bytes follow the array of shape %s",
                         reader_name(r), rest, shape);
    KILN_TRY(convert(head, array, reader_name(r)));
    return head->fortran ? transpose(array) : KILN_OK;
}

kiln_status npy_read_from(data_reader *reader, npy_array *array)
{
    npy_head head = {0};
    *array = (npy_array){0};
    kiln_status status = read_header(reader, &head, array);
    if (status == KILN_OK)
        status = read_elements(reader, &head, array);
    if (status != KILN_OK)
        data_array_free(array);
    return status;
}

static kiln_status read_and_close(data_reader *reader, npy_array *array)
{
    *array = (npy_array){0};
    if (reader == NULL)
        return kiln_last_status();
    kiln_status status = npy_read_from(reader, array);
    reader_close(reader);
    return status;
}

kiln_status npy_read(const char *path, npy_array *array)
{
    return read_and_close(reader_open(path), array);
}

kiln_status npy_decode(const void *bytes, size_t size, const char *name, npy_array *array)
{
    return read_and_close(reader_open_memory(bytes, size, name), array);
}
