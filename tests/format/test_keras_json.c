/* Keras's architecture JSON: files that Keras made, files that Keras reads, and bad ones. */
#include "harness/harness.h"

#include "base/file.h"
#include "format/keras_json.h"

#include <math.h>

#define COUNT(ARRAY) (sizeof(ARRAY) / sizeof *(ARRAY))

static char *fixture(const char *name)
{
    void *bytes;
    size_t size;
    char *path = str_format(FIXTURES "/%s", name);
    harness_ok(file_read(path, 1 << 20, &bytes, &size));
    free(path);
    return bytes;
}

static kiln_model *load(const char *name)
{
    char *json = fixture(name);
    kiln_model *model;
    harness_ok(keras_json_read(name, json, strlen(json), NULL, &model));
    free(json);
    return model;
}

static const char *text_field(const kiln_model *model, const char *layer, const char *field)
{
    const kiln_layer *l = kiln_model_find_layer(model, layer);
    ck_assert_msg(l != NULL, "%s", kiln_last_error());
    return *(char **)layer_field_at(l, layer_find_field(l->cls, field));
}

static double number_field(const kiln_model *model, const char *layer, const char *field)
{
    const kiln_layer *l = kiln_model_find_layer(model, layer);
    ck_assert_msg(l != NULL, "%s", kiln_last_error());
    return *(double *)layer_field_at(l, layer_find_field(l->cls, field));
}

START_TEST(sequential)
{
    static const char *const files[] = {"keras3_mlp.json", "keras2_mlp.json"};
    for (size_t i = 0; i < COUNT(files); i++) {
        kiln_model *model = load(files[i]);
        ck_assert(model->sequential);
        ck_assert_str_eq(kiln_model_name(model), "sequential");
        ck_assert_uint_eq(kiln_model_layer_count(model), 4);
        ck_assert_int_eq(kiln_model_count_params(model), 101770);
        ck_assert(ir_shape_equal(kiln_model_input_shape(model, 0), KILN_SHAPE(28, 28)));
        ck_assert_str_eq(text_field(model, "dense", "activation"), "relu");
        ck_assert_str_eq(text_field(model, "dense", "kernel_initializer"),
                         i ? "glorot_uniform(seed=None)"
                           : "glorot_uniform(seed=None, input_axes=None, output_axes=None)");
        ck_assert_double_eq(number_field(model, "dropout", "rate"), 0.2);
        ck_assert_ptr_null(model->facts->compile_config);
        kiln_model_free(model);
    }
}
END_TEST

START_TEST(every_layer)
{
    kiln_model *model = load("keras3_layers.json");
    ck_assert_str_eq(kiln_model_name(model), "every_layer");
    ck_assert_double_eq(number_field(model, "scale", "scale"), 0.5);
    ck_assert_double_eq(number_field(model, "scale", "offset"), -1);
    ck_assert_str_eq(text_field(model, "dense", "activation"), "gelu");
    ck_assert_str_eq(text_field(model, "dense", "kernel_regularizer"), "l1_l2(l1=0.001, l2=0.002)");
    ck_assert_str_eq(text_field(model, "dense", "activity_regularizer"), "l1(l1=0.125)");
    ck_assert_str_eq(text_field(model, "dense", "bias_initializer"), "constant(value=0.25)");
    spec s;
    harness_ok(spec_resolve(initializer_classes, "initializer",
                            text_field(model, "dense", "kernel_initializer"), &s, NULL));
    ck_assert_str_eq(s.name, "variance_scaling");
    ck_assert_str_eq(s.words[1], "fan_out");
    ck_assert_str_eq(s.words[2], "uniform");
    harness_ok(spec_resolve(initializer_classes, "initializer",
                            text_field(model, "dense_1", "kernel_initializer"), &s, NULL));
    ck_assert_double_eq(spec_number(&s, "seed", -1, 0), 42);
    ck_assert(!kiln_layer_trainable(kiln_model_find_layer(model, "dense_1")));
    ck_assert_double_eq(number_field(model, "re_lu", "max_value"), 6);
    ck_assert_double_eq(number_field(model, "re_lu", "threshold"), 0.5);
    ck_assert_double_eq(number_field(model, "leaky_re_lu", "negative_slope"), 0.25);
    ck_assert_double_eq(number_field(model, "elu", "alpha"), 0.75);
    ck_assert_str_eq(text_field(model, "dense_2", "activation"),
                     "leaky_relu(negative_slope=0.0625)");
    const kiln_layer *given = kiln_model_find_layer(model, "normalization");
    const layer_numbers *mean = layer_field_at(given, layer_find_field(given->cls, "mean"));
    ck_assert_uint_eq(mean->count, 4);
    ck_assert_double_eq(mean->values[3], 4);
    ck_assert_int_eq(kiln_model_count_params(model), 306);
    kiln_model_free(model);
}
END_TEST

