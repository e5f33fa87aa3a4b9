#include "report/escape.h"

#include "base/utf8.h"

/* Bytes of the character at s, 1 for one that is none or means nothing here; *good says which. */
static size_t character(const char *s, bool *good)
{
    size_t n = utf8_next(s);
    *good = n > 0 && ((unsigned char)*s >= 0x20 || *s == '\n' || *s == '\t') && *s != 0x7f;
    return n ? n : 1;
}

static void add_character(text *out, const char *s, size_t n, bool good)
{
    if (!good)
        text_add(out, "?");
    else if (*s == '<')
        text_add(out, "&lt;");
    else if (*s == '>')
        text_add(out, "&gt;");
    else if (*s == '&')
        text_add(out, "&amp;");
    else if (*s == '"')
        text_add(out, "&quot;");
    else
        text_bytes(out, s, n);
}

void escape_add(text *out, const char *s)
{
    escape_add_short(out, s, SIZE_MAX);
}

void escape_add_short(text *out, const char *s, size_t most)
{
    size_t length = 0, count = 0;
    bool good;
    for (const char *at = s; *at; at += character(at, &good))
        length++;
    for (const char *at = s; *at; count++) {
        size_t n = character(at, &good);
        if (length > most && count + 1 == most) {
            text_add(out, "\u2026");
            return;
        }
        add_character(out, at, n, good);
        at += n;
    }
}
