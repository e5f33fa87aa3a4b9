#include "data/cifar.h"

#include "base/env.h"
#include "base/file.h"
#include "data/picture.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

enum {
    SIDE = 32,
    PLANE = SIDE * SIDE,
    PIXELS = 3 * PLANE,
    PARTS = 5, /* files of CIFAR-10's training part */
    LARGEST = 200 << 20
};

/* The files of one of the two sets, as far as they are wanted. */
typedef struct cifar {
    const char *origin;
    bool hundred, coarse;
    struct blob {
        uint8_t *bytes;
        size_t size;
        char *name;
    } files[PARTS], names;
} cifar;

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* The place of a training file of CIFAR-10, or -1. */
static int batch_number(const char *name)
{
    if (strncmp(name, "data_batch_", 11) != 0 || name[11] < '1' || name[11] > '0' + PARTS ||
        strcmp(name + 12, ".bin") != 0)
        return -1;
    return name[11] - '1';
}

bool cifar_is_member(const char *path)
{
    const char *name = base_name(path);
    return batch_number(name) >= 0 || strcmp(name, "test_batch.bin") == 0 ||
           strcmp(name, "train.bin") == 0 || strcmp(name, "test.bin") == 0;
}

static bool has(const char *folder, const char *name)
{
    char path[4096];
    int n = snprintf(path, sizeof path, "%s/%s", folder, name);
    return n > 0 && (size_t)n < sizeof path && file_exists(path);
}

static bool is_ten(const char *folder)
{
    return has(folder, "data_batch_1.bin") || has(folder, "test_batch.bin");
}

static bool is_hundred(const char *folder)
{
    return has(folder, "train.bin") && has(folder, "test.bin");
}

/* The folder itself or the one that the archive unpacks to. free() it; NULL where there is none. */
static char *find_folder(const char *path)
{
    static const char *const inner[] = {"", "/cifar-10-batches-bin", "/cifar-100-binary"};
    for (size_t i = 0; i < 3; i++) {
        char *folder = str_format("%s%s", path, inner[i]);
        if (folder == NULL || is_ten(folder) || is_hundred(folder))
            return folder;
        free(folder);
    }
    return NULL;
}

bool cifar_is_folder(const char *path)
{
    char *folder = find_folder(path);
    free(folder);
    return folder != NULL;
}

/* Where a file of this name goes; NULL: it is not wanted. */
static struct blob *place(cifar *c, bool test, const char *name)
{
    int number = batch_number(name);
    if (strcmp(name, "train.bin") == 0 || strcmp(name, "test.bin") == 0)
        c->hundred = true;
    if (number >= 0)
        return test ? NULL : &c->files[number];
    if (strcmp(name, "test_batch.bin") == 0 || strcmp(name, "test.bin") == 0)
        return test ? &c->files[0] : NULL;
    if (strcmp(name, "train.bin") == 0)
        return test ? NULL : &c->files[0];
    if (strcmp(name, "batches.meta.txt") == 0 ||
        strcmp(name, c->coarse ? "coarse_label_names.txt" : "fine_label_names.txt") == 0)
        return &c->names;
    return NULL;
}

static kiln_status keep(struct blob *blob, const char *name, void *bytes, size_t size)
{
    free(blob->bytes);
    free(blob->name);
    *blob = (struct blob){.bytes = bytes, .size = size, .name = str_copy(name)};
    return blob->name ? KILN_OK : kiln_last_status();
}

static kiln_status read_folder(cifar *c, const char *path, bool test)
{
    static const char *const ten[] = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                                      "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin",
                                      "batches.meta.txt"};
    static const char *const hundred[] = {"train.bin", "test.bin", "fine_label_names.txt",
                                          "coarse_label_names.txt"};
    char *folder = find_folder(path);
    if (folder == NULL)
        return kiln_fail(KILN_ERROR_FILE, "%s: holds no binary files of CIFAR-10 or CIFAR-100",
                         path);
    bool of_ten = is_ten(folder);
    kiln_status status = KILN_OK;
    for (size_t i = 0; i < (of_ten ? 7 : 4) && status == KILN_OK; i++) {
        const char *name = of_ten ? ten[i] : hundred[i];
        struct blob *blob = place(c, test, name);
        void *bytes;
        size_t size;
        if (blob == NULL || !has(folder, name))
            continue;
        char *full = str_format("%s/%s", folder, name);
        status = full ? file_read(full, LARGEST, &bytes, &size) : kiln_last_status();
        if (status == KILN_OK)
            status = keep(blob, full, bytes, size);
        free(full);
    }
    free(folder);
    return status;
}

