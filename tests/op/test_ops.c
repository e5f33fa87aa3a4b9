/* Every row of the tables: values against the reference, gradients against its finite differences.
 */
#include "harness/harness.h"
#include "op/leaf.h"
#include "rows.h"

#include <math.h>
#include <stdio.h>

/* Rows first .. last - 1 of a table in one plan. */
static void add_rows(trial *t, const op_table *table, int first, int last)
{
    for (int i = first; i < last; i++) {
        const op_row *r = &table->rows[i];
        int before = t->source_count;
        ir_id y = r->build(t, r);
        for (int k = before; k < t->source_count && r->flat; k++)
            t->sources[k].fixed = true;
        ck_assert_msg(y != IR_NONE, "%s, row %d (%s): %s", table->name, i, r->name,
                      kiln_last_error());
        trial_output(t, y);
        if (r->tolerance > 0)
            t->tolerances[t->output_count - 1] = r->tolerance;
    }
    trial_differentiate(t);
}

/* Products take slow drivers one row at a time: Oclgrind counts the local memory of all kernels of
 * a program for each of them, and llvmpipe compiles many products in one kernel for minutes. */
static int most_rows(const op_table *table)
{
    bool slow = false;
    HARNESS_EACH_DEVICE(device) slow |= harness_is_slow(device);
    return slow && (table->rows == rows_products || table->rows == rows_conv ||
                    table->rows == rows_filtered)
               ? 1
               : table->group;
}

/* KILN_TEST_TABLE=N runs table N alone, KILN_TEST_ROW=N row N of each. */
static void run_table(const op_table *table)
{
    const char *only = getenv("KILN_TEST_ROW");
    int start = only ? atoi(only) : 0, group = only ? 1 : most_rows(table),
        end = only && start < *table->count ? start + 1 : *table->count;
    for (int first = start; first < end; first += group) {
        char label[64];
        static trial t;
        int last = first + group < end ? first + group : end;
        trial_start(&t, (uint64_t)(first / group) + 1);
        /* llvmpipe prefers parallel kernels, and loses parts of private arrays in the others. */
        if (table->rows == rows_conv || table->rows == rows_filtered || table->rows == rows_views)
            t.only_usual_on = "llvmpipe";
        add_rows(&t, table, first, last);
        snprintf(label, sizeof label, "%s rows %d to %d", table->name, first, last - 1);
        trial_run_everywhere(&t, label);
        trial_end(&t);
    }
}

START_TEST(table)
{
    const char *only = getenv("KILN_TEST_TABLE");
    if (!only || atoi(only) == _i)
        run_table(&op_tables[_i]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ops");
    TCase *tables = tcase_create("tables");
    int count = 0;
    while (op_tables[count].name)
        count++;
    tcase_add_loop_test(tables, table, 0, count);
    suite_add_tcase(suite, tables);
    return harness_run(suite);
}
