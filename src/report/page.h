/* A page of HTML that needs nothing but itself: light and dark, wide and narrow. */
#ifndef REPORT_PAGE_H
#define REPORT_PAGE_H

#include "base/memory.h"

/* lead: a sentence under the title, or NULL. */
void page_begin(text *out, const char *title, const char *lead);
/* foot: a line at the end. */
void page_end(text *out, const char *foot);

void page_heading(text *out, int level, const char *words); /* 2 or 3 */
void page_paragraph(text *out, const char *words);
void page_code(text *out, const char *words);

/* Two figures side by side where there is room. */
void page_pair_begin(text *out);
void page_pair_end(text *out);

/* A figure, drawn twice: for a wide window, and for a telephone. half: it is one of a pair. */
typedef void (*page_drawing)(text *out, const void *user, double width);
void page_figure(text *out, const char *caption, bool half, page_drawing draw, const void *user);

/* A table. Headings and cells: text; a cell that begins with '\t' is a number, set to the right. A
 * colour of 0 and up puts a spot before the row's first cell. */
void page_table_begin(text *out, const char *const *headings, size_t count);
void page_table_row(text *out, int color, const char *const *cells, size_t count);
void page_table_end(text *out);

#endif
