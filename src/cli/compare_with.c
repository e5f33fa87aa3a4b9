/* kiln compare --with: what other machines printed, beside this one's. */
#include "base/file.h"
#include "cli/compare.h"

#include <string.h>

/* Says on each device which file it comes from, and on devices and runs what the document says of
 * all of them. Those that came from yet another file are marked already. */
static void mark(const json_t *document, const char *path)
{
    json_t *item;
    size_t i;
    json_array_foreach(json_object_get(document, "devices"), i, item)
    {
        if (!json_is_string(json_object_get(item, "file"))) {
            json_object_set_new(item, "file", json_string(path));
            json_object_set(item, "processor", json_object_get(document, "processor"));
        }
    }
    json_array_foreach(json_object_get(document, "runs"), i, item)
    {
        if (json_object_get(item, "seed") == NULL)
            json_object_set(item, "seed", json_object_get(document, "seed"));
    }
}

static kiln_status check(const json_t *document, const char *path)
{
    comparison c = {0};
    kiln_status status = comparison_read(&c, document, path);
    comparison_free(&c);
    return status;
}

static kiln_status read_file(const char *path, json_t *documents)
{
    void *data;
    size_t bytes;
    json_error_t error;
    KILN_TRY(file_read(path, (size_t)1 << 28, &data, &bytes));
    json_t *document = json_loadb(data, bytes, 0, &error);
    free(data);
    if (document == NULL)
        return kiln_fail(KILN_ERROR_FORMAT,
                         "%s: not JSON at line %d: %s; it takes what kiln compare --json prints",
                         path, error.line, error.text);
    kiln_status status = check(document, path);
    if (status == KILN_OK) {
        mark(document, path);
        json_array_append(documents, document);
    }
    json_decref(document);
    return status;
}

kiln_status compare_with_read(const char *files, json_t *documents)
{
    char *path;
    kiln_status status;
    while ((status = compare_next(&files, &path)) == KILN_OK && path) {
        status = read_file(path, documents);
        free(path);
        KILN_TRY(status);
    }
    return status;
}

/* Their numbers of devices follow those that are there. */
static void add_document(json_t *devices, json_t *runs, const json_t *document)
{
    json_int_t before = (json_int_t)json_array_size(devices);
    json_t *item;
    size_t i;
    json_array_extend(devices, json_object_get(document, "devices"));
    json_array_foreach(json_object_get(document, "runs"), i, item)
    {
        json_int_t device = json_integer_value(json_object_get(item, "device"));
        json_object_set_new(item, "device", json_integer(before + device));
        json_array_append(runs, item);
    }
}

void compare_with_add(json_t *document, const json_t *documents)
{
    size_t i;
    json_t *other;
    json_array_foreach((json_t *)(uintptr_t)documents, i, other)
    {
        add_document(json_object_get(document, "devices"), json_object_get(document, "runs"),
                     other);
    }
}
