#include "rows.h"

const op_table op_tables[] = {
    {"unary functions", rows_unary, &rows_unary_count, 8},
    {"functions of two and three", rows_binary, &rows_binary_count, 8},
    {NULL, NULL, NULL, 0},
};
