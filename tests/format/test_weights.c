/* Where Keras keeps weights: its order of layers, from models that Keras made. */
#include "harness/harness.h"

#include "base/file.h"
#include "format/json.h"
#include "format/keras_json.h"
#include "format/weight_paths.h"

static void compare(const json_t *wanted, const weight_places *places)
{
    ck_assert_uint_eq(places->count, json_array_size(wanted));
    for (size_t i = 0; i < places->count; i++) {
        const json_t *entry = json_array_get(wanted, i), *shapes = json_array_get(entry, 2);
        const weight_place *place = &places->items[i];
        ck_assert_str_eq(place->layer->name, json_string_value(json_array_get(entry, 0)));
        ck_assert_str_eq(place->parts[0].path, json_string_value(json_array_get(entry, 1)));
        ck_assert_uint_eq(place->count, json_array_size(shapes));
        for (size_t k = 0; k < place->count; k++) {
            const json_t *shape = json_array_get(shapes, k);
            const kiln_shape *own = &place->items[k]->weight.shape;
            ck_assert_uint_eq((size_t)own->rank, json_array_size(shape));
            for (int d = 0; d < own->rank; d++)
                ck_assert_int_eq(own->dims[d],
                                 json_integer_value(json_array_get(shape, (size_t)d)));
        }
    }
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
        if (keras_json_read("model", text_of, strlen(text_of), &model) != KILN_OK) {
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
    ck_assert_uint_ge(compared, 5);
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
