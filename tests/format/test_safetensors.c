/* safetensors: what is written reads back; headers that lie are refused with one clear sentence. */
#include "harness/harness.h"

#include "format/safetensors.h"

#include <string.h>

static unsigned char bytes[4096];
static size_t size;

/* A file of this header and this many bytes of data, 0, 1, 2, ... */
static void make(const char *header, size_t data)
{
    size_t length = strlen(header);
    memset(bytes, 0, 8);
    bytes[0] = (unsigned char)length, bytes[1] = (unsigned char)(length >> 8);
    memcpy(bytes + 8, header, length);
    for (size_t i = 0; i < data; i++)
        bytes[8 + length + i] = (unsigned char)i;
    size = 8 + length + data;
}

static void refused(const char *header, size_t data, const char *message)
{
    data_array_list list;
    make(header, data);
    harness_fails(safetensors_decode("w.safetensors", bytes, size, &list), kiln_last_status(),
                  message);
    ck_assert_uint_eq(list.count, 0);
}

START_TEST(round_trip)
{
    data_array_list list = {0}, back;
    void *file;
    size_t length;
    float kernel[6] = {1, -2, 3.5f, 0, 1e-30f, 7}, bias[2] = {4, 5}, one = 9;
    data_array arrays[] = {
        {.name = "dense/kernel", .rank = 2, .dims = {3, 2}, .data = kernel, .bytes = sizeof kernel},
        {.name = "dense/bias", .rank = 1, .dims = {2}, .data = bias, .bytes = sizeof bias},
        {.name = "a \"name\"\n", .data = &one, .bytes = sizeof one},
        {.name = "none", .rank = 2, .dims = {0, 5}, .data = &one},
    };
    list = (data_array_list){.items = arrays, .count = 4};
    harness_ok(safetensors_encode(&list, &file, &length));
    ck_assert(safetensors_looks_like(file, length));
    harness_ok(safetensors_decode("w", file, length, &back));
    ck_assert_uint_eq(back.count, 4);
    for (size_t i = 0; i < 4; i++) {
        const data_array *array = data_array_find(&back, arrays[i].name);
        ck_assert_ptr_nonnull(array);
        ck_assert_int_eq(array->rank, arrays[i].rank);
        ck_assert_uint_eq(array->bytes, arrays[i].bytes);
        ck_assert_mem_eq(array->data, arrays[i].data, arrays[i].bytes);
    }
    /* cut off anywhere it is refused */
    data_array_list cut;
    for (size_t n = 0; n < length; n++) {
        kiln_clear_error();
        ck_assert_int_ne(safetensors_decode("w", file, n, &cut), KILN_OK);
        ck_assert_str_ne(kiln_last_error(), "");
    }
    data_array_list_free(&back);
    free(file);
}
END_TEST

START_TEST(every_type)
{
    data_array_list list;
    make("{\"__metadata__\":{\"format\":\"pt\"},"
         "\"a\":{\"dtype\":\"I8\",\"shape\":[2],\"data_offsets\":[0,2]},"
         "\"b\":{\"dtype\":\"BF16\",\"shape\":[1],\"data_offsets\":[2,4]},"
         "\"c\":{\"dtype\":\"F16\",\"shape\":[],\"data_offsets\":[4,6]},"
         "\"d\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[6,14]},"
         "\"e\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[14,22]},"
         "\"f\":{\"dtype\":\"U32\",\"shape\":[1],\"data_offsets\":[22,26]}}",
         26);
    unsigned char *data = bytes + size - 26;
    data[0] = 0xFF;                 /* -1 */
    data[2] = 0x80, data[3] = 0xBF; /* -1 */
    data[4] = 0x00, data[5] = 0x3C; /* 1 */
    memcpy(data + 6, &(int64_t){-5}, 8);
    memcpy(data + 14, &(double){2.5}, 8);
    memset(data + 22, 0xFF, 4);
    harness_ok(safetensors_decode("w", bytes, size, &list));
    ck_assert_uint_eq(list.count, 6);
    ck_assert_int_eq(((int32_t *)data_array_find(&list, "a")->data)[0], -1);
    ck_assert_float_eq(*(float *)data_array_find(&list, "b")->data, -1);
    ck_assert_float_eq(*(float *)data_array_find(&list, "c")->data, 1);
    ck_assert_int_eq(*(int64_t *)data_array_find(&list, "d")->data, -5);
    ck_assert_double_eq(*(double *)data_array_find(&list, "e")->data, 2.5);
    ck_assert_int_eq(*(int64_t *)data_array_find(&list, "f")->data, UINT32_MAX);
    data_array_list_free(&list);
}
END_TEST

START_TEST(headers_that_lie)
{
    data_array_list list;
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4,
            "w.safetensors: \"a\" has 4 bytes of data, and its shape wants 8");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 4,
            "w.safetensors: \"a\" lies outside the 4 bytes of data that the file has");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
            "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[2,6]}}",
            8, "the data of \"b\" begin at byte 2 and should at 4");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 8,
            "the file has 8 bytes of data, and its tensors 4");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8,
            "the data of \"a\" begin at byte 4 and should at 0");
    refused("{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1,
            "\"a\" has elements of type F8_E4M3, which is not supported");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4,
            "\"a\" has a shape that cannot be");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,4]}}",
            4, "\"a\" has a shape that cannot be");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"more\":1}}", 4,
            "\"a\" wants a dtype, a shape and two data_offsets, and nothing else");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
            "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
            4, "duplicate object key");
    refused("[]", 0, "its header is no JSON object");
    refused("{\"a\":1}", 0, "\"a\" wants a dtype");
    refused(
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", 4,
        "\"a\" has 12 axes; at most");
    memset(bytes, 0xFF, 8);
    harness_fails(safetensors_decode("w", bytes, 100, &list), KILN_ERROR_FORMAT,
                  "its header would have 18446744073709551615 bytes, and the file has 100");
    ck_assert(!safetensors_looks_like(bytes, 100));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("safetensors");
    TCase *tests = tcase_create("safetensors");
    tcase_add_test(tests, round_trip);
    tcase_add_test(tests, every_type);
    tcase_add_test(tests, headers_that_lie);
    suite_add_tcase(suite, tests);
    return harness_run(suite);
}
