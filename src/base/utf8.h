/* UTF-8, as far as names and JSON need it. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes of the character that begins at text: 1 to 4, or 0 where no valid one does. The final zero
 * byte is a character of one byte. */
size_t utf8_next(const char *text);

/* Is the whole text valid? */
bool utf8_valid(const char *text);

#endif