static kiln_status read_archive(cifar *c, const char *path, bool test)
{
    packed *p = packed_open(path);
    kiln_status status = p ? KILN_OK : kiln_last_status();
    while (status == KILN_OK) {
        const char *name;
        bool folder;
        void *bytes;
        size_t size;
        status = packed_next(p, &name, &folder);
        if (status != KILN_OK || name == NULL)
            break;
        struct blob *blob = folder ? NULL : place(c, test, base_name(name));
        if (blob == NULL)
            continue;
        char *full = str_format("%s(%s)", path, name);
        status = full ? packed_read(p, &bytes, &size) : kiln_last_status();
        if (status == KILN_OK)
            status = keep(blob, full, bytes, size);
        free(full);
    }
    packed_close(p);
    return status;
}

static size_t record_size(const cifar *c)
{
    return PIXELS + (c->hundred ? 2 : 1);
}

/* Checks the files; how many pictures they hold. */
static kiln_status count(const cifar *c, bool test, int64_t *samples)
{
    size_t record = record_size(c);
    *samples = 0;
    for (int i = 0; i < PARTS; i++) {
        const struct blob *b = &c->files[i];
        if (b->bytes == NULL && i > 0 && (test || c->hundred))
            break;
        if (b->bytes == NULL && (test || c->hundred))
            return kiln_fail(KILN_ERROR_FILE, "%s: the binary file %s is missing", c->origin,
                             !c->hundred ? "test_batch.bin"
                             : test      ? "test.bin"
                                         : "train.bin");
        if (b->bytes == NULL)
            return kiln_fail(KILN_ERROR_FILE, "%s: the binary file data_batch_%d.bin is missing",
                             c->origin, i + 1);
        if (b->size == 0 || b->size % record != 0)
            return kiln_fail(KILN_ERROR_FORMAT,
                             "%s: has %zu bytes, not a multiple of the %zu of one picture with its "
                             "label",
                             b->name, b->size, record);
        *samples += (int64_t)(b->size / record);
    }
    return KILN_OK;
}

/* Planes of red, green and blue to pixels; grey by luma. */
static void interleave(const uint8_t *planes, int channels, uint8_t *out)
{
    for (int i = 0; i < PLANE; i++) {
        int r = planes[i], g = planes[PLANE + i], b = planes[2 * PLANE + i];
        if (channels == 1) {
            *out++ = (uint8_t)((299 * r + 587 * g + 114 * b + 500) / 1000);
            continue;
        }
        *out++ = (uint8_t)r;
        *out++ = (uint8_t)g;
        *out++ = (uint8_t)b;
        if (channels == 4)
            *out++ = 255;
    }
}

static kiln_status convert(const cifar *c, const pictures_request *request, picture_rows *rows,
                           int64_t height, int64_t width, int classes, int32_t *labels)
{
    size_t record = record_size(c);
    uint8_t pixels[4 * PLANE];
    picture p = {SIDE, SIDE, request->channels, pixels};
    uint8_t *to = rows->base;
    for (int i = 0; i < PARTS && c->files[i].bytes; i++) {
        const struct blob *b = &c->files[i];
        for (size_t at = 0; at < b->size; at += record) {
            const uint8_t *one = b->bytes + at;
            int label = one[c->hundred && !c->coarse];
            if (label >= classes)
                return kiln_fail(KILN_ERROR_FORMAT,
                                 "%s: picture %zu has the label %d of %d classes", b->name,
                                 at / record, label, classes);
            interleave(one + record - PIXELS, request->channels, pixels);
            KILN_TRY(picture_resize(&p, height, width, to));
            to += rows->row_bytes;
            *labels++ = label;
        }
    }
    return KILN_OK;
}

/* The lines of the file of names, when there are just as many as classes. */
static kiln_status set_names(const cifar *c, kiln_dataset *dataset, int classes)
{
    char *lines =
        c->names.bytes ? str_format("%.*s", (int)c->names.size, (char *)c->names.bytes) : NULL;
    const char *names[100];
    int found = 0;
    if (c->names.bytes == NULL)
        return KILN_OK;
    if (lines == NULL)
        return kiln_last_status();
    char *rest = NULL;
    for (char *line = strtok_r(lines, "\r\n", &rest); line; line = strtok_r(NULL, "\r\n", &rest)) {
        if (found == classes) {
            found++;
            break;
        }
        names[found++] = line;
    }
    kiln_status status =
        found == classes ? dataset_set_class_names(dataset, (size_t)classes, names) : KILN_OK;
    free(lines);
    return status;
}

