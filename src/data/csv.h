/* Tables of numbers with a label column, from CSV or TSV text. */
#ifndef DATA_CSV_H
#define DATA_CSV_H

#include "data/dataset.h"

/* Every column but the label becomes one float32 input of shape (features). The label becomes an
 * int32 target with class names when it is text, or integers of which there are few; a float32
 * target when it is other numbers. See kiln_dataset_args for the arguments; part is not used. NULL
 * on failure. */
kiln_dataset *csv_read(const char *path, const kiln_dataset_args *args);

/* The same from memory, which is changed. name is for messages. */
kiln_dataset *csv_parse(const char *name, char *content, size_t size,
                        const kiln_dataset_args *args);

/* Integer labels of more values than this are a quantity, not classes. */
#define CSV_MOST_CLASSES 100

#endif
