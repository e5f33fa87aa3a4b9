#include "data/csv_scan.h"

#include <inttypes.h>
#include <locale.h>
#include <string.h>

/* Counts the cells of a record without changing it, and moves *at behind it. */
static size_t count_cells(const char **at, const char *end, char separator)
{
    size_t cells = 1;
    bool blank = true;      /* nothing but blanks in this cell so far */
    bool in_quotes = false; /* this cell began with a quote: each further one toggles */
    bool open = false;
    const char *p = *at;
    for (; p < end; p++) {
        if (*p == '"' && (blank || in_quotes)) {
            open = !open;
            in_quotes = true;
            blank = false;
        } else if (open) {
            continue;
        } else if (*p == '\n' || *p == '\r') {
            break;
        } else if (*p == separator) {
            cells++;
            blank = true;
            in_quotes = false;
        } else if (*p != ' ' && blank) {
            blank = false;
            in_quotes = false;
        }
    }
    while (p < end && (*p == '\n' || *p == '\r'))
        p++;
    *at = p;
    return cells;
}

/* Has each comma a digit on both sides, as in "12,5"? */
static bool commas_are_decimal(const char *start, const char *end)
{
    for (const char *p = start; p < end; p++)
        if (*p == ',' &&
            (p == start || p + 1 == end || p[-1] < '0' || p[-1] > '9' || p[1] < '0' || p[1] > '9'))
            return false;
    return true;
}

static char find_separator(const char *start, const char *end, bool tab_first)
{
    static const char candidates[] = {',', '\t', ';', '|'};
    enum { SAMPLE = 10 };
    char best = ',';
    size_t best_agree = 0, best_cells = 1;
    for (size_t c = 0; c < sizeof candidates; c++) {
        size_t counts[SAMPLE], n = 0, agree = 0, cells = 1;
        const char *at = start;
        while (n < SAMPLE && at < end)
            counts[n++] = count_cells(&at, end, candidates[c]);
        /* the count most records share */
        for (size_t i = 0; i < n; i++) {
            size_t same = 0;
            for (size_t k = 0; k < n; k++)
                same += counts[k] == counts[i];
            if (counts[i] > 1 && same > agree) {
                agree = same;
                cells = counts[i];
            }
        }
        if (tab_first && candidates[c] == '\t' && cells > 1)
            return '\t';
        if (best == ',' && candidates[c] == ';' && cells > 1 && agree == best_agree &&
            commas_are_decimal(start, at))
            best_cells = 1; /* both cut well: "1,5;2,5" */
        if (agree > best_agree || (agree == best_agree && cells > best_cells)) {
            best = candidates[c];
            best_agree = agree;
            best_cells = cells;
        }
    }
    return best;
}

kiln_status csv_start(csv_scan *scan, const char *file, char *content, size_t size)
{
    *scan = (csv_scan){.file = file, .at = content, .end = content + size, .next_line = 1};
    if (size >= 2 && ((content[0] == '\xff' && content[1] == '\xfe') ||
                      (content[0] == '\xfe' && content[1] == '\xff')))
        return kiln_fail(KILN_ERROR_FORMAT, "%s: is UTF-16 text; save it as UTF-8", file);
    const char *zero = size ? memchr(content, '\0', size) : NULL;
    if (zero)
        return kiln_fail(KILN_ERROR_FORMAT, "%s: is no text: byte %zu is zero", file,
                         (size_t)(zero - content));
    if (size >= 3 && memcmp(content, "\xef\xbb\xbf", 3) == 0)
        scan->at += 3;
    size_t length = strlen(file);
    bool tsv = length >= 4 && strcmp(file + length - 4, ".tsv") == 0;
    scan->separator = find_separator(scan->at, scan->end, tsv);
    return KILN_OK;
}

void csv_end(csv_scan *scan)
{
    free(scan->items);
    *scan = (csv_scan){0};
}

static bool is_blank(const csv_scan *scan, char c)
{
    return c == ' ' || (c == '\t' && scan->separator != '\t');
}

/* Steps over one line end, "\n", "\r" or "\r\n". */
static void skip_line_end(csv_scan *scan)
{
    if (*scan->at == '\r' && scan->at + 1 < scan->end && scan->at[1] == '\n')
        scan->at++;
    scan->at++;
    scan->next_line++;
}

/* A cell in quotes; at is on the first. */
static kiln_status quoted_cell(csv_scan *scan, csv_cell *cell)
{
    char *in = ++scan->at, *out = in;
    int64_t line = scan->next_line;
    cell->text = out;
    cell->quoted = true;
    for (;; in++) {
        if (in == scan->end)
            return kiln_fail(KILN_ERROR_FORMAT,
                             "%s: line %" PRId64
                             ", column %zu: the quote that opens there is never closed",
                             scan->file, line, scan->count + 1);
        if (*in == '"' && (in + 1 == scan->end || in[1] != '"'))
            break;
        if (*in == '"')
            in++;
        if (*in == '\n' || (*in == '\r' && (in + 1 == scan->end || in[1] != '\n')))
            scan->next_line++;
        *out++ = *in;
    }
    cell->length = (size_t)(out - cell->text);
    for (in++; in < scan->end && is_blank(scan, *in);)
        in++;
    scan->at = in;
    if (in < scan->end && *in != scan->separator && *in != '\n' && *in != '\r')
        return kiln_fail(KILN_ERROR_FORMAT,
                         "%s: line %" PRId64 ", column %zu: text follows the closing quote",
                         scan->file, scan->next_line, scan->count + 1);
    return KILN_OK;
}

