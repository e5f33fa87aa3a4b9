/* Weights on the device: slabs, moves, releases. */
#include "harness/harness.h"
#include "model/model.h"

#define N 5

typedef struct weights {
    ir_weight items[N];
    ir_weight *list[N];
} weights;

static const int64_t sizes[N] = {100, 64, 1, 65, 7};

static void make(weights *w)
{
    memset(w, 0, sizeof *w);
    for (size_t i = 0; i < N; i++) {
        w->list[i] = &w->items[i];
        w->items[i].path = str_format("weight_%zu", i);
        w->items[i].shape = KILN_SHAPE(sizes[i]);
        w->items[i].host = malloc((size_t)sizes[i] * sizeof(float));
        for (int64_t k = 0; k < sizes[i]; k++)
            w->items[i].host[k] = (float)(1000 * (i + 1)) + (float)k;
    }
}

static void check_values(weights *w)
{
    float values[128];
    for (size_t i = 0; i < N; i++) {
        harness_ok(store_download(&w->items[i], values));
        for (int64_t k = 0; k < sizes[i]; k++)
            ck_assert_float_eq(values[k], (float)(1000 * (i + 1)) + (float)k);
    }
}

static void drop(weights *w)
{
    for (size_t i = 0; i < N; i++) {
        store_release(&w->items[i]);
        free(w->items[i].host);
        free(w->items[i].path);
    }
}

START_TEST(one_slab)
{
    HARNESS_EACH_DEVICE(device)
    {
        weights w;
        make(&w);
        check_values(&w);
        harness_ok(store_place(device, w.list, N));
        static const size_t offsets[N] = {0, 128, 192, 256, 384};
        for (size_t i = 0; i < N; i++) {
            ck_assert_ptr_eq(w.items[i].device, device);
            ck_assert_ptr_eq(w.items[i].memory, w.items[0].memory);
            ck_assert_uint_eq(w.items[i].offset, offsets[i]);
            ck_assert_ptr_null(w.items[i].host);
        }
        ck_assert_uint_eq(kiln_device_memory_used(device), 448 * sizeof(float));
        check_values(&w);
        /* The gaps are zero. */
        float gap[28];
        harness_ok(device_read(device, w.items[0].memory, 100 * sizeof(float), gap, sizeof gap));
        for (size_t i = 0; i < 28; i++)
            ck_assert_float_eq(gap[i], 0);
        /* Placing again changes nothing; setting reaches the device and the weight alone. */
        cl_mem memory = w.items[0].memory;
        harness_ok(store_place(device, w.list, N));
        ck_assert_ptr_eq(w.items[0].memory, memory);
        float one = 5, three[7];
        harness_ok(store_upload(&w.items[2], &one));
        harness_ok(store_download(&w.items[2], &one));
        ck_assert_float_eq(one, 5);
        harness_ok(store_download(&w.items[4], three));
        ck_assert_float_eq(three[0], 5000);
        /* The slab stays until its last weight goes. */
        for (size_t i = 0; i < N; i++) {
            ck_assert_uint_eq(kiln_device_memory_used(device), 448 * sizeof(float));
            store_release(&w.items[i]);
        }
        ck_assert_uint_eq(kiln_device_memory_used(device), 0);
        drop(&w);
    }
}
END_TEST

/* A device that allows small allocations only gets more slabs; one weight that is too large is
 * named. */
START_TEST(many_slabs)
{
    HARNESS_EACH_DEVICE(device)
    {
        uint64_t largest = device->info.largest_allocation;
        weights w;
        make(&w);
        device->info.largest_allocation = 200 * sizeof(float);
        harness_ok(store_place(device, w.list, N));
        check_values(&w);
        ck_assert_ptr_eq(w.items[0].memory, w.items[1].memory); /* 128 + 64 */
        ck_assert_ptr_ne(w.items[1].memory, w.items[2].memory);
        ck_assert_ptr_eq(w.items[2].memory, w.items[3].memory); /* 64 + 128 */
        ck_assert_ptr_ne(w.items[3].memory, w.items[4].memory);
        ck_assert_uint_eq(w.items[3].offset, 64);
        ck_assert_uint_eq(w.items[4].offset, 0);
        drop(&w);
        make(&w);
        device->info.largest_allocation = 100 * sizeof(float);
        harness_fails(store_place(device, w.list, N), KILN_ERROR_MEMORY, "no memory for weight_0: it takes");
        check_values(&w); /* still on the host */
        device->info.largest_allocation = largest;
        drop(&w);
    }
}
END_TEST

START_TEST(moves)
{
    HARNESS_EACH_DEVICE(device)
    {
        kiln_device *other = kiln_device_open(NULL);
        ck_assert_msg(other != NULL, "%s", kiln_last_error());
        weights w;
        make(&w);
        harness_ok(store_place(device, w.list, N));
        if (other != device) {
            harness_ok(store_place(other, w.list, N));
            ck_assert_uint_eq(kiln_device_memory_used(device), 0);
            ck_assert_ptr_eq(w.items[0].device, other);
            check_values(&w);
        }
        drop(&w);
        kiln_device_close(other);
    }
}
END_TEST

/* A model's weights go to the device, come back changed, and go when the model goes. */
START_TEST(models)
{
    HARNESS_EACH_DEVICE(device)
    {
        kiln_model *model = kiln_sequential(kiln_dense(3, .input_shape = KILN_SHAPE(2)));
        kiln_model *shared = kiln_model_share(model);
        ir_weight *list[2];
        float kernel[6] = {1, 2, 3, 4, 5, 6}, back[6];
        for (size_t i = 0; i < 2; i++)
            list[i] = &model_weight(model, i, NULL)->weight;
        harness_ok(store_place(device, list, 2));
        harness_ok(kiln_set_weights(model, 0, kernel, 6));
        kiln_model_free(model);
        harness_ok(kiln_get_weights(shared, 0, back, 6));
        ck_assert_mem_eq(kernel, back, sizeof kernel);
        kiln_model_free(shared);
        ck_assert_uint_eq(kiln_device_memory_used(device), 0);

        weights w;
        make(&w);
        free(w.items[1].host);
        w.items[1].host = NULL;
        harness_fails(store_place(device, w.list, N), KILN_ERROR_ARGUMENT,
                      "weight_1 has no values yet");
        harness_fails(store_download(&w.items[1], back), KILN_ERROR_ARGUMENT,
                      "weight_1 has no values yet");
        drop(&w);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store");
    TCase *tests = tcase_create("store");
    tcase_add_test(tests, one_slab);
    tcase_add_test(tests, many_slabs);
    tcase_add_test(tests, moves);
    tcase_add_test(tests, models);
    suite_add_tcase(suite, tests);
    return harness_run(suite);
}
