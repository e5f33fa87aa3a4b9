/* kiln-hdf5: parses the HDF5 file on its standard input and writes what is in it to its standard
 * output (format/hdf5_stream.h). Kiln starts it for each file, since libhdf5 may crash or loop on a
 * malformed one. kiln-hdf5 SIZE MEMORY OUTPUT SECONDS: the file's bytes; the most bytes of memory
 * and of output, and the most seconds, that it may take.
 *
 * Nothing but that one file is read: links to other files, external storage, virtual data sets and
 * filters from plugins are refused. */
#include "format/hdf5_stream.h"

#include <hdf5.h>

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define MAX_OBJECTS 1000000
#define MAX_DEPTH 64
#define MAX_TEXTS 1000000

static uint64_t budget; /* bytes of output left */
static size_t objects;

/* ---- output ---- */

static void refuse(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

static void put(const void *bytes, size_t count)
{
    if (count && fwrite(bytes, 1, count, stdout) != count)
        exit(4);
}

static void put_record(hdf5_record head, const uint64_t *dims, const char *name, const void *data)
{
    uint64_t bytes = sizeof head + head.rank * sizeof *dims + head.name_bytes + head.data_bytes;
    if (bytes > budget)
        refuse("it holds far more than a file of its size should");
    budget -= bytes;
    head.version = HDF5_STREAM_VERSION;
    put(&head, sizeof head);
    put(dims, head.rank * sizeof *dims);
    put(name, head.name_bytes);
    put(data, head.data_bytes);
}

/* Ends the program with a sentence for the reader. */
static void refuse(const char *format, ...)
{
    char message[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    budget += sizeof message + sizeof(hdf5_record);
    put_record((hdf5_record){.kind = HDF5_RECORD_ERROR, .data_bytes = strlen(message)}, NULL, "",
               message);
    fflush(stdout);
    _exit(0);
}

static void *room(size_t count, size_t size)
{
    void *made = size && count > SIZE_MAX / 2 / size ? NULL : calloc(count ? count : 1, size);
    if (made == NULL)
        refuse("it takes more memory than it may");
    return made;
}

static void put_other(const char *path, const char *what)
{
    put_record((hdf5_record){.kind = HDF5_RECORD_DATA,
                             .type = HDF5_TYPE_OTHER,
                             .name_bytes = (uint32_t)strlen(path),
                             .data_bytes = strlen(what)},
               NULL, path, what);
}

/* ---- attributes: texts ---- */

/* The texts of an attribute, each ended by a zero byte, in *bytes. false: it has none. */
static bool read_texts(hid_t attribute, hid_t type, size_t count, char **bytes, size_t *size)
{
    char **texts = NULL, *fixed = NULL, *out;
    size_t width = H5Tget_size(type), used = 0;
    bool variable = H5Tis_variable_str(type) > 0;
    hid_t memory = H5Tcopy(H5T_C_S1);
    H5Tset_cset(memory, H5Tget_cset(type));
    if (variable) {
        texts = room(count, sizeof *texts);
        H5Tset_size(memory, H5T_VARIABLE);
    } else {
        if (width == 0 || width > ((size_t)1 << 30))
            refuse("an attribute has texts of %zu bytes", width);
        fixed = room(count, width + 1);
        H5Tset_size(memory, width + 1);
        H5Tset_strpad(memory, H5T_STR_NULLTERM);
    }
    bool read = H5Aread(attribute, memory, variable ? (void *)texts : fixed) >= 0;
    H5Tclose(memory);
    if (!read) {
        free(texts), free(fixed);
        return false;
    }
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        total +=
            (variable ? texts[i] ? strlen(texts[i]) : 0 : strnlen(fixed + i * (width + 1), width)) +
            1;
    if (total > budget)
        refuse("its attributes take more than they may");
    out = room(total, 1);
    for (size_t i = 0; i < count; i++) {
        const char *from = variable ? texts[i] ? texts[i] : "" : fixed + i * (width + 1);
        size_t length = variable ? strlen(from) : strnlen(from, width);
        memcpy(out + used, from, length);
        used += length + 1;
    }
    free(texts), free(fixed); /* the texts themselves go with the process */
    *bytes = out;
    *size = used;
    return true;
}

typedef struct place {
    const char *path;
    bool bfloat16; /* an attribute "dtype" says so */
} place;

static herr_t visit_attribute(hid_t object, const char *name, const H5A_info_t *about, void *user)
{
    place *at = user;
    char joined[2 * HDF5_MAX_NAME + 2], *bytes;
    size_t size;
    (void)about;
    hid_t attribute = H5Aopen(object, name, H5P_DEFAULT);
    if (attribute < 0)
        refuse("attribute \"%.200s\" of \"%.300s\" cannot be read", name, at->path);
    hid_t type = H5Aget_type(attribute), space = H5Aget_space(attribute);
    hssize_t count = H5Sget_simple_extent_npoints(space);
    if (count < 0 || count > MAX_TEXTS)
        refuse("attribute \"%.200s\" of \"%.300s\" has more values than it may", name, at->path);
    if (type >= 0 && H5Tget_class(type) == H5T_STRING && strlen(name) <= HDF5_MAX_NAME &&
        read_texts(attribute, type, (size_t)count, &bytes, &size)) {
        size_t length = strlen(at->path);
        memcpy(joined, at->path, length + 1);
        strcpy(joined + length + 1, name);
        uint64_t dims[1] = {(uint64_t)count};
        put_record((hdf5_record){.kind = HDF5_RECORD_TEXTS,
                                 .type = HDF5_TYPE_TEXT,
                                 .rank = 1,
                                 .name_bytes = (uint32_t)(length + 1 + strlen(name)),
                                 .data_bytes = size},
                   dims, joined, bytes);
        if (strcmp(name, "dtype") == 0 && count == 1 && strcmp(bytes, "bfloat16") == 0)
            at->bfloat16 = true;
        free(bytes);
    }
    H5Sclose(space);
    H5Tclose(type);
    H5Aclose(attribute);
    return 0;
}

/* ---- data sets ---- */

/* What is stored elsewhere or by a filter of somebody else's is not read. */
static const char *check_storage(hid_t data, uint64_t bytes)
{
    hid_t list = H5Dget_create_plist(data);
    const char *reason = NULL;
    if (list < 0)
        return "data that cannot be read";
    H5D_layout_t layout = H5Pget_layout(list);
    if (layout == H5D_VIRTUAL || H5Pget_external_count(list) > 0)
        reason = "data that lie in another file";
    int filters = H5Pget_nfilters(list);
    for (int i = 0; i < filters && !reason; i++) {
        unsigned flags, config;
        size_t values = 0;
        H5Z_filter_t filter =
            H5Pget_filter2(list, (unsigned)i, &flags, &values, NULL, 0, NULL, &config);
        if (filter != H5Z_FILTER_DEFLATE && filter != H5Z_FILTER_SHUFFLE &&
            filter != H5Z_FILTER_FLETCHER32)
            reason = "data compressed in a way that is not read";
    }
    H5Pclose(list);
    /* deflate makes at most a thousandth of what there was */
    if (!reason && bytes > 4096 && H5Dget_storage_size(data) < bytes / 2000)
        reason = "data that claim to be far larger than what is stored";
    return reason;
}

static void read_whole(hid_t data, hid_t type, void *values, const char *path)
{
    if (H5Dread(data, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0)
        refuse("the data of \"%.300s\" are damaged", path);
}

static void visit_data(hid_t data, place *at)
{
    hsize_t sizes[H5S_MAX_RANK];
    uint64_t dims[HDF5_MAX_RANK], count = 1;
    hid_t type = H5Dget_type(data), space = H5Dget_space(data);
    int rank = H5Sget_simple_extent_ndims(space);
    H5T_class_t class = H5Tget_class(type);
    size_t width = H5Tget_size(type);
    const char *reason = NULL;
    if (rank < 0 || rank > HDF5_MAX_RANK || H5Sget_simple_extent_dims(space, sizes, NULL) != rank ||
        H5Sget_simple_extent_type(space) == H5S_NULL)
        reason = "data without a plain shape";
    for (int i = 0; i < rank && !reason; i++) {
        dims[i] = sizes[i];
        if (sizes[i] && count > UINT64_MAX / 16 / sizes[i])
            reason = "data of a size that cannot be";
        count = reason ? count : count * sizes[i];
    }
    bool brain = class == H5T_OPAQUE && width == 2 && at->bfloat16;
    bool whole = class == H5T_INTEGER || class == H5T_ENUM;
    if (!reason && class != H5T_FLOAT && !whole && !brain)
        reason = class == H5T_STRING     ? "texts"
                 : class == H5T_COMPOUND ? "records"
                                         : "data of a type that is not read";
    if (!reason)
        reason = check_storage(data, count * width);
    size_t element = whole ? sizeof(int64_t) : sizeof(float);
    if (!reason && count > budget / element)
        refuse("\"%.300s\" takes %llu elements, and the file may take no more than a multiple of "
               "its own size",
               at->path, (unsigned long long)count);
    if (reason) {
        put_other(at->path, reason);
    } else {
        hdf5_record head = {.kind = HDF5_RECORD_DATA,
                            .type = whole ? HDF5_TYPE_INTEGER : HDF5_TYPE_FLOAT,
                            .rank = (uint8_t)rank,
                            .name_bytes = (uint32_t)strlen(at->path),
                            .data_bytes = count * element};
        void *values = room((size_t)count, element);
        if (brain) {
            uint16_t *halves = room((size_t)count, sizeof *halves);
            hid_t opaque = H5Tcopy(type);
            read_whole(data, opaque, halves, at->path);
            H5Tclose(opaque);
            for (size_t i = 0; i < count; i++)
                ((uint32_t *)values)[i] = (uint32_t)halves[i] << 16;
            free(halves);
        } else if (class == H5T_ENUM) { /* how h5py stores truth values */
            hid_t base = H5Tget_super(type);
            hid_t narrow = H5Tget_size(base) == 1 ? H5Tcopy(type) : -1;
            uint8_t *bytes = room((size_t)count, 1);
            if (narrow < 0)
                refuse("\"%.300s\" has values of a type that is not read", at->path);
            read_whole(data, narrow, bytes, at->path);
            for (size_t i = 0; i < count; i++)
                ((int64_t *)values)[i] = bytes[i];
            H5Tclose(narrow);
            H5Tclose(base);
            free(bytes);
        } else {
            read_whole(data, whole ? H5T_NATIVE_INT64 : H5T_NATIVE_FLOAT, values, at->path);
        }
        put_record(head, dims, at->path, values);
        free(values);
    }
    H5Sclose(space);
    H5Tclose(type);
}

/* ---- groups ---- */

static void visit_object(hid_t object, const char *path, int depth);

typedef struct names {
    char **items;
    size_t count, capacity;
} names;

static herr_t list_name(hid_t group, const char *name, const H5L_info_t *about, void *user)
{
    names *list = user;
    (void)group;
    if (about->type != H5L_TYPE_HARD)
        refuse("\"%.300s\" is a link to another place, which is not followed", name);
    if (list->count >= MAX_OBJECTS)
        refuse("it has more than %d objects", MAX_OBJECTS);
    if (list->count == list->capacity) {
        list->capacity = 2 * list->capacity + 64;
        list->items = realloc(list->items, list->capacity * sizeof *list->items);
        if (list->items == NULL)
            refuse("it takes more memory than it may");
    }
    list->items[list->count] = strdup(name);
    if (list->items[list->count++] == NULL)
        refuse("it takes more memory than it may");
    return 0;
}

static void visit_group(hid_t group, const char *path, int depth)
{
    names list = {0};
    if (depth > MAX_DEPTH)
        refuse("its groups lie more than %d deep", MAX_DEPTH);
    if (H5Literate(group, H5_INDEX_NAME, H5_ITER_INC, NULL, list_name, &list) < 0)
        refuse("group \"%.300s\" cannot be read", path);
    for (size_t i = 0; i < list.count; i++) {
        char *inner = room(strlen(path) + strlen(list.items[i]) + 2, 1);
        sprintf(inner, "%s%s%s", path, *path ? "/" : "", list.items[i]);
        if (strlen(inner) > HDF5_MAX_NAME)
            refuse("an object's name has more than %d bytes", HDF5_MAX_NAME);
        hid_t object = H5Oopen(group, list.items[i], H5P_DEFAULT);
        if (object < 0)
            refuse("\"%.300s\" cannot be opened", inner);
        visit_object(object, inner, depth + 1);
        H5Oclose(object);
        free(inner);
        free(list.items[i]);
    }
    free(list.items);
}

static void visit_object(hid_t object, const char *path, int depth)
{
    place at = {.path = path};
    if (++objects > MAX_OBJECTS)
        refuse("it has more than %d objects", MAX_OBJECTS);
    H5I_type_t kind = H5Iget_type(object);
    if (H5Aiterate2(object, H5_INDEX_NAME, H5_ITER_INC, NULL, visit_attribute, &at) < 0)
        refuse("the attributes of \"%.300s\" cannot be read", path);
    if (kind == H5I_GROUP || kind == H5I_FILE)
        visit_group(object, path, depth);
    else if (kind == H5I_DATASET)
        visit_data(object, &at);
    else
        put_other(path, "neither a group nor data");
}

/* ---- the file ---- */

/* libhdf5 works on the bytes where they are: each copy that it would make of them is the same. */
static void *image_malloc(size_t size, H5FD_file_image_op_t op, void *image)
{
    (void)size, (void)op;
    return image;
}

static void *image_memcpy(void *to, const void *from, size_t size, H5FD_file_image_op_t op,
                          void *image)
{
    (void)from, (void)size, (void)op, (void)image;
    return to;
}

static void *image_realloc(void *at, size_t size, H5FD_file_image_op_t op, void *image)
{
    (void)at, (void)size, (void)op, (void)image;
    return NULL; /* nothing is written */
}

static herr_t image_free(void *at, H5FD_file_image_op_t op, void *image)
{
    (void)at, (void)op, (void)image;
    return 0;
}

static void *image_copy(void *image)
{
    return image;
}

static herr_t image_forget(void *image)
{
    (void)image;
    return 0;
}

static void *read_input(size_t size)
{
    char *bytes = room(size, 1);
    for (size_t done = 0; done < size;) {
        ssize_t n = read(STDIN_FILENO, bytes + done, size - done);
        if (n <= 0)
            exit(5);
        done += (size_t)n;
    }
    return bytes;
}

static hid_t open_file(size_t size)
{
    void *bytes = read_input(size);
    H5FD_file_image_callbacks_t callbacks = {image_malloc, image_memcpy, image_realloc, image_free,
                                             image_copy,   image_forget, bytes};
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    if (access < 0 || H5Pset_fapl_core(access, (size_t)1 << 20, 0) < 0 ||
        H5Pset_file_image_callbacks(access, &callbacks) < 0 ||
        H5Pset_file_image(access, bytes, size) < 0)
        refuse("libhdf5 cannot read files in memory");
    /* A name that no file can have: libhdf5 takes no image of one that is there. */
    return H5Fopen("/dev/null/image", H5F_ACC_RDONLY, access);
}

/* ---- limits ---- */

static void limit(int what, uint64_t value)
{
    struct rlimit given;
    if (getrlimit(what, &given) != 0)
        return;
    if (given.rlim_max == RLIM_INFINITY || given.rlim_max > value)
        given.rlim_max = value;
    given.rlim_cur = given.rlim_max;
    setrlimit(what, &given);
}

static void limit_all(uint64_t memory, uint64_t seconds)
{
#if !defined(__SANITIZE_ADDRESS__)
#if defined(__has_feature)
#if !__has_feature(address_sanitizer)
    limit(RLIMIT_AS, memory);
#endif
#else
    limit(RLIMIT_AS, memory);
#endif
#endif
    (void)memory;
    limit(RLIMIT_CPU, seconds);
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_FSIZE, 0); /* pipes are no files */
    alarm((unsigned)seconds);
}

int main(int count, char **words)
{
    if (count != 5 || isatty(STDIN_FILENO)) {
        fprintf(stderr, "kiln-hdf5 is a part of Kiln, which starts it to read HDF5 files safely\n");
        return 2;
    }
    uint64_t memory = strtoull(words[2], NULL, 10), seconds = strtoull(words[4], NULL, 10);
    budget = strtoull(words[3], NULL, 10);
    for (int file = 3; file < 1024; file++)
        close(file);
    limit_all(memory, seconds);
    unsetenv("HDF5_PLUGIN_PATH");
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    H5PLset_loading_state(0);
    put(HDF5_STREAM_MAGIC, strlen(HDF5_STREAM_MAGIC));
    hid_t file = open_file((size_t)strtoull(words[1], NULL, 10));
    if (file < 0)
        refuse("it is damaged or cut off");
    hid_t root = H5Gopen2(file, "/", H5P_DEFAULT);
    if (root < 0)
        refuse("its root cannot be read");
    visit_object(root, "", 0);
    put_record((hdf5_record){.kind = HDF5_RECORD_END}, NULL, "", NULL);
    if (fflush(stdout) != 0)
        return 4;
    _exit(0); /* nothing of the file is touched any more */
}
