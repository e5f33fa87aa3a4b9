#include "data/csv_comma.h"

#include <ctype.h>
#include <string.h>

enum { MOST_LENGTH = 64 };

/* Leaves the signs between thousands out, and makes the decimal one a point. false: they do not
 * stand where such signs do. */
static bool make_plain(csv_cell cell, char group, char point, char *plain)
{
    const char *in = cell.text;
    size_t digits = 0, first = cell.length && (*in == '-' || *in == '+');
    bool grouped = false, whole = true; /* before the decimal sign */
    for (size_t i = 0; i < cell.length; i++) {
        char c = in[i];
        if (c == group && whole) {
            if (digits < 1 || digits > 3 || (grouped && digits != 3) || in[first] == '0')
                return false;
            grouped = true;
            digits = 0;
            continue;
        }
        if (c == ',' && c != point)
            return false;
        if (!isdigit((unsigned char)c) && i > 0 && whole) {
            whole = false; /* a point or an exponent */
            if (grouped && digits != 3)
                return false;
        }
        digits += isdigit((unsigned char)c) != 0;
        *plain++ = c == point ? '.' : c;
    }
    return !(whole && grouped && digits != 3);
}

csv_comma csv_comma_number(const csv_scan *scan, csv_cell cell, double *value)
{
    char plain[MOST_LENGTH] = "";
    bool decimal = scan->separator == ';';
    if (cell.length >= MOST_LENGTH || memchr(cell.text, ',', cell.length) == NULL ||
        (!decimal && !(scan->separator == ',' && cell.quoted)) ||
        !make_plain(cell, decimal ? '.' : ',', decimal ? ',' : '.', plain) ||
        !csv_number((csv_cell){.text = plain, .length = strlen(plain)}, value))
        return COMMA_NONE;
    return decimal ? COMMA_DECIMAL : COMMA_THOUSANDS;
}
