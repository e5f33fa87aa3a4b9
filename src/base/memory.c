#include "base/memory.h"

#include <stdarg.h>
#include <string.h>

void *mem_new(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size ? size : 1);
    if (p == NULL)
        kiln_fail_memory(size && count > SIZE_MAX / size ? SIZE_MAX : count * size);
    return p;
}

kiln_status mem_grow(void *items, size_t *capacity, size_t need, size_t size)
{
    void **array = items;
    if (need <= *capacity)
        return KILN_OK;
    size_t room = *capacity ? *capacity : 8;
    while (room < need) {
        if (room > SIZE_MAX / 2)
            return kiln_fail_memory(SIZE_MAX);
        room *= 2;
    }
    if (room > SIZE_MAX / size)
        return kiln_fail_memory(SIZE_MAX);
    void *grown = realloc(*array, room * size);
    if (grown == NULL)
        return kiln_fail_memory(room * size);
    *array = grown;
    *capacity = room;
    return KILN_OK;
}

char *str_copy(const char *string)
{
    size_t n = strlen(string) + 1;
    char *copy = mem_new(n, 1);
    if (copy)
        memcpy(copy, string, n);
    return copy;
}

char *str_format(const char *format, ...)
{
    va_list args;
    char *out = NULL;
    va_start(args, format);
    int n = vasprintf(&out, format, args);
    va_end(args);
    if (n < 0) {
        kiln_fail_memory(strlen(format));
        return NULL;
    }
    return out;
}

void text_bytes(text *t, const char *bytes, size_t count)
{
    if (t->failed)
        return;
    if (count > SIZE_MAX / 2 - t->length || mem_grow(&t->data, &t->capacity, t->length + count + 1, 1) != KILN_OK) {
        t->failed = true;
        return;
    }
    memcpy(t->data + t->length, bytes, count);
    t->length += count;
    t->data[t->length] = '\0';
}

void text_add(text *t, const char *format, ...)
{
    va_list args;
    char small[512], *big = NULL;
    va_start(args, format);
    int n = vsnprintf(small, sizeof small, format, args);
    va_end(args);
    if (n < 0) {
        t->failed = true;
    } else if ((size_t)n < sizeof small) {
        text_bytes(t, small, (size_t)n);
    } else {
        va_start(args, format);
        n = vasprintf(&big, format, args);
        va_end(args);
        if (n < 0) {
            t->failed = true;
            kiln_fail_memory(sizeof small);
            return;
        }
        text_bytes(t, big, (size_t)n);
        free(big);
    }
}

void text_free(text *t)
{
    free(t->data);
    *t = (text){0};
}

void text_add_xml(text *out, const char *s, size_t most)
{
    size_t shown = 0;
    for (; *s; s++) {
        bool begins = ((unsigned char)*s & 0xC0) != 0x80;
        if (begins && shown++ == most) {
            text_add(out, "…");
            return;
        }
        if (*s == '<')
            text_add(out, "&lt;");
        else if (*s == '>')
            text_add(out, "&gt;");
        else if (*s == '&')
            text_add(out, "&amp;");
        else if (*s == '"')
            text_add(out, "&quot;");
        else
            text_bytes(out, s, 1);
    }
}
