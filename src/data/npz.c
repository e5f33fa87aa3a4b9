/* .npz: a zip archive of .npy files. */
#include "data/npy.h"

#include "base/file.h"

#include <inttypes.h>
#include <string.h>
#include <zip.h>

bool npz_looks_like(const unsigned char *bytes, size_t size)
{
    return size >= 4 && bytes[0] == 'P' && bytes[1] == 'K' &&
           ((bytes[2] == 3 && bytes[3] == 4) || (bytes[2] == 5 && bytes[3] == 6));
}

/* Where a member's bytes come from. */
typedef struct member {
    zip_file_t *file;
    const char *name;
} member;

static kiln_status member_read(void *user, void *into, size_t count)
{
    member *m = user;
    for (size_t done = 0; done < count;) {
        zip_int64_t n = zip_fread(m->file, (char *)into + done, count - done);
        if (n <= 0)
            return kiln_fail(KILN_ERROR_FORMAT, "%s: cannot be unpacked: %s", m->name,
                             n < 0 ? zip_file_strerror(m->file)
                                   : "it is shorter than the archive says");
        done += (size_t)n;
    }
    return KILN_OK;
}

/* libzip checks the sum of a member when it is read past its end. */
static kiln_status member_end(member *m)
{
    char byte;
    zip_int64_t n = zip_fread(m->file, &byte, 1);
    if (n != 0)
        return kiln_fail(KILN_ERROR_FORMAT, "%s: cannot be unpacked: %s", m->name,
                         n < 0 ? zip_file_strerror(m->file) : "it is longer than the archive says");
    return KILN_OK;
}

/* What the directory says about a member must be possible before memory is taken for it. */
static kiln_status check_sizes(const zip_stat_t *info, uint64_t archive_size, const char *name)
{
    bool stored = info->comp_method == ZIP_CM_STORE;
    if (!stored && info->comp_method != ZIP_CM_DEFLATE)
        return kiln_fail(KILN_ERROR_FORMAT,
                         "%s: is packed by method %d; stored and deflated members are read", name,
                         info->comp_method);
    if (info->comp_size > archive_size || (stored && info->size != info->comp_size) ||
        info->size / 1032 > info->comp_size + 64)
        return kiln_fail(KILN_ERROR_FORMAT,
                         "%s: the archive says %" PRIu64 " bytes packed into %" PRIu64
                         ", which cannot be",
                         name, (uint64_t)info->size, (uint64_t)info->comp_size);
    return KILN_OK;
}

static kiln_status read_member(zip_t *archive, zip_uint64_t i, uint64_t archive_size,
                               const char *name, npy_array *array)
{
    zip_stat_t info;
    if (zip_stat_index(archive, i, 0, &info) != 0)
        return kiln_fail(KILN_ERROR_FORMAT, "%s: cannot be found in the archive: %s", name,
                         zip_strerror(archive));
    KILN_TRY(check_sizes(&info, archive_size, name));
    member m = {.file = zip_fopen_index(archive, i, 0), .name = name};
    if (m.file == NULL)
        return kiln_fail(KILN_ERROR_FORMAT, "%s: cannot be unpacked: %s", name,
                         zip_strerror(archive));
    data_reader *reader = reader_open_source(member_read, &m, info.size, name);
    kiln_status status = reader ? npy_read_from(reader, array) : kiln_last_status();
    if (status == KILN_OK) {
        status = member_end(&m);
        if (status != KILN_OK)
            data_array_free(array);
    }
    reader_close(reader);
    zip_fclose(m.file);
    return status;
}

static kiln_status add_member(zip_t *archive, zip_uint64_t i, uint64_t archive_size,
                              const char *file, npy_list *list)
{
    const char *name = zip_get_name(archive, i, 0);
    size_t length = name ? strlen(name) : 0;
    if (length < 4 || strcmp(name + length - 4, ".npy") != 0)
        return kiln_fail(KILN_ERROR_FORMAT,
                         "%s: is a zip archive that holds '%s', which is no .npy array", file,
                         name ? name : "");
    KILN_TRY(MEM_PUSH_ROOM(list));
    char *place = str_format("%s(%s)", file, name);
    char *key = str_copy(name);
    npy_array *array = &list->items[list->count];
    kiln_status status = place && key ? KILN_OK : kiln_last_status();
    if (status == KILN_OK) {
        key[length - 4] = '\0';
        if (data_array_find(list, key))
            status = kiln_fail(KILN_ERROR_FORMAT, "%s: holds '%s' twice", file, key);
    }
    if (status == KILN_OK)
        status = read_member(archive, i, archive_size, place, array);
    if (status == KILN_OK) {
        array->name = key;
        key = NULL;
        list->count++;
    }
    free(place);
    free(key);
    return status;
}

static kiln_status read_archive(zip_source_t *source, uint64_t size, const char *file,
                                npy_list *list)
{
    zip_error_t error;
    if (size == 0) { /* which libzip takes for an archive without members */
        zip_source_free(source);
        return kiln_fail(KILN_ERROR_FORMAT, "%s: is empty", file);
    }
    zip_error_init(&error);
    zip_t *archive = zip_open_from_source(source, ZIP_RDONLY, &error);
    if (archive == NULL) {
        kiln_status status = kiln_fail(
            KILN_ERROR_FORMAT, "%s: cannot be read as a zip archive (%" PRIu64 " bytes): %s", file,
            size, zip_error_strerror(&error));
        zip_error_fini(&error);
        zip_source_free(source);
        return status;
    }
    zip_error_fini(&error);
    kiln_status status = KILN_OK;
    zip_int64_t count = zip_get_num_entries(archive, 0);
    for (zip_int64_t i = 0; i < count && status == KILN_OK; i++)
        status = add_member(archive, (zip_uint64_t)i, size, file, list);
    zip_discard(archive);
    if (status != KILN_OK)
        data_array_list_free(list);
    return status;
}

