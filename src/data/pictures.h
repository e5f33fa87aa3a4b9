/* Data sets of pictures: folders of classes, archives of such folders, single files. */
#ifndef DATA_PICTURES_H
#define DATA_PICTURES_H

#include "data/packed.h"
#include "data/picture_list.h"
#include "data/picture_work.h"

typedef struct pictures_request {
    picture_wish wish;     /* its origin is set by the readers */
    int64_t height, width; /* all are brought to it; 0: all have the same */
    int channels;          /* 1, 3 or 4 */
    bool no_channels_axis; /* grey pictures as (height, width) */
    bool skip_unreadable;
} pictures_request;

/* Height, width and channels from what the caller says (image_size, color_mode) and from what a
 * model takes. */
kiln_status pictures_request_size(pictures_request *request, const int64_t image_size[2],
                                  const char *color_mode, kiln_shape model_input);

/* NULL on failure. */
kiln_dataset *pictures_from_folder(const char *path, const pictures_request *request);
/* A .tar, .tar.gz or .zip; also of CIFAR's binary files. */
kiln_dataset *pictures_from_archive(const char *path, const pictures_request *request);
kiln_dataset *pictures_from_memory(const void *bytes, size_t size, const char *name,
                                   const pictures_request *request);
/* Without labels, in this order. */
kiln_dataset *pictures_from_files(size_t count, const char *const *paths,
                                  const pictures_request *request);

/* ---- what the readers share ---- */

typedef struct pictures_reading {
    const pictures_request *request;
    picture_wish wish;
    picture_list list;
    picture_rows rows;
    picture_work *work;           /* NULL until the size is known */
    int64_t height, width, count; /* rows taken */
    char **names;
    size_t class_count;
    double told;            /* when the progress was */
    picture_failure *early; /* failures before the size was known */
    size_t early_count, early_capacity;
} pictures_reading;

/* Decodes an item of the list from these bytes (taken over), or from the file at path (NULL: in an
 * archive). name is for messages. */
kiln_status pictures_take(pictures_reading *r, size_t item, const char *name, void *bytes,
                          size_t size);

/* Notes an item that cannot be unpacked; the failure on record says why. */
kiln_status pictures_note(pictures_reading *r, size_t item);

/* Tells how far the reading is, at most ten times a second; KILN_INTERRUPTED when it is to stop. */
kiln_status pictures_tell(pictures_reading *r, int64_t done, int64_t total);

#endif
