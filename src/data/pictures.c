/* Pictures on their way from files to rows of a data set. */
#include "data/pictures.h"

#include "base/clock.h"
#include "base/file.h"
#include "data/cifar.h"
#include "data/picture.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

enum { NAMED = 10, DEEPEST_FOLDER = 32 };

static _Thread_local struct {
    kiln_reading_progress function;
    void *user;
} progress;

void kiln_set_reading_progress(kiln_reading_progress function, void *user)
{
    progress.function = function;
    progress.user = user;
}

kiln_status pictures_tell(pictures_reading *r, int64_t done, int64_t total)
{
    if (progress.function == NULL)
        return KILN_OK;
    double now = clock_seconds();
    if (r->told > 0 && now - r->told < 0.1 && done < total)
        return KILN_OK;
    r->told = now;
    if (progress.function(progress.user, r->wish.origin, done, total) != 0)
        return kiln_fail(KILN_INTERRUPTED, "reading %s was stopped", r->wish.origin);
    return KILN_OK;
}

/* ---- the size ---- */

static kiln_status channels_of(const char *mode, int *channels)
{
    if (strcmp(mode, "rgb") == 0)
        *channels = 3;
    else if (strcmp(mode, "grayscale") == 0)
        *channels = 1;
    else if (strcmp(mode, "rgba") == 0)
        *channels = 4;
    else
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "the color mode '%s' is unknown; there are rgb, grayscale and rgba", mode);
    return KILN_OK;
}

kiln_status pictures_request_size(pictures_request *request, const int64_t image_size[2],
                                  const char *color_mode, kiln_shape model_input)
{
    int64_t largest = 1 << 15;
    request->channels = 3;
    if (model_input.rank == 2 || (model_input.rank == 3 && model_input.dims[2] >= 1 &&
                                  model_input.dims[2] <= 4 && model_input.dims[2] != 2)) {
        request->channels = model_input.rank == 2 ? 1 : (int)model_input.dims[2];
        request->no_channels_axis = model_input.rank == 2;
        request->height = model_input.dims[0] > 0 ? model_input.dims[0] : 0;
        request->width = model_input.dims[1] > 0 ? model_input.dims[1] : 0;
    }
    if (color_mode) {
        KILN_TRY(channels_of(color_mode, &request->channels));
        request->no_channels_axis = request->no_channels_axis && request->channels == 1;
    }
    if (image_size && (image_size[0] || image_size[1])) {
        request->height = image_size[0];
        request->width = image_size[1];
        if (request->height <= 0 || request->width <= 0)
            return kiln_fail(KILN_ERROR_ARGUMENT,
                             "the image size %" PRId64 " x %" PRId64 " is no height and width",
                             request->height, request->width);
    }
    if (request->height > largest || request->width > largest)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "the image size %" PRId64 " x %" PRId64 " is too large; %" PRId64
                         " is the most for either side",
                         request->height, request->width, largest);
    if (request->height == 0 || request->width == 0)
        request->height = request->width = 0;
    return KILN_OK;
}

/* ---- decoding ---- */

static kiln_status start(pictures_reading *r, int64_t height, int64_t width)
{
    r->height = height;
    r->width = width;
    r->rows.row_bytes = (size_t)height * (size_t)width * (size_t)r->request->channels;
    r->work =
        picture_work_start(&r->rows, height, width, r->request->channels, r->request->height == 0);
    return r->work ? KILN_OK : kiln_last_status();
}

kiln_status pictures_note(pictures_reading *r, size_t item)
{
    KILN_TRY(mem_grow(&r->early, &r->early_capacity, r->early_count + 1, sizeof *r->early));
    picture_failure failure = {item, kiln_last_status(), str_copy(kiln_last_error())};
    kiln_clear_error();
    if (failure.message == NULL)
        return kiln_fail_memory(0);
    r->early[r->early_count++] = failure;
    return KILN_OK;
}

/* The first picture that has one gives its size to all. False: this one has none. */
static bool find_size(pictures_reading *r, const char *name, const void *bytes, size_t size,
                      int64_t *height, int64_t *width)
{
    void *file = NULL;
    *height = r->request->height;
    *width = r->request->width;
    if (*height > 0)
        return true;
    kiln_status status = KILN_OK;
    if (bytes == NULL)
        status = file_read(name, PACKED_MOST_FILE, &file, &size);
    if (status == KILN_OK)
        status = picture_measure(file ? file : bytes, size, name, height, width);
    free(file);
    return status == KILN_OK;
}

