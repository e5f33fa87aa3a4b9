#include "base/utf8.h"

size_t utf8_next(const char *text)
{
    const unsigned char *c = (const unsigned char *)text;
    if (c[0] < 0x80)
        return 1;
    size_t n = c[0] >= 0xC2 && c[0] < 0xE0   ? 2
               : (c[0] & 0xF0) == 0xE0       ? 3
               : c[0] >= 0xF0 && c[0] < 0xF5 ? 4
                                             : 0;
    for (size_t i = 1; i < n; i++)
        if ((c[i] & 0xC0) != 0x80)
            return 0;
    if ((c[0] == 0xE0 && c[1] < 0xA0) || (c[0] == 0xF0 && c[1] < 0x90) || /* longer than needed */
        (c[0] == 0xED && c[1] > 0x9F) ||                                  /* half of a pair */
        (c[0] == 0xF4 && c[1] > 0x8F))                                    /* past the last one */
        return 0;
    return n;
}

bool utf8_valid(const char *text)
{
    while (*text) {
        size_t n = utf8_next(text);
        if (n == 0)
            return false;
        text += n;
    }
    return true;
}
