#include <kiln/kiln.h>

int main(void)
{
    kiln_dataset *train, *test;
    kiln_datasets_mnist_load(&train, &test);

    kiln_model *model = kiln_sequential(
        kiln_flatten(.input_shape = KILN_SHAPE(28, 28)),
        kiln_dense(128, .activation = "relu"),
        kiln_dropout(0.2),
        kiln_dense(10));

    kiln_compile(model, .optimizer = kiln_adam(),
                 .loss = kiln_sparse_categorical_crossentropy(.from_logits = KILN_YES),
                 .metrics = KILN_METRICS("accuracy"));

    kiln_fit(model, train, .epochs = 5);
    kiln_evaluate(model, test, .verbose = 2);

    int status = kiln_report_errors(stderr); /* 0, or 1 after one line that says what failed */
    kiln_model_free(model);
    kiln_dataset_free(train);
    kiln_dataset_free(test);
    return status;
}