static void plain_cell(csv_scan *scan, csv_cell *cell)
{
    char *p = scan->at, separator = scan->separator;
    cell->text = p;
    cell->quoted = false;
    while (p < scan->end && *p != separator && *p != '\n' && *p != '\r')
        p++;
    scan->at = p;
    while (p > cell->text && is_blank(scan, p[-1]))
        p--;
    cell->length = (size_t)(p - cell->text);
}

kiln_status csv_next(csv_scan *scan, bool *more)
{
    scan->count = 0;
    *more = false;
    for (;;) { /* blank lines */
        char *p = scan->at;
        while (p < scan->end && is_blank(scan, *p))
            p++;
        if (p == scan->end)
            return KILN_OK;
        if (*p != '\n' && *p != '\r')
            break;
        scan->at = p;
        skip_line_end(scan);
    }
    scan->line = scan->next_line;
    *more = true;
    for (;;) {
        KILN_TRY(MEM_PUSH_ROOM(scan));
        csv_cell *cell = &scan->items[scan->count];
        while (scan->at < scan->end && is_blank(scan, *scan->at))
            scan->at++;
        if (scan->at < scan->end && *scan->at == '"' && !scan->plain)
            KILN_TRY(quoted_cell(scan, cell));
        else
            plain_cell(scan, cell);
        scan->count++;
        if (scan->at == scan->end)
            return KILN_OK;
        if (*scan->at != scan->separator)
            break;
        scan->at++;
    }
    skip_line_end(scan);
    return KILN_OK;
}

/* The slow and right way for long mantissas and large exponents. */
static double convert(const char *digits, size_t length)
{
    char buffer[512];
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    size_t n = length < sizeof buffer ? length : sizeof buffer - 1;
    memcpy(buffer, digits, n);
    buffer[n] = '\0';
    double value = c ? strtod_l(buffer, NULL, c) : strtod(buffer, NULL);
    if (c)
        freelocale(c);
    return value;
}

bool csv_number(csv_cell cell, double *value)
{
    static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                  1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                  1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    const char *p = cell.text, *end = p + cell.length;
    uint64_t mantissa = 0;
    int digits = 0, exponent = 0, significant = 0;
    bool negative = false, point = false;
    if (p < end && (*p == '-' || *p == '+'))
        negative = *p++ == '-';
    for (; p < end; p++) {
        if (*p == '.' && !point) {
            point = true;
        } else if (*p >= '0' && *p <= '9') {
            digits++;
            if (significant < 18) {
                mantissa = mantissa * 10 + (uint64_t)(*p - '0');
                significant += mantissa > 0;
                exponent -= point;
            } else {
                significant++; /* not exact any more */
                exponent += !point;
            }
        } else {
            break;
        }
    }
    if (digits == 0 || cell.length > 400)
        return false;
    if (p < end && (*p == 'e' || *p == 'E')) {
        bool minus = false;
        int power = 0, power_digits = 0;
        p++;
        if (p < end && (*p == '-' || *p == '+'))
            minus = *p++ == '-';
        for (; p < end && *p >= '0' && *p <= '9'; p++, power_digits++)
            power = power < 100000 ? power * 10 + (*p - '0') : power;
        if (power_digits == 0)
            return false;
        exponent += minus ? -power : power;
    }
    if (p != end)
        return false;
    if (significant <= 18 && mantissa < (1ull << 53) && exponent >= -22 && exponent <= 22) {
        double m = (double)mantissa; /* exact, and so is the power of ten: one rounding */
        m = exponent < 0 ? m / tens[-exponent] : m * tens[exponent];
        *value = negative ? -m : m;
    } else {
        *value = convert(cell.text, cell.length);
    }
    return true;
}

const char *csv_show(csv_cell cell, char buffer[CSV_SHOWN])
{
    size_t n = cell.length > 40 ? 40 : cell.length, used = 0;
    buffer[used++] = '\'';
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)cell.text[i];
        buffer[used++] = c < 32 || c == 127 ? '?' : (char)c; /* one line */
    }
    while (cell.length > n && used > 1 && ((unsigned char)cell.text[used - 1] & 0xC0) == 0x80)
        used--; /* not within a character of UTF-8 */
    memcpy(buffer + used, cell.length > n ? "...'" : "'", cell.length > n ? 5 : 2);
    return buffer;
}