START_TEST(functional)
{
    kiln_model *model = load("keras3_functional.json");
    ck_assert(!model->sequential);
    ck_assert_str_eq(kiln_model_name(model), "twin");
    ck_assert_uint_eq(kiln_model_input_count(model), 2);
    ck_assert_uint_eq(kiln_model_output_count(model), 2);
    ck_assert_str_eq(model->calls[model->inputs[1]].layer->name, "right");
    ck_assert_str_eq(model->calls[model->outputs[0]].layer->name, "first");
    ck_assert_uint_eq(model->call_count, 6); /* shared twice */
    kiln_model_free(model);
    model = load("keras2_functional.json");
    ck_assert_uint_eq(model->call_count, 4);
    ck_assert_uint_eq(kiln_model_layer_count(model), 3);
    ck_assert_int_eq(model->calls[2].inputs[0], 1); /* the second call reads the first */
    kiln_model_free(model);
}
END_TEST

/* What is written reads back as the same text, and is what make.py has opened in Keras. */
START_TEST(round_trip)
{
    static const char *const files[][2] = {
        {"keras3_mlp.json", "kiln_mlp.json"},
        {"keras3_layers.json", "kiln_layers.json"},
        {"keras3_functional.json", "kiln_functional.json"},
        {"keras2_functional.json", NULL},
    };
    for (size_t i = 0; i < COUNT(files); i++) {
        kiln_model *model = load(files[i][0]), *again;
        char *first = kiln_model_to_json(model, 1);
        ck_assert_msg(first != NULL, "%s", kiln_last_error());
        again = kiln_model_from_json(first);
        ck_assert_msg(again != NULL, "%s", kiln_last_error());
        char *second = kiln_model_to_json(again, 1);
        ck_assert_msg(strcmp(first, second) == 0, "%s changes when it is read again", files[i][0]);
        char *expected = files[i][1] ? fixture(files[i][1]) : NULL;
        if (expected && strcmp(first, expected) != 0) {
            char *path = str_format("%s/%s", harness_folder(), files[i][1]);
            harness_ok(file_write_atomic(path, first, strlen(first)));
            ck_abort_msg("%s is not what is written now, %s; check that one with make.py",
                         files[i][1], path);
        }
        free(first), free(second), free(expected);
        kiln_model_free(model), kiln_model_free(again);
    }
}
END_TEST

START_TEST(written_specs)
{
    static const struct {
        const char *activation, *json;
    } cases[] = {
        {"relu", "\"activation\": \"relu\""},
        {"leaky_relu(0.2)", "\"activation\": \"leaky_relu\""},
        {"leaky_relu(0.5)", "\"class_name\": \"LeakyReLU\", \"config\": {\"negative_slope\": 0.5}"},
        {"swish", "\"activation\": \"silu\""},
        {"relu(max_value=6)",
         "\"activation\": {\"module\": \"keras.layers\", \"class_name\": \"ReLU\", \"config\": "
         "{\"negative_slope\": 0.0, \"max_value\": 6.0, \"threshold\": 0.0}"},
        {"elu(0.5)", "\"class_name\": \"ELU\", \"config\": {\"alpha\": 0.5}"},
        {"gelu(approximate=true)",
         "\"activation\": {\"module\": \"kiln\", \"class_name\": \"gelu\", \"config\": "
         "{\"approximate\": true}, \"registered_name\": \"kiln>gelu\"}"},
        {"gelu(approximate=false)", "\"activation\": \"gelu\""},
        {"threshold(threshold=1, default_value=-2)",
         "\"config\": {\"threshold\": 1.0, \"default_value\": -2.0}, \"registered_name\": "
         "\"kiln>threshold\""},
        {"soft_shrink(1.5)", "\"registered_name\": \"kiln>soft_shrink\""},
        {"log_softmax(axis=1)", "\"activation\": \"log_softmax\""},
        {"glu(axis=1)", "\"activation\": \"glu\""},
        {"softmax(-1)", "\"activation\": \"softmax\""},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        kiln_model *model = kiln_sequential(
            kiln_dense(2, .activation = cases[i].activation, .input_shape = KILN_SHAPE(2)));
        char *json = kiln_model_to_json(model, -1);
        ck_assert_msg(strstr(json, cases[i].json) != NULL, "%s", json);
        kiln_model *again = kiln_model_from_json(json);
        ck_assert_msg(again != NULL, "%s", kiln_last_error());
        free(json);
        kiln_model_free(model), kiln_model_free(again);
    }
}
END_TEST

