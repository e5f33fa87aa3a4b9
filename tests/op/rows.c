#include "rows.h"

const op_table op_tables[] = {
    {"functions of one value", rows_unary, &rows_unary_count, 8},
    {"functions of two and three", rows_binary, &rows_binary_count, 8},
    {"views and reads by index", rows_views, &rows_views_count, 8},
    {"reductions", rows_reductions, &rows_reductions_count, 8},
    {"products", rows_products, &rows_products_count, 8},
    {"windows and pictures", rows_windows, &rows_windows_count, 8},
    {"convolutions", rows_conv, &rows_conv_count, 4},
    {"convolutions by minimal filtering", rows_filtered, &rows_filtered_count, 2},
    {"statistics of a batch", rows_batch, &rows_batch_count, 8},
    {"leaves", rows_leaves, &rows_leaves_count, 24},
    {NULL, NULL, NULL, 0},
};
