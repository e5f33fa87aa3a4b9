/* What the tests of data sources share: a folder of their own and exact error lines. */
#ifndef TESTS_DATA_SUPPORT_H
#define TESTS_DATA_SUPPORT_H

#include <check.h>
#include <kiln/data.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Makes an empty folder and works in it, so that messages carry bare file names; removed by
 * leave_folder. Unchecked fixtures. */
void enter_folder(void);
void leave_folder(void);

/* Writes a file in the folder. */
void put_file(const char *name, const void *bytes, size_t size);
void put_text(const char *name, const char *content);
void put_gzip(const char *name, const void *bytes, size_t size);

/* The bytes of an IDX file: type code, axes, elements as given. *size is its length. */
unsigned char *make_idx(int code, int rank, const uint32_t *dims, const void *elements,
                        size_t bytes, size_t *size);

/* The last failure has this code and says exactly this; forgets it. */
#define expect_error(CODE, MESSAGE)                                                                \
    do {                                                                                           \
        ck_assert_str_eq(kiln_last_error(), MESSAGE);                                              \
        ck_assert_int_eq(kiln_last_status(), CODE);                                                \
        kiln_clear_error();                                                                        \
    } while (0)

/* $KILN_DATA_DIR/NAME, or NULL (with a line on the output) when there is none. Free with free(). */
char *real_data(const char *name);

/* Runs a suite; what main() returns. */
int run_suite(Suite *suite);

#endif