kiln_status pictures_take(pictures_reading *r, size_t item, const char *name, void *bytes,
                          size_t size)
{
    picture_job job = {.item = item, .bytes = bytes, .size = size};
    if (r->work == NULL) {
        int64_t height, width;
        kiln_status status = KILN_OK;
        bool found = find_size(r, name, bytes, size, &height, &width);
        status = found ? start(r, height, width) : pictures_note(r, item);
        if (status != KILN_OK || !found) {
            free(bytes);
            return status;
        }
    }
    kiln_status status = KILN_OK;
    if (r->count == INT32_MAX)
        status = kiln_fail(KILN_ERROR_UNSUPPORTED, "%s: has more than %d pictures", r->wish.origin,
                           INT32_MAX);
    else if (r->count == r->rows.capacity) {
        picture_work_wait(r->work); /* the rows move */
        status = picture_rows_reserve(&r->rows, r->count + 1);
    }
    job.path = status == KILN_OK ? str_copy(name) : NULL;
    if (job.path == NULL) {
        free(bytes);
        return kiln_last_status();
    }
    job.row = r->list.items[item].row = r->count++;
    return picture_work_put(r->work, &job);
}

static kiln_status refuse(const pictures_reading *r, const picture_failure *first, size_t count)
{
    if (count == 1)
        return kiln_fail(first->code,
                         "%s; repair or remove it, or leave out what cannot be read: "
                         "skip_unreadable, --skip-unreadable",
                         first->message);
    return kiln_fail(first->code,
                     "%s: %zu pictures cannot be read, the first of them: %s; repair or remove "
                     "them, or leave them out: skip_unreadable, --skip-unreadable",
                     r->wish.origin, count, first->message);
}

static bool is_unreadable(kiln_status code)
{
    return code == KILN_ERROR_FORMAT || code == KILN_ERROR_FILE;
}

/* What failed: refused, or left out and put on record in the data set. */
static kiln_status settle(pictures_reading *r, const picture_failure *failures, size_t count,
                          text *why, size_t *skipped)
{
    size_t bad = 0;
    const picture_failure *first = NULL;
    for (size_t i = 0; i < count; i++) {
        if (!is_unreadable(failures[i].code))
            return kiln_fail(failures[i].code, "%s", failures[i].message);
        r->list.items[failures[i].item].failed = true;
        if (first == NULL || failures[i].item < first->item)
            first = &failures[i];
        if (*skipped + bad < NAMED)
            text_add(why, "%s\n", failures[i].message);
        bad++;
    }
    *skipped += bad;
    if (bad > 0 && !r->request->skip_unreadable)
        return refuse(r, first, bad);
    return KILN_OK;
}

/* Rows in the order of the list, without those that failed. */
static kiln_status arrange(pictures_reading *r)
{
    size_t kept = 0;
    for (size_t i = 0; i < r->list.count; i++) {
        if (r->list.items[i].failed || r->list.items[i].row < 0)
            free(r->list.items[i].path);
        else
            r->list.items[kept++] = r->list.items[i];
    }
    r->list.count = kept;
    if (kept == 0)
        return kiln_fail(KILN_ERROR_FORMAT, "%s: none of its pictures can be read", r->wish.origin);
    int64_t *from = mem_new(kept, sizeof *from);
    if (from == NULL)
        return kiln_last_status();
    for (size_t i = 0; i < kept; i++)
        from[i] = r->list.items[i].row;
    kiln_status status = picture_rows_arrange(&r->rows, (int64_t)kept, from, r->count);
    free(from);
    return status;
}

static kiln_status fill(pictures_reading *r, kiln_dataset *dataset)
{
    kiln_shape shape = KILN_SHAPE(r->height, r->width, r->request->channels);
    if (r->request->no_channels_axis && r->request->channels == 1)
        shape.rank = 2;
    size_t count = r->list.count;
    dataset->samples = (int64_t)count;
    dataset->split_by_class = true;
    const void *base = r->rows.base;
    data_block *block = picture_rows_finish(&r->rows, (int64_t)count);
    if (block == NULL)
        return kiln_last_status();
    kiln_status status = dataset_share_input(dataset, NULL, KILN_UINT8, shape, block, base);
    data_block_release(block);
    KILN_TRY(status);
    if (r->names == NULL)
        return KILN_OK;
    int32_t *labels = mem_new(count, sizeof *labels);
    for (size_t i = 0; labels && i < count; i++)
        labels[i] = r->list.items[i].label;
    KILN_TRY(dataset_take_target(dataset, NULL, KILN_INT32, (kiln_shape){0}, labels,
                                 count * sizeof *labels));
    return dataset_set_class_names(dataset, r->class_count, (const char *const *)r->names);
}