START_TEST(compile_config)
{
    kiln_model *model = kiln_sequential(kiln_dense(2, .input_shape = KILN_SHAPE(2))), *again;
    text out = {0};
    harness_ok(keras_json_write(model, "{\"loss\": \"mse\"}", -1, &out));
    harness_ok(keras_json_read("x", out.data, out.length, NULL, &again));
    ck_assert_str_eq(again->facts->compile_config, "{\"loss\":\"mse\"}");
    text_free(&out);
    kiln_model_free(model), kiln_model_free(again);
}
END_TEST

/* Sequential with these layers after an input of 8. */
#define MODEL(LAYERS)                                                                              \
    "{\"class_name\": \"Sequential\", \"config\": {\"name\": \"m\", \"layers\": "                  \
    "[{\"class_name\": "                                                                           \
    "\"InputLayer\", \"config\": {\"batch_shape\": [null, 8], \"name\": \"in\"}}" LAYERS "]}}"
#define DENSE(CONFIG)                                                                              \
    MODEL(", {\"class_name\": \"Dense\", \"config\": {\"name\": \"d\", " CONFIG "}}")
#define INPUT(CONFIG)                                                                              \
    "{\"class_name\": \"Sequential\", \"config\": {\"layers\": [{\"class_name\": \"InputLayer\", " \
    "\"config\": {" CONFIG "}}, {\"class_name\": \"Flatten\", \"config\": {}}]}}"
#define FUNCTIONAL(NODES, ENDS)                                                                    \
    "{\"class_name\": \"Functional\", \"config\": {\"name\": \"f\", \"layers\": "                  \
    "[{\"class_name\": "                                                                           \
    "\"InputLayer\", \"config\": {\"batch_shape\": [null, 8], \"name\": \"in\"}, "                 \
    "\"inbound_nodes\": "                                                                          \
    "[]}, {\"class_name\": \"Dense\", \"config\": {\"name\": \"d\", \"units\": 8}, "               \
    "\"inbound_nodes\": " NODES "}], " ENDS "}}"
/* A recurrent layer that starts with a given state. */
#define STARTED(MORE)                                                                              \
    "{\"class_name\": \"Functional\", \"config\": {\"name\": \"f\", \"layers\": "                  \
    "[{\"class_name\": \"InputLayer\", \"config\": {\"batch_shape\": [null, 4, 3], \"name\": "     \
    "\"in\"}, \"inbound_nodes\": []}, {\"class_name\": \"InputLayer\", \"config\": "               \
    "{\"batch_shape\": [null, 2], \"name\": \"h\"}, \"inbound_nodes\": []}, {\"class_name\": "     \
    "\"GRU\", \"config\": {\"name\": \"d\", \"units\": 2}, \"inbound_nodes\": [{\"args\": "        \
    "[[\"in\", 0, 0]], \"kwargs\": {\"initial_state\": [[\"h\", 0, 0]]" MORE                       \
    "}}]}], \"input_layers\": [[\"in\", 0, 0], [\"h\", 0, 0]], \"output_layers\": [\"d\", 0, 0]}}"
#define ENDS "\"input_layers\": [[\"in\", 0, 0]], \"output_layers\": [\"d\", 0, 0]"

