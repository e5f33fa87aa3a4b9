/* A small residual network: blocks of two convolutions with a way past them. */
#include <kiln/kiln.h>

static kiln_tensor *convolution(kiln_tensor *x, int filters, int size, int stride)
{
    x = kiln_apply(kiln_conv2d(filters, KILN_SHAPE(size), .strides = KILN_SHAPE(stride),
                               .padding = "same", .use_bias = KILN_NO), x);
    return kiln_apply(kiln_batch_normalization(), x);
}

static kiln_tensor *block(kiln_tensor *x, int filters, int stride)
{
    kiln_tensor *y = convolution(x, filters, 3, stride);
    y = convolution(kiln_apply(kiln_relu(), y), filters, 3, 1);
    if (stride > 1)
        x = convolution(x, filters, 1, stride);
    return kiln_apply(kiln_relu(), kiln_apply(kiln_add(), x, y));
}

int main(void)
{
    kiln_dataset *train, *test;
    kiln_datasets_mnist_load(&train, &test);

    kiln_tensor *x = kiln_input(KILN_SHAPE(28, 28)), *y;
    y = kiln_apply(kiln_reshape(KILN_SHAPE(28, 28, 1)), x);
    y = kiln_apply(kiln_relu(), convolution(y, 16, 3, 1));
    y = block(kiln_apply(kiln_max_pooling2d(), y), 16, 1);
    y = block(y, 32, 2);
    y = kiln_apply(kiln_dense(10), kiln_apply(kiln_global_average_pooling2d(), y));
    kiln_model *model = kiln_functional(KILN_TENSORS(x), KILN_TENSORS(y), .name = "residual");

    kiln_compile(model, .optimizer = kiln_adam(),
                 .loss = kiln_sparse_categorical_crossentropy(.from_logits = KILN_YES),
                 .metrics = KILN_METRICS("accuracy"));
    kiln_fit(model, train, .epochs = 1, .batch_size = 128);
    kiln_evaluate(model, test, .verbose = 2);

    int status = kiln_report_errors(stderr); /* 0, or 1 after one line that says what failed */
    kiln_model_free(model);
    kiln_dataset_free(train);
    kiln_dataset_free(test);
    return status;
}