/* The data set, when everything was read. resolved: the list is sorted already. */
static kiln_status finish(pictures_reading *r, bool resolved, kiln_dataset **out)
{
    const picture_failure *failures = NULL;
    size_t count = 0, skipped = 0;
    text why = {0};
    kiln_status status = settle(r, r->early, r->early_count, &why, &skipped);
    if (status == KILN_OK && r->work) {
        picture_work_wait(r->work);
        status = picture_work_failures(r->work, &failures, &count);
        if (status == KILN_OK)
            status = settle(r, failures, count, &why, &skipped);
    }
    if (status == KILN_OK && !resolved)
        status = picture_list_resolve(&r->list, &r->wish, &r->names, &r->class_count);
    if (status == KILN_OK)
        status = arrange(r);
    kiln_dataset *dataset = status == KILN_OK ? dataset_new(r->wish.origin) : NULL;
    if (status == KILN_OK)
        status = dataset ? fill(r, dataset) : kiln_last_status();
    if (status == KILN_OK) {
        dataset->skipped = (int64_t)skipped;
        dataset->skipped_why = why.data;
        why = (text){0};
        *out = dataset;
    } else {
        kiln_dataset_free(dataset);
    }
    text_free(&why);
    return status;
}

static void close_reading(pictures_reading *r)
{
    picture_work_end(r->work);
    picture_rows_free(&r->rows);
    picture_list_free(&r->list);
    picture_list_free_names(r->names, r->class_count);
    for (size_t i = 0; i < r->early_count; i++)
        free(r->early[i].message);
    free(r->early);
}

static pictures_reading begin(const char *origin, const pictures_request *request)
{
    pictures_reading r = {.request = request, .wish = request->wish};
    r.wish.origin = origin;
    return r;
}

/* ---- folders ---- */

static kiln_status walk(pictures_reading *r, const char *root, const char *below, int depth)
{
    char *folder = *below ? str_format("%s/%s", root, below) : str_copy(root);
    if (folder == NULL)
        return kiln_last_status();
    DIR *directory = depth <= DEEPEST_FOLDER ? opendir(folder) : NULL;
    kiln_status status = KILN_OK;
    if (depth > DEEPEST_FOLDER)
        status = kiln_fail(KILN_ERROR_FILE, "%s: lies %d folders deep", folder, depth);
    else if (directory == NULL)
        status = kiln_fail(KILN_ERROR_FILE, "%s: cannot be opened: %s", folder, strerror(errno));
    for (struct dirent *entry; directory && status == KILN_OK && (entry = readdir(directory));) {
        if (entry->d_name[0] == '.')
            continue;
        char *path = *below ? str_format("%s/%s", below, entry->d_name) : str_copy(entry->d_name);
        char *full = path ? str_format("%s/%s", root, path) : NULL;
        struct stat info;
        bool there = full && stat(full, &info) == 0; /* a link that leads nowhere is a picture that
                                                        cannot be read */
        bool inner = there && S_ISDIR(info.st_mode);
        if (full == NULL)
            status = kiln_last_status();
        else if (picture_list_takes(path, inner))
            status = picture_list_add(&r->list, path, inner);
        if (status == KILN_OK && inner && picture_list_takes(path, true))
            status = walk(r, root, path, depth + 1);
        free(path);
        free(full);
    }
    if (directory)
        closedir(directory);
    free(folder);
    return status;
}

static kiln_status read_files(pictures_reading *r, const char *root)
{
    for (size_t i = 0; i < r->list.count; i++) {
        char *path = root ? str_format("%s/%s", root, r->list.items[i].path)
                          : str_copy(r->list.items[i].path);
        kiln_status status = path ? pictures_take(r, i, path, NULL, 0) : kiln_last_status();
        free(path);
        KILN_TRY(status);
        KILN_TRY(pictures_tell(r, (int64_t)i + 1, (int64_t)r->list.count));
    }
    return KILN_OK;
}

kiln_dataset *pictures_from_folder(const char *path, const pictures_request *request)
{
    kiln_dataset *dataset = NULL;
    if (cifar_is_folder(path))
        return cifar_open(path, request->wish.test, request);
    pictures_reading r = begin(path, request);
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/')
        length--;
    char *root = str_format("%.*s", (int)length, path);
    kiln_status status = root ? walk(&r, root, "", 0) : kiln_last_status();
    if (status == KILN_OK)
        status = picture_list_resolve(&r.list, &r.wish, &r.names, &r.class_count);
    if (status == KILN_OK && request->height > 0) /* the size is known: all room at once */
        status = start(&r, request->height, request->width);
    if (status == KILN_OK && r.work)
        status = picture_rows_reserve(&r.rows, (int64_t)r.list.count);
    if (status == KILN_OK)
        status = read_files(&r, root);
    if (status == KILN_OK)
        finish(&r, true, &dataset);
    close_reading(&r);
    free(root);
    return dataset;
}

