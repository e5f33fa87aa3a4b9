/* JSON: a writer, and what readers share.
 *
 * Numbers are written in the shortest form that reads back the same; texts as UTF-8. */
#ifndef FORMAT_JSON_H
#define FORMAT_JSON_H

#include "base/memory.h"

#include <jansson.h>

/* A value being written to a text. */
typedef struct json_writer {
    text *out;
    int indent; /* spaces a level; -1: everything on one line, as Python's json.dumps does it */
    int depth;
    bool follows; /* something stands at this level already */
} json_writer;

/* key NULL: an element of a list, or the whole value. bracket is '{' or '['. */
void json_write_open(json_writer *w, const char *key, char bracket);
void json_write_close(json_writer *w, char bracket);                        /* '}' or ']' */
void json_write_string(json_writer *w, const char *key, const char *value); /* NULL: null */
void json_write_integer(json_writer *w, const char *key, long long value);
void json_write_real(json_writer *w, const char *key, double value); /* not finite: null */
void json_write_bool(json_writer *w, const char *key, bool value);
/* A value that is JSON already. */
void json_write_raw(json_writer *w, const char *key, const char *json);

/* Parses a text; origin is for the message. NULL on failure. Free with json_decref. */
json_t *json_parse(const char *origin, const char *bytes, size_t count);

#endif