static const struct {
    const char *json, *message; /* NULL: it reads */
} texts[] = {
    {DENSE("\"units\": 3"), NULL},
    {"[1]", "file: this is no Keras architecture: it has no class_name or no config"},
    {"{\"a\": 1}", "file: this is no Keras architecture: it has no class_name or no config"},
    {"{\"class_name\": \"Sequential\", \"config\": {\"layers\": []}}",
     "file: the model has no layers"},
    {"{\"class_name\": \"Sequential\", \"config\": 3}", "file: the model has no layers"},
    {"{\"class_name\": \"Sequential\", \"config\": {}, \"configs\": 3}",
     "file: unknown key \"configs\" (did you mean \"config\"?)"},
    {"{\"class_name\": \"Sequential\", \"config\": {\"layer\": []}}",
     "file: unknown key \"layer\" (did you mean \"layers\"?)"},
    {"{\"class_name\": \"Quantum\", \"config\": {\"layers\": [1]}}",
     "file: models of class \"Quantum\" are not supported, only Sequential and Functional"},
    {MODEL(""), "file: a sequential model needs at least one layer besides its input"},
    {MODEL(", 3"), "file: layer 2 has no class_name or no config"},
    {MODEL(", {\"class_name\": \"Dense\"}"), "file: layer 2 has no class_name or no config"},
    {MODEL(", {\"class_name\": \"Dens\", \"config\": {\"name\": \"d\"}}"),
     "file: layer d (Dens): layers of class \"Dens\" are not supported (did you mean \"Dense\"?)"},
    {MODEL(", {\"class_name\": \"TimeTravel\", \"config\": {}}"),
     "file: layer 2 (TimeTravel): layers of class \"TimeTravel\" are not supported"},
    {MODEL(", {\"class_name\": \"Dense\", \"config\": {\"units\": 3}, \"moduel\": 1}"),
     "file: layer 2 (Dense): unknown key \"moduel\" (did you mean \"module\"?)"},
    {DENSE("\"unitz\": 3"),
     "file: layer d (Dense): unknown key \"unitz\" (did you mean \"units\"?)"},
    {DENSE("\"use_bias\": true"), "file: layer d (Dense): units is missing"},
    {DENSE("\"units\": 0"), "file: layer d: units is 0; it must be 1 or more"},
    {DENSE("\"units\": 2.5"), "file: layer d (Dense): units: it must be a whole number"},
    {DENSE("\"units\": \"3\""), "file: layer d (Dense): units: it must be a whole number"},
    {DENSE("\"units\": 3, \"use_bias\": 1"),
     "file: layer d (Dense): use_bias: it must be true or false"},
    {DENSE("\"units\": 3, \"trainable\": 1"),
     "file: layer d (Dense): trainable: it must be true or false"},
    {DENSE("\"units\": 3, \"activation\": \"rleu\""),
     "file: layer d: activation: unknown activation \"rleu\" (did you mean \"relu\"?)"},
    {DENSE("\"units\": 3, \"activation\": null"), NULL},
    {DENSE("\"units\": 3, \"activation\": 7"), "file: layer d (Dense): activation: this is neither "
                                               "the name of an activation nor an object with "
                                               "a class_name"},
    {DENSE("\"units\": 3, \"activation\": {\"class_name\": \"function\", \"config\": \"tanh\"}"),
     NULL},
    {DENSE("\"units\": 3, \"activation\": {\"class_name\": \"function\", \"config\": 3}"),
     "file: layer d (Dense): activation: the function that it names is missing"},
    {DENSE("\"units\": 3, \"activation\": {\"class_name\": \"Swoosh\", \"config\": {}}"),
     "file: layer d (Dense): activation: unknown activation \"Swoosh\""},
    {DENSE("\"units\": 3, \"kernel_initializer\": {\"class_name\": \"HeNormal\", \"config\": "
           "{\"gain\": 2}}"),
     "file: layer d: kernel_initializer: initializer \"he_normal\" has no argument \"gain\""},
    {DENSE("\"units\": 3, \"kernel_initializer\": {\"class_name\": \"HeNormal\", \"config\": "
           "{\"seed\": "
           "{\"class_name\": \"SeedGenerator\"}}}"),
     NULL},
    {DENSE("\"units\": 3, \"kernel_initializer\": {\"class_name\": \"HeNormal\", \"config\": "
           "{\"seed\": [1]}}"),
     "file: layer d (Dense): kernel_initializer: he_normal: the value of \"seed\" is neither a "
     "number "
     "nor a word"},
    {DENSE("\"units\": 3, \"kernel_initializer\": {\"class_name\": \"HeNormal\", \"config\": "
           "{\"a)b\": 1}}"),
     "file: layer d (Dense): kernel_initializer: he_normal has no argument \"a)b\""},
    {DENSE("\"units\": 3, \"kernel_regularizer\": \"L2\""), NULL},
    {DENSE("\"units\": 3, \"kernel_constraint\": {\"class_name\": \"MaxNorm\"}"), NULL},
    {DENSE("\"units\": 3, \"dtype\": \"float16\""),
     "file: layer d (Dense): dtype: \"float16\" is not supported, only float32 and "
     "mixed_float16"},
    {DENSE("\"units\": 3, \"dtype\": {\"class_name\": \"DTypePolicy\", \"config\": {\"name\": "
           "\"mixed_bfloat16\"}}"),
     "file: layer d (Dense): dtype: \"mixed_bfloat16\" is not supported, only float32 and "
     "mixed_float16"},
    {DENSE("\"units\": 3, \"dtype\": {\"class_name\": \"DTypePolicy\", \"config\": {\"name\": "
           "\"mixed_float16\"}}"),
     NULL},
    {MODEL(", {\"class_name\": \"Dropout\", \"config\": {\"rate\": 2}}"),
     "file: Dropout layer: rate is 2; it must be between 0 and 1"},
    {MODEL(", {\"class_name\": \"Dropout\", \"config\": {\"rate\": 0.5, \"noise_shape\": [1]}}"),
     "file: layer 2 (Dropout): noise_shape: only null is supported"},
    {MODEL(", {\"class_name\": \"Flatten\", \"config\": {\"data_format\": \"channels_first\"}}"),
     NULL},
    {MODEL(", {\"class_name\": \"Reshape\", \"config\": {\"name\": \"r\", \"target_shape\": [3, "
           "3]}}"),
     "file: layer r: an input (8,) of 8 elements does not fit the target_shape (3, 3)"},
    {MODEL(", {\"class_name\": \"Reshape\", \"config\": {\"name\": \"r\", \"target_shape\": [2, "
           "\"x\"]}}"),
     "file: layer r (Reshape): target_shape: target_shape: axis 1 is no positive whole number"},
    {MODEL(", {\"class_name\": \"Reshape\", \"config\": {\"name\": \"r\", \"target_shape\": "
           "[1,1,1,1,1,1,1,8]}}"),
     "file: layer r (Reshape): target_shape: target_shape has 8 axes; at most 7 are supported"},
    {MODEL(", {\"class_name\": \"Normalization\", \"config\": {\"axis\": [1], \"mean\": null}}"),
     NULL},
    {MODEL(", {\"class_name\": \"Normalization\", \"config\": {\"axis\": null}}"), NULL},
    {MODEL(", {\"class_name\": \"Normalization\", \"config\": {\"axis\": [0]}}"),
     "file: layer normalization: axis is 0; only -1 (the last) and None are supported"},
    {MODEL(", {\"class_name\": \"Normalization\", \"config\": {\"mean\": \"x\"}}"),
     "file: layer 2 (Normalization): mean: it must be a list of numbers, or null"},
    {MODEL(", {\"class_name\": \"Normalization\", \"config\": {\"mean\": [[1,2,3,4,5,6,7,8]], "
           "\"variance\": {\"class_name\": \"__numpy__\", \"config\": {\"value\": "
           "[1,2,3,4,5,6,7,8]}}}}"),
     NULL},
    {INPUT("\"batch_shape\": [null, 3]"), NULL},
    {INPUT("\"batch_input_shape\": [32, 3], \"dtype\": \"int64\", \"sparse\": false"), NULL},
    {INPUT("\"batch_shape\": 3"),
     "file: layer 1 (InputLayer): batch_shape: the shape is no list of sizes"},
    {INPUT("\"batch_shape\": []"),
     "file: layer 1 (InputLayer): batch_shape: the shape is no list of sizes"},
    {INPUT("\"batch_shape\": [null, null]"),
     "file: layer 1 (InputLayer): batch_shape: axis 1 is open (None), and models have fixed shapes "
     "here; give it a length, by --sequence-length N or kiln_load_with's .sequence_length"},
    {INPUT("\"batch_shape\": [null, null, null, 3]"),
     "file: layer 1 (InputLayer): batch_shape: axes 1 and 2 are open (None), and only one besides "
     "the "
     "batch can be; give the other a size in Keras and save the model again"},
    {INPUT("\"batch_shape\": [null, -1]"),
     "file: layer 1 (InputLayer): batch_shape: the shape: axis 1 is no positive whole number"},
    {INPUT("\"batch_shape\": [null, 3], \"sparse\": true"),
     "file: layer 1 (InputLayer): sparse: only false is supported"},
    {INPUT("\"batch_shape\": [null, 3], \"dtype\": \"string\""),
     "file: layer 1 (InputLayer): dtype: \"string\" is not supported, only float32 and int32"},
    {INPUT("\"name\": \"x\""),
     "file: layer x: its shape is missing: give that of one sample, for example (28, 28)"},
    {"{\"class_name\": \"Sequential\", \"config\": [{\"class_name\": \"Dense\", \"config\": "
     "{\"units\": 3, "
     "\"batch_input_shape\": [null, 4]}}]}",
     NULL},
    {"{\"class_name\": \"Sequential\", \"config\": {\"build_input_shape\": [null, 4], \"layers\": "
     "[{\"class_name\": \"Dense\", \"config\": {\"units\": 3}}]}}",
     NULL},
    {"{\"class_name\": \"Sequential\", \"config\": [{\"class_name\": \"Dense\", \"config\": "
     "{\"units\": 3}}]}",
     "file: Dense layer: the first layer of a sequential model needs an input_shape, the shape of "
     "one "
     "sample, for example (28, 28)"},
    {DENSE(
         "\"units\": 3, \"kernel_constraint\": \"non_neg\", \"bias_constraint\": {\"class_name\": "
         "\"MaxNorm\", \"config\": {\"max_value\": 2, \"axis\": [0]}}"),
     NULL},
    {DENSE("\"units\": 3, \"kernel_constraint\": \"tidy\""),
     "file: layer d: kernel_constraint: unknown constraint \"tidy\""},
    {DENSE("\"units\": 3, \"kernel_constraint\": {\"class_name\": \"Tidy\", \"config\": {}}"),
     "file: layer d (Dense): kernel_constraint: unknown constraint \"Tidy\""},
    {DENSE(
         "\"units\": 3, \"bias_constraint\": {\"class_name\": \"UnitNorm\", \"config\": {\"axis\": "
         "[0, 1]}}"),
     "file: d/bias: constraint \"unit_norm\": axis 1 is none of a weight with 1 axes"},
    {DENSE(
         "\"units\": 3, \"bias_constraint\": {\"class_name\": \"UnitNorm\", \"config\": {\"axis\": "
         "[0.5]}}"),
     "file: layer d (Dense): bias_constraint: unit_norm: axis: it must be a list of whole numbers"},
    {FUNCTIONAL("[[[\"in\", 0, 0, {}]]]", ENDS), NULL},
    {FUNCTIONAL("[[[\"in\", 1, 0, {}]]]", ENDS),
     "file: layer d: its input: call 1 of layer \"in\" is not in the model"},
    {FUNCTIONAL("[[[\"out\", 0, 0, {}]]]", ENDS),
     "file: layer d: its input: call 0 of layer \"out\" is not in the model"},
    {FUNCTIONAL("[[[\"in\", 0, 1, {}]]]", ENDS),
     "file: layer d: its input: layer in has 1 output, and none at index 1"},
    {FUNCTIONAL("[[[\"d\", 0, 0, {}]]]", ENDS), "file: layer d waits for its own output"},
    {FUNCTIONAL("[[[\"d\", 0, 0, {}]], [[\"d\", 1, 0, {}]]]", ENDS),
     "file: layer d waits for its own output"},
    {FUNCTIONAL("[{\"args\": [3], \"kwargs\": {}}]", ENDS),
     "file: layer d: it is called with something that is no tensor"},
    {FUNCTIONAL("[{\"args\": [[\"in\", 0, 0]], \"kwargs\": {\"mask\": 1}}]", ENDS),
     "file: layer d: it is called with the argument \"mask\", which is not supported"},
    {FUNCTIONAL("[[[\"in\", 0, 0], [\"in\", 0, 0]]]", ENDS),
     "file: layer d takes one input, not 2"},
    {FUNCTIONAL("[[[\"in\", 0, 0]]]", "\"input_layers\": [[\"in\", 0, 0]]"),
     "file: model f needs an input and an output"},
    {FUNCTIONAL("[[[\"in\", 0, 0]]]",
                "\"input_layers\": [[\"in\", 0, 0]], \"output_layers\": [[\"e\", 0, 0]]"),
     "file: output_layers: call 0 of layer \"e\" is not in the model"},
    {FUNCTIONAL("[[[\"in\", 0, 0]]]", "\"input_layers\": [\"in\", 0, 0], \"output_layers\": "
                                      "[[\"d\", 0, 0], [[\"in\", 0, 0], [[\"d\", 0, 0]]], []]"),
     NULL},
    {FUNCTIONAL("[[[\"in\", 0, 0]]]",
                "\"input_layers\": [\"in\", 0, 0], \"output_layers\": {\"y\": [\"d\", 0, 0]}"),
     "file: output_layers: tensors by name are not supported, only lists of them"},
    {FUNCTIONAL("[]", "\"input_layers\": [[\"in\", 0, 0]], \"output_layers\": [[\"in\", 0, 0]]"),
     NULL},
    {FUNCTIONAL("[[]]", ENDS), "file: layer d has no input"},
    {STARTED(", \"mask\": null"), NULL},
    {STARTED(", \"mask\": [\"m\", 0, 0]"),
     "file: layer d: it is called with initial_state and with a mask as an argument, which is not "
     "supported; without that argument Keras 3 applies no mask there"},
};

