/* Where Keras keeps weights: its order of layers, from models that Keras made. */
#include "harness/harness.h"

#include "base/file.h"
#include "format/json.h"
#include "format/keras_json.h"
#include "format/weight_paths.h"

static void compare(const json_t *wanted, const weight_places *places)
{
    size_t number = 0;
    for (size_t i = 0; i < places->count; i++) {
        const weight_place *place = &places->items[i];
        size_t weights = 0;
        for (size_t p = 0; p < place->part_count; p++) {
            const weight_part *part = &place->parts[p];
            const json_t *entry = json_array_get(wanted, number++),
                         *shapes = json_array_get(entry, 2);
            ck_assert_msg(entry != NULL, "Keras has no %s", part->path);
            ck_assert_str_eq(part->path, json_string_value(json_array_get(entry, 1)));
            ck_assert_str_eq(part->name, json_string_value(json_array_get(entry, 0)));
            ck_assert_uint_eq(part->first, weights);
            ck_assert_uint_eq(part->count, json_array_size(shapes));
            weights += part->count;
            for (size_t k = 0; k < part->count; k++) {
                const json_t *shape = json_array_get(shapes, k);
                const kiln_shape *own = &place->items[part->first + k]->weight.shape;
                ck_assert_uint_eq((size_t)own->rank, json_array_size(shape));
                for (int d = 0; d < own->rank; d++)
                    ck_assert_int_eq(own->dims[d],
                                     json_integer_value(json_array_get(shape, (size_t)d)));
            }
        }
        ck_assert_uint_eq(weights, place->count);
    }
    ck_assert_uint_eq(number, json_array_size(wanted));
}

START_TEST(order_of_layers)
{
    void *bytes;
    size_t size, i, compared = 0;
    const json_t *each;
    harness_ok(file_read(FIXTURES "/orders.json", SIZE_MAX / 4, &bytes, &size));
    json_t *all = json_parse("orders.json", bytes, size);
    free(bytes);
    ck_assert_uint_ge(json_array_size(all), 7);
    json_array_foreach(all, i, each)
    {
        kiln_model *model;
        weight_places places;
        char *text_of = json_dumps(json_object_get(each, "model"), JSON_COMPACT);
        kiln_clear_error();
        if (keras_json_read("model", text_of, strlen(text_of), NULL, &model) != KILN_OK) {
            ck_assert_int_eq(kiln_last_status(), KILN_ERROR_UNSUPPORTED); /* layers that merge */
            free(text_of);
            continue;
        }
        compared++;
        harness_ok(weight_places_list(model, &places));
        compare(json_object_get(each, "layers"), &places);
        weight_places_free(&places);
        kiln_model_free(model);
        free(text_of);
    }
    json_decref(all);
    ck_assert_uint_ge(compared, 8);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("weights");
    TCase *tests = tcase_create("weights");
    tcase_add_test(tests, order_of_layers);
    suite_add_tcase(suite, tests);
    return harness_run(suite);
}
