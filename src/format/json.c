#include "format/json.h"

#include "base/utf8.h"
#include "layer/layer.h"

#include <math.h>
#include <string.h>

static void add_string(text *out, const char *value)
{
    text_bytes(out, "\"", 1);
    while (*value) {
        size_t n = utf8_next(value);
        if (*value == '"' || *value == '\\')
            text_add(out, "\\%c", *value);
        else if (*value == '\n')
            text_bytes(out, "\\n", 2);
        else if ((unsigned char)*value < 0x20)
            text_add(out, "\\u%04x", *value);
        else if (n == 0)
            text_bytes(out, "\\ufffd", 6); /* a byte that is no text */
        else
            text_bytes(out, value, n);
        value += n ? n : 1;
    }
    text_bytes(out, "\"", 1);
}

static void new_line(json_writer *w)
{
    if (w->indent >= 0)
        text_add(w->out, "\n%*s", w->indent * w->depth, "");
}

/* What stands before a value: comma, line, key. */
static void begin(json_writer *w, const char *key)
{
    if (w->follows)
        text_add(w->out, w->indent >= 0 ? "," : ", ");
    if (w->depth > 0)
        new_line(w);
    w->follows = true;
    if (key) {
        add_string(w->out, key);
        text_bytes(w->out, ": ", 2);
    }
}

void json_write_open(json_writer *w, const char *key, char bracket)
{
    begin(w, key);
    text_add(w->out, "%c", bracket);
    w->depth++;
    w->follows = false;
}

void json_write_close(json_writer *w, char bracket)
{
    w->depth--;
    if (w->follows)
        new_line(w);
    text_add(w->out, "%c", bracket);
    w->follows = true;
}

void json_write_raw(json_writer *w, const char *key, const char *json)
{
    begin(w, key);
    text_bytes(w->out, json, strlen(json));
}

void json_write_string(json_writer *w, const char *key, const char *value)
{
    if (value == NULL) {
        json_write_raw(w, key, "null");
        return;
    }
    begin(w, key);
    add_string(w->out, value);
}

void json_write_integer(json_writer *w, const char *key, long long value)
{
    begin(w, key);
    text_add(w->out, "%lld", value);
}

void json_write_real(json_writer *w, const char *key, double value)
{
    char number[SPEC_NUMBER_ROOM];
    if (!isfinite(value)) {
        json_write_raw(w, key, "null");
        return;
    }
    begin(w, key);
    spec_number_text(value, number);
    text_add(w->out, "%s%s", number, strpbrk(number, ".e") ? "" : ".0");
}

void json_write_bool(json_writer *w, const char *key, bool value)
{
    json_write_raw(w, key, value ? "true" : "false");
}

json_t *json_parse(const char *origin, const char *bytes, size_t count)
{
    json_error_t error;
    json_t *root = json_loadb(bytes, count, JSON_REJECT_DUPLICATES, &error);
    if (root == NULL)
        kiln_fail(KILN_ERROR_FORMAT, "%s is not valid JSON: line %d, column %d: %s", origin,
                  error.line, error.column, error.text);
    return root;
}