START_TEST(messages)
{
    kiln_model *model;
    kiln_clear_error();
    kiln_status status =
        keras_json_read("file", texts[_i].json, strlen(texts[_i].json), NULL, &model);
    if (texts[_i].message == NULL) {
        ck_assert_msg(status == KILN_OK, "%s: %s", texts[_i].json, kiln_last_error());
    } else {
        ck_assert_msg(status != KILN_OK, "it reads: %s", texts[_i].json);
        ck_assert_ptr_null(model);
        ck_assert_str_eq(kiln_last_error(), texts[_i].message);
    }
    kiln_model_free(model);
}
END_TEST

/* A length for what a file leaves open, which is written open again. */
START_TEST(open_axes)
{
    const char *wrapped =
        "{\"class_name\": \"Sequential\", \"config\": {\"build_input_shape\": [null, "
        "null, 3], \"layers\": [{\"class_name\": \"Bidirectional\", \"config\": "
        "{\"layer\": {\"class_name\": \"GRU\", \"config\": {\"units\": 2, "
        "\"batch_input_shape\": [null, null, 3]}}}}]}}";
    const char *texts_of[] = {INPUT("\"batch_shape\": [null, null, 3]"),
                              INPUT("\"batch_shape\": [null, 7, null]"), wrapped};
    for (size_t i = 0; i < COUNT(texts_of); i++) {
        kiln_load_args args = {.sequence_length = 5};
        kiln_model *model = kiln_model_from_json_with(texts_of[i], &args);
        ck_assert_msg(model != NULL, "%s", kiln_last_error());
        ck_assert(ir_shape_equal(kiln_model_input_shape(model, 0),
                                 i == 1 ? KILN_SHAPE(7, 5) : KILN_SHAPE(5, 3)));
        char *json = kiln_model_to_json(model, -1);
        ck_assert_ptr_nonnull(json);
        const char *open = i == 1 ? "[null, 7, null]" : "[null, null, 3]";
        char *shape = str_format("\"batch_shape\": %s", open),
             *build = str_format("\"build_input_shape\": %s", open);
        ck_assert_msg(strstr(json, shape) && strstr(json, build), "%s", json);
        args.sequence_length = 6;
        kiln_model *again = kiln_model_from_json_with(json, &args);
        ck_assert(ir_shape_equal(kiln_model_input_shape(again, 0),
                                 i == 1 ? KILN_SHAPE(7, 6) : KILN_SHAPE(6, 3)));
        ck_assert_ptr_null(kiln_model_from_json(json));
        args.sequence_length = -1;
        ck_assert_ptr_null(kiln_model_from_json_with(json, &args));
        ck_assert_str_eq(kiln_last_error(), "sequence_length is -1; it must be 1 or more");
        free(shape);
        free(build);
        free(json);
        kiln_model_free(model);
        kiln_model_free(again);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("keras_json");
    TCase *tests = tcase_create("keras_json");
    tcase_add_test(tests, sequential);
    tcase_add_test(tests, every_layer);
    tcase_add_test(tests, functional);
    tcase_add_test(tests, round_trip);
    tcase_add_test(tests, written_specs);
    tcase_add_test(tests, compile_config);
    tcase_add_test(tests, open_axes);
    tcase_add_loop_test(tests, messages, 0, COUNT(texts));
    suite_add_tcase(suite, tests);
    return harness_run(suite);
}
