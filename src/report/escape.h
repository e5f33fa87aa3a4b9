/* Text in HTML and SVG. */
#ifndef REPORT_ESCAPE_H
#define REPORT_ESCAPE_H

#include "base/memory.h"

/* Appends s so that it stands for itself, between tags and inside of quoted attributes. Bytes that
 * are no UTF-8 and control characters become a question mark. */
void escape_add(text *out, const char *s);

/* The first `most` characters of s (not bytes), with an ellipsis where it was longer. */
void escape_add_short(text *out, const char *s, size_t most);

#endif