static kiln_status make(const cifar *c, bool test, const pictures_request *request,
                        picture_rows *rows, kiln_dataset *dataset)
{
    int classes = !c->hundred ? 10 : c->coarse ? 20 : 100;
    int64_t height = request->height > 0 ? request->height : SIDE;
    int64_t width = request->width > 0 ? request->width : SIDE;
    kiln_shape shape = KILN_SHAPE(height, width, request->channels);
    if (request->no_channels_axis && request->channels == 1)
        shape.rank = 2;
    KILN_TRY(count(c, test, &dataset->samples));
    rows->row_bytes = (size_t)kiln_shape_size(shape);
    KILN_TRY(picture_rows_reserve(rows, dataset->samples));
    size_t bytes = (size_t)dataset->samples * sizeof(int32_t);
    int32_t *labels = mem_new((size_t)dataset->samples, sizeof *labels);
    if (labels == NULL)
        return kiln_last_status();
    kiln_status status = convert(c, request, rows, height, width, classes, labels);
    if (status != KILN_OK || request->wish.labels == KILN_NO) {
        free(labels);
        labels = NULL;
    }
    KILN_TRY(status);
    const void *base = rows->base;
    data_block *block = picture_rows_finish(rows, dataset->samples);
    status = block ? dataset_share_input(dataset, NULL, KILN_UINT8, shape, block, base)
                   : kiln_last_status();
    data_block_release(block);
    if (status != KILN_OK) {
        free(labels);
        return status;
    }
    dataset->split_by_class = true;
    if (labels)
        KILN_TRY(dataset_take_target(dataset, NULL, KILN_INT32, (kiln_shape){0}, labels, bytes));
    return labels ? set_names(c, dataset, classes) : KILN_OK;
}

static kiln_dataset *open_set(const char *path, bool test, bool coarse,
                              const pictures_request *request)
{
    struct stat info;
    cifar c = {.origin = path, .coarse = coarse};
    picture_rows rows = {0};
    kiln_dataset *dataset = dataset_new(path);
    if (dataset == NULL)
        return NULL;
    bool folder = stat(path, &info) == 0 && S_ISDIR(info.st_mode);
    kiln_status status = folder ? read_folder(&c, path, test) : read_archive(&c, path, test);
    if (status == KILN_OK)
        status = make(&c, test, request, &rows, dataset);
    for (int i = 0; i < PARTS; i++) {
        free(c.files[i].bytes);
        free(c.files[i].name);
    }
    free(c.names.bytes);
    free(c.names.name);
    picture_rows_free(&rows);
    if (status == KILN_OK)
        return dataset;
    kiln_dataset_free(dataset);
    return NULL;
}

kiln_dataset *cifar_open(const char *path, bool test, const pictures_request *request)
{
    return open_set(path, test, false, request);
}

/* ---- by name ---- */

static kiln_status load(const char *path, const char *set, const char *const *places, bool coarse,
                        kiln_dataset **train, kiln_dataset **test)
{
    static const pictures_request plain = {.channels = 3};
    const char *base = env_get(ENV_DATA_DIR);
    char *found = NULL;
    if (train)
        *train = NULL;
    if (test)
        *test = NULL;
    for (size_t i = 0; path == NULL && base && places[i] && found == NULL; i++) {
        found = str_format("%s/%s", base, places[i]);
        if (found == NULL)
            return kiln_last_status();
        if (!file_exists(found)) {
            free(found);
            found = NULL;
        }
    }
    if (path == NULL && found == NULL)
        return kiln_fail(KILN_ERROR_FILE,
                         "%s: is not in $KILN_DATA_DIR; name the folder of its binary files, or "
                         "put %s there",
                         set, places[0]);
    const char *from = path ? path : found;
    kiln_dataset *first = train ? open_set(from, false, coarse, &plain) : NULL;
    kiln_dataset *second =
        test && (first || train == NULL) ? open_set(from, true, coarse, &plain) : NULL;
    free(found);
    if ((train && first == NULL) || (test && second == NULL)) {
        kiln_dataset_free(first);
        return kiln_last_status();
    }
    if (train)
        *train = first;
    if (test)
        *test = second;
    return KILN_OK;
}

kiln_status kiln_datasets_cifar10_load(const char *path, kiln_dataset **train, kiln_dataset **test)
{
    static const char *const places[] = {"cifar-10-binary.tar.gz", "cifar-10-batches-bin",
                                         "cifar10", NULL};
    return load(path, "CIFAR-10", places, false, train, test);
}

kiln_status kiln_datasets_cifar100_load(const char *path, const char *label_mode,
                                        kiln_dataset **train, kiln_dataset **test)
{
    static const char *const places[] = {"cifar-100-binary.tar.gz", "cifar-100-binary", "cifar100",
                                         NULL};
    bool coarse = label_mode && strcmp(label_mode, "coarse") == 0;
    if (label_mode && !coarse && strcmp(label_mode, "fine") != 0)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "the label mode '%s' is unknown; there are fine and coarse", label_mode);
    return load(path, "CIFAR-100", places, coarse, train, test);
}