kiln_status npz_decode(const void *bytes, size_t size, const char *name, npy_list *list)
{
    zip_error_t error;
    *list = (npy_list){0};
    zip_error_init(&error);
    zip_source_t *source = zip_source_buffer_create(bytes, size, 0, &error);
    zip_error_fini(&error);
    if (source == NULL)
        return kiln_fail_memory(size);
    return read_archive(source, size, name, list);
}

kiln_status npz_read(const char *path, npy_list *list)
{
    uint64_t size;
    *list = (npy_list){0};
    /* opening it this way gives one wording for a missing file, a directory and the like */
    data_reader *reader = reader_open(path);
    if (reader == NULL)
        return kiln_last_status();
    size = reader_most(reader);
    reader_close(reader);
    zip_error_t error;
    zip_error_init(&error);
    zip_source_t *source = zip_source_file_create(path, 0, -1, &error);
    zip_error_fini(&error);
    if (source == NULL)
        return kiln_fail(KILN_ERROR_FILE, "%s: cannot be opened", path);
    return read_archive(source, size, path, list);
}

static kiln_status add_array(zip_t *archive, const npy_array *array, bool deflate,
                             char header[NPY_HEADER])
{
    zip_error_t error;
    zip_buffer_fragment_t parts[2] = {
        {.data = (zip_uint8_t *)header, .length = npy_header(array, header)},
        {.data = array->data, .length = array->bytes},
    };
    char *name = str_format("%s.npy", array->name ? array->name : "arr_0");
    if (name == NULL)
        return kiln_last_status();
    zip_error_init(&error);
    zip_source_t *source =
        zip_source_buffer_fragment_create(parts, array->bytes > 0 ? 2 : 1, 0, &error);
    zip_error_fini(&error);
    zip_int64_t at = source ? zip_file_add(archive, name, source, ZIP_FL_ENC_UTF_8) : -1;
    free(name);
    if (at < 0) {
        zip_source_free(source);
        return kiln_fail(KILN_ERROR_FORMAT, "the array '%s' cannot be put into the archive: %s",
                         array->name ? array->name : "arr_0", zip_strerror(archive));
    }
    /* 1980-01-01 00:00, the first moment that zip knows */
    zip_set_file_compression(archive, (zip_uint64_t)at, deflate ? ZIP_CM_DEFLATE : ZIP_CM_STORE, 0);
    zip_file_set_dostime(archive, (zip_uint64_t)at, 0, 1 << 5 | 1, 0);
    return KILN_OK;
}

/* Copies a closed archive out of the source it was written to. */
static kiln_status take_bytes(zip_source_t *source, void **bytes, size_t *size)
{
    zip_stat_t info;
    if (zip_source_stat(source, &info) != 0 || zip_source_open(source) != 0)
        return kiln_fail_memory(0);
    kiln_status status = KILN_OK;
    *size = (size_t)info.size;
    *bytes = malloc(*size ? *size : 1);
    if (*bytes == NULL)
        status = kiln_fail_memory(*size);
    else if (zip_source_read(source, *bytes, *size) != (zip_int64_t)*size)
        status = kiln_fail_memory(*size);
    zip_source_close(source);
    if (status != KILN_OK) {
        free(*bytes);
        *bytes = NULL;
    }
    return status;
}

/* An archive without members is its end record alone; libzip would write nothing. */
static kiln_status encode_nothing(void **bytes, size_t *size)
{
    static const char record[22] = "PK\x05\x06";
    *bytes = mem_new(1, sizeof record);
    if (*bytes == NULL)
        return kiln_last_status();
    memcpy(*bytes, record, sizeof record);
    *size = sizeof record;
    return KILN_OK;
}

kiln_status npz_encode(const npy_array *arrays, size_t count, bool deflate, void **bytes,
                       size_t *size)
{
    zip_error_t error;
    *bytes = NULL;
    *size = 0;
    if (count == 0)
        return encode_nothing(bytes, size);
    char(*headers)[NPY_HEADER] = mem_new(count, NPY_HEADER); /* libzip reads them when it closes */
    if (headers == NULL)
        return kiln_last_status();
    zip_error_init(&error);
    zip_source_t *target = zip_source_buffer_create(NULL, 0, 0, &error);
    zip_t *archive = NULL;
    kiln_status status = KILN_OK;
    if (target) {
        zip_source_keep(target);
        archive = zip_open_from_source(target, ZIP_CREATE | ZIP_TRUNCATE, &error);
        if (archive == NULL)
            zip_source_free(target);
    }
    if (archive == NULL)
        status = kiln_fail_memory(1 << 16);
    for (size_t i = 0; i < count && status == KILN_OK; i++)
        status = add_array(archive, &arrays[i], deflate, headers[i]);
    if (status != KILN_OK) {
        if (archive)
            zip_discard(archive);
    } else if (zip_close(archive) != 0) {
        status = kiln_fail(KILN_ERROR_MEMORY, "the archive of %zu arrays cannot be made: %s", count,
                           zip_strerror(archive));
        zip_discard(archive);
    } else {
        status = take_bytes(target, bytes, size);
    }
    if (target)
        zip_source_free(target);
    zip_error_fini(&error);
    free(headers);
    return status;
}

kiln_status npz_write(const char *path, const npy_array *arrays, size_t count, bool deflate)
{
    void *bytes;
    size_t size;
    KILN_TRY(npz_encode(arrays, count, deflate, &bytes, &size));
    kiln_status status = file_write_atomic(path, bytes, size);
    free(bytes);
    return status;
}