/* The paths leave the list. */
static kiln_status name_samples(pictures_reading *r, kiln_dataset *dataset)
{
    dataset->sample_names = mem_new(r->list.count, sizeof *dataset->sample_names);
    if (dataset->sample_names == NULL)
        return kiln_last_status();
    for (size_t i = 0; i < r->list.count; i++) {
        dataset->sample_names[i] = r->list.items[i].path;
        r->list.items[i].path = NULL;
    }
    return KILN_OK;
}

kiln_dataset *pictures_from_files(size_t count, const char *const *paths,
                                  const pictures_request *request)
{
    kiln_dataset *dataset = NULL;
    pictures_reading r = begin(count == 1 ? paths[0] : "the pictures", request);
    kiln_status status = KILN_OK;
    for (size_t i = 0; i < count && status == KILN_OK; i++)
        status = picture_list_add(&r.list, paths[i], false);
    if (status == KILN_OK)
        status = read_files(&r, NULL);
    if (status == KILN_OK && finish(&r, true, &dataset) == KILN_OK &&
        name_samples(&r, dataset) != KILN_OK) {
        kiln_dataset_free(dataset);
        dataset = NULL;
    }
    close_reading(&r);
    return dataset;
}

/* ---- archives ---- */

/* One file of an archive. *cifar: it is one of CIFAR's. */
static kiln_status read_member(pictures_reading *r, packed *p, const char *path, bool folder,
                               bool *cifar)
{
    *cifar = !folder && r->work == NULL && r->early_count == 0 && cifar_is_member(path);
    if (*cifar || !picture_list_takes(path, folder))
        return KILN_OK;
    KILN_TRY(picture_list_add(&r->list, path, folder));
    size_t item = r->list.count - 1;
    picture_part part = picture_part_of(path);
    if (folder || (part != PART_NONE && (part == PART_TEST) != r->wish.test))
        return KILN_OK;
    void *bytes;
    size_t size;
    kiln_status status = packed_read(p, &bytes, &size);
    if (status == KILN_ERROR_FORMAT && !packed_broken(p))
        return pictures_note(r, item);
    KILN_TRY(status);
    char *name = str_format("%s(%s)", r->wish.origin, path);
    if (name == NULL) {
        free(bytes);
        return kiln_last_status();
    }
    status = pictures_take(r, item, name, bytes, size);
    free(name);
    return status;
}

static kiln_status read_members(pictures_reading *r, packed *p, bool *cifar)
{
    for (;;) {
        const char *path;
        bool folder;
        KILN_TRY(packed_next(p, &path, &folder));
        if (path == NULL)
            break;
        KILN_TRY(read_member(r, p, path, folder, cifar));
        if (*cifar)
            return KILN_OK;
        int64_t done, total;
        packed_position(p, &done, &total);
        KILN_TRY(pictures_tell(r, done < total ? done : total - 1, total));
    }
    return pictures_tell(r, 1, 1);
}

static kiln_dataset *from_packed(packed *p, const char *name, const pictures_request *request,
                                 bool *cifar)
{
    kiln_dataset *dataset = NULL;
    *cifar = false;
    if (p == NULL)
        return NULL;
    pictures_reading r = begin(name, request);
    r.wish.in_archive = true;
    kiln_status status = read_members(&r, p, cifar);
    packed_close(p);
    if (status == KILN_OK && !*cifar)
        finish(&r, false, &dataset);
    close_reading(&r);
    return dataset;
}

kiln_dataset *pictures_from_archive(const char *path, const pictures_request *request)
{
    bool cifar;
    kiln_dataset *dataset = from_packed(packed_open(path), path, request, &cifar);
    return cifar ? cifar_open(path, request->wish.test, request) : dataset;
}

kiln_dataset *pictures_from_memory(const void *bytes, size_t size, const char *name,
                                   const pictures_request *request)
{
    bool cifar;
    kiln_dataset *dataset =
        from_packed(packed_open_memory(bytes, size, name), name, request, &cifar);
    if (cifar)
        kiln_fail(KILN_ERROR_UNSUPPORTED, "%s: CIFAR's files are read from a path", name);
    return dataset;
}
