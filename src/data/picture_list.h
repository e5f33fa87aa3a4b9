/* Which pictures a folder or archive holds: their class by the folder they lie in, their part
 * (train/ or test/ above the classes), their order. */
#ifndef DATA_PICTURE_LIST_H
#define DATA_PICTURE_LIST_H

#include "base/memory.h"

#include <kiln/values.h>

typedef enum picture_part { PART_NONE, PART_TRAIN, PART_TEST } picture_part;

typedef struct picture_item {
    char *path;         /* below the root, "train/cat/1.png"; in the list's memory */
    size_t class_start; /* where its class stands in path, once the list is resolved */
    size_t class_length;
    int64_t row; /* where its pixels are; -1: nowhere */
    int32_t label;
    picture_part part;
    bool folder; /* no picture, but maybe a class without any */
    bool failed; /* it could not be read */
} picture_item;

typedef struct picture_list {
    picture_item *items;
    size_t count, capacity;
} picture_list;

/* What is wanted of it. */
typedef struct picture_wish {
    const char *origin; /* for messages */
    bool test;          /* the test part where there are two */
    bool in_archive;    /* folders above all classes are passed over */
    kiln_choice labels; /* KILN_NO: none; KILN_DEFAULT: if there are class folders */
    size_t class_count; /* 0: the folders are the classes */
    const char *const *class_names;
} picture_wish;

/* Is this a picture, or a folder, that counts? Hidden ones and others do not. */
bool picture_list_takes(const char *path, bool folder);

/* The part a path lies in, by a folder train or test above the class. */
picture_part picture_part_of(const char *path);

/* Adds a copy of the path, as it is in the archive or below the folder. */
kiln_status picture_list_add(picture_list *list, const char *path, bool folder);

/* Keeps what is wanted, sorted by class and path, with labels; the number of classes and their
 * names (free with picture_list_free_names); names NULL: no labels. Fails for one class, an empty
 * one, or no picture. */
kiln_status picture_list_resolve(picture_list *list, const picture_wish *wish, char ***names,
                                 size_t *count);
void picture_list_free_names(char **names, size_t count);
void picture_list_free(picture_list *list);

#endif
