#include "data/series_word.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { MOST_LENGTH = 40 }; /* of a date */

static const char *const months[] = {"January",   "February", "March",    "April",
                                     "May",       "June",     "July",     "August",
                                     "September", "October",  "November", "December"};

/* A word while it is read. */
typedef struct splitting {
    const char *word, *at;
    date_word *out;
} splitting;

static void add(splitting *s, word_part part, const char *from)
{
    date_word *w = s->out;
    w->pieces[w->count].part = part;
    w->pieces[w->count].at = (size_t)(from - s->word);
    w->pieces[w->count++].length = (size_t)(s->at - from);
}

static size_t digits_at(const char *p)
{
    size_t n = 0;
    while (isdigit((unsigned char)p[n]))
        n++;
    return n;
}

static size_t letters_at(const char *p)
{
    size_t n = 0;
    while (isalpha((unsigned char)p[n]))
        n++;
    return n;
}

static int value_of(const char *p, size_t digits)
{
    int value = 0;
    for (size_t i = 0; i < digits; i++)
        value = 10 * value + (p[i] - '0');
    return value;
}

/* A number of so many digits, as a part of the word. */
static bool take(splitting *s, word_part part, size_t least, size_t most)
{
    size_t n = digits_at(s->at);
    const char *from = s->at;
    if (n < least || n > most)
        return false;
    s->out->values[part] = value_of(from, n);
    s->at += n;
    add(s, part, from);
    return true;
}

/* "Jan", "January", "Sept": 1..12; 0: no month. */
static int month_named(const char *p, size_t length)
{
    for (int i = 0; i < 12; i++)
        if ((length == 3 || length == strlen(months[i]) || (i == 8 && length == 4)) &&
            strncasecmp(p, months[i], length) == 0)
            return i + 1;
    return 0;
}

/* Years of two digits, as POSIX has them. */
static int whole_year(int year)
{
    return year < 69 ? 2000 + year : 1900 + year;
}

/* ---- the day ---- */

/* Orders of numbers of four digits (4) and of one or two (2), and of a month's name (N): years,
 * months and days. */
static const struct {
    const char *shape, *parts;
    int order; /* that it takes; ORDERS: any */
} shapes[] = {{"42", "YM", ORDERS},      {"422", "YMD", ORDERS},      {"24", "MY", ORDERS},
              {"N4", "NY", ORDERS},      {"4N", "YN", ORDERS},        {"N24", "NDY", ORDERS},
              {"N22", "NDY", ORDERS},    {"2N4", "DNY", ORDERS},      {"2N2", "DNY", ORDERS},
              {"4N2", "YND", ORDERS},    {"224", "DMY", ORDER_DAY},   {"224", "MDY", ORDER_MONTH},
              {"222", "DMY", ORDER_DAY}, {"222", "MDY", ORDER_MONTH}, {"222", "YMD", ORDER_YEAR}};

/* "2000Q1", "2000-Q1", "Q1 2000" */
static bool take_quarter(splitting *s)
{
    const char *start = s->at;
    bool first = toupper((unsigned char)*start) == 'Q';
    if (!first && (!take(s, PART_YEAR, 4, 4) || *s->at == '\0'))
        return false;
    if (!first)
        s->at += *s->at == '-' || *s->at == ' ';
    if (toupper((unsigned char)*s->at) != 'Q' || digits_at(s->at + 1) != 1)
        return false;
    int quarter = *++s->at - '0';
    s->out->values[PART_MONTH] = 3 * quarter - 2;
    s->at++;
    add(s, PART_QUARTER, s->at - 1);
    if (first) {
        s->at += *s->at == '-' || *s->at == ' ';
        if (!take(s, PART_YEAR, 4, 4))
            return false;
    }
    return quarter >= 1 && quarter <= 4 && *s->at == '\0';
}

static bool take_compact(splitting *s)
{
    const char *from = s->at;
    int *v = s->out->values;
    if (digits_at(from) != 8)
        return false;
    v[PART_YEAR] = value_of(from, 4);
    v[PART_MONTH] = value_of(from + 4, 2);
    v[PART_DAY] = value_of(from + 6, 2);
    s->at += 8;
    add(s, PART_COMPACT, from);
    return v[PART_YEAR] >= 1000; /* few numbers are dates by chance */
}

/* Numbers and names with one separator between two. */
static bool take_fields(splitting *s, char shape[4])
{
    for (size_t n = 0; n < 3; n++) {
        const char *from = s->at;
        size_t digits = digits_at(from), letters = letters_at(from);
        if (digits == 0 && month_named(from, letters) == 0)
            return false;
        if (digits == 3 || digits > 4)
            return false;
        shape[n] = letters ? 'N' : digits == 4 ? '4' : '2';
        s->at += digits + letters;
        add(s, PARTS, from);
        const char *next = s->at;
        if (*next == '.' || (*next == ',' && next[1] == ' '))
            next += next[1] == ' ' ? 2 : 1; /* "1. Jan 2020", "Jan 1, 2020" */
        else if (*next == '-' || *next == '/' || *next == ' ')
            next++;
        if (next == s->at || !isalnum((unsigned char)*next))
            return n > 0;
        if (n < 2)
            s->at = next;
    }
    return true;
}

/* May this sign stand between two numbers of a day in this order? "20-01-31", "31.01.2020" */
static bool may_separate(char sign, const char *shape, enum series_order order)
{
    if (order == ORDER_YEAR && strcmp(shape, "222") == 0)
        return sign == '-';
    return sign != '.' || order != ORDER_MONTH;
}

/* Says what the fields of a word are. */
static bool name_fields(splitting *s, const char *shape, enum series_order order)
{
    date_word *w = s->out;
    const char *parts = NULL;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes && parts == NULL; i++)
        if (strcmp(shapes[i].shape, shape) == 0 &&
            (shapes[i].order == ORDERS || shapes[i].order == (int)order)) {
            parts = shapes[i].parts;
            w->ordered = shapes[i].order != ORDERS;
        }
    for (size_t i = 0; parts && parts[i]; i++) {
        const char *p = s->word + w->pieces[i].at;
        size_t length = w->pieces[i].length;
        word_part part = parts[i] == 'Y'   ? PART_YEAR
                         : parts[i] == 'D' ? PART_DAY
                         : parts[i] == 'M' ? PART_MONTH
                                           : PART_NAME;
        w->pieces[i].part = part;
        w->values[part == PART_NAME ? PART_MONTH : part] =
            part == PART_NAME ? month_named(p, length) : value_of(p, length);
        if (part == PART_YEAR && length == 1)
            return false;
        if (part == PART_YEAR && length == 2)
            w->values[part] = whole_year(w->values[part]);
        if (w->ordered && i < 2 && !may_separate(p[length], shape, order))
            return false;
        /* "1958.1" and "1.1958" are numbers */
        if (shape[2] == '\0' && p[length] == '.' && (shape[0] != '4' || w->pieces[1].length != 2))
            return false;
        w->seen.short_days = w->seen.short_days || (part != PART_YEAR && length == 1);
        w->seen.long_names = w->seen.long_names || (part == PART_NAME && length > 4) ||
                             (part == PART_NAME && length == 4 && w->values[PART_MONTH] != 9);
    }
    return parts != NULL;
}

static bool take_day(splitting *s, enum series_order order)
{
    char shape[4] = "";
    if (order == ORDER_COMPACT)
        return take_compact(s);
    return take_fields(s, shape) && name_fields(s, shape, order);
}

/* ---- the time ---- */

/* "Z", "UTC", "+02:00", "-0500", "+02" at the end of the word */
static bool take_zone(splitting *s)
{
    const char *p = s->at + (*s->at == ' ');
    if (strcasecmp(p, "Z") == 0 || strcasecmp(p, "UTC") == 0 || strcasecmp(p, "GMT") == 0)
        return true;
    if (*p != '+' && *p != '-')
        return *p == '\0';
    size_t digits = digits_at(p + 1), colon = digits == 2 && p[3] == ':';
    if (digits != 2 && digits != 4)
        return false;
    const char *minutes = p + 3 + colon;
    if (colon && digits_at(minutes) != 2)
        return false;
    bool some = colon || digits == 4;
    s->out->offset = value_of(p + 1, 2) * 3600 + (some ? value_of(minutes, 2) * 60 : 0);
    if (*p == '-')
        s->out->offset = -s->out->offset;
    return minutes[some ? 2 : 0] == '\0';
}

static bool take_fraction(splitting *s)
{
    static const int units[] = {1000000, 100000, 10000, 1000, 100, 10, 1};
    const char *from = ++s->at;
    size_t n = digits_at(from), used = n < 6 ? n : 6;
    if (n < 1 || n > 9)
        return false;
    s->out->values[PART_FRACTION] = value_of(from, used) * units[used];
    s->at += n;
    add(s, PART_FRACTION, from);
    return true;
}

/* "AM" or "pm", with or without a blank before it */
static bool take_noon(splitting *s)
{
    const char *from = s->at + (*s->at == ' ');
    int *hour = &s->out->values[PART_HOUR];
    bool am = strncasecmp(from, "AM", 2) == 0, pm = strncasecmp(from, "PM", 2) == 0;
    if (!am && !pm)
        return true;
    s->at = from + 2;
    add(s, PART_NOON, from);
    if (*hour < 1 || *hour > 12)
        return false;
    *hour = *hour % 12 + (pm ? 12 : 0);
    return true;
}

static bool take_time(splitting *s)
{
    if (*s->at == ',' && s->at[1] == ' ')
        s->at++;
    if (*s->at != ' ' && *s->at != 'T' && *s->at != 't')
        return false;
    s->at++;
    s->out->seen.short_hours = digits_at(s->at) == 1;
    if (!take(s, PART_HOUR, 1, 2) || *s->at++ != ':' || !take(s, PART_MINUTE, 2, 2))
        return false;
    if (*s->at == ':') {
        s->at++;
        if (!take(s, PART_SECOND, 2, 2))
            return false;
        if ((*s->at == '.' || *s->at == ',') && !take_fraction(s))
            return false;
    }
    return take_noon(s) && take_zone(s);
}

/* ---- words ---- */

static date_word empty_word(void)
{
    return (date_word){.values = {[PART_MONTH] = 1, [PART_DAY] = 1}};
}

bool word_has(const date_word *w, word_part part)
{
    for (size_t i = 0; i < w->count; i++)
        if (w->pieces[i].part == part || (part == PART_DAY && w->pieces[i].part == PART_COMPACT))
            return true;
    return false;
}

bool word_split(const char *word, enum series_order order, date_word *w)
{
    splitting s = {.word = word, .at = word, .out = w};
    const int *v = w->values;
    if (strlen(word) > MOST_LENGTH)
        return false;
    *w = empty_word();
    if (order != ORDER_COMPACT && take_quarter(&s))
        return true;
    *w = empty_word();
    s.at = word;
    if (!take_day(&s, order) || (*s.at && (!word_has(w, PART_DAY) || !take_time(&s))))
        return false;
    return v[PART_MONTH] >= 1 && v[PART_MONTH] <= 12 && v[PART_DAY] >= 1 && v[PART_DAY] <= 31 &&
           v[PART_HOUR] < 24 && v[PART_MINUTE] < 60 && v[PART_SECOND] < 60;
}

/* In the letters' case of the word. */
static void write_name(text *out, const char *like, int month, bool whole)
{
    const char *name = months[month - 1];
    bool upper = isupper((unsigned char)like[1]), lower = islower((unsigned char)like[0]);
    for (size_t i = 0; name[i] && (whole || i < 3); i++)
        text_add(out, "%c", upper ? toupper(name[i]) : lower ? tolower(name[i]) : name[i]);
}

static void write_piece(text *out, const char *word, const series_format *format,
                        const date_word *w, size_t i)
{
    const int *v = w->values;
    word_part part = w->pieces[i].part;
    const char *old = word + w->pieces[i].at;
    int length = (int)w->pieces[i].length, fraction = v[PART_FRACTION];
    bool noon = word_has(w, PART_NOON), pm = v[PART_HOUR] >= 12;
    switch (part) {
    case PART_YEAR:
        text_add(out, "%0*d", length, length == 2 ? v[part] % 100 : v[part]);
        break;
    case PART_MONTH:
    case PART_DAY:
        text_add(out, "%0*d", format->short_days ? 1 : 2, v[part]);
        break;
    case PART_HOUR:
        text_add(out, "%0*d", format->short_hours ? 1 : 2,
                 !noon          ? v[part]
                 : v[part] % 12 ? v[part] % 12
                                : 12);
        break;
    case PART_FRACTION:
        for (int k = 6; k > length; k--)
            fraction /= 10;
        text_add(out, "%0*d", length < 6 ? length : 6, fraction);
        text_add(out, "%.*s", length > 6 ? length - 6 : 0, "000");
        break;
    case PART_NAME:
        write_name(out, old, v[PART_MONTH], format->long_names);
        break;
    case PART_QUARTER:
        text_add(out, "%d", (v[PART_MONTH] + 2) / 3);
        break;
    case PART_COMPACT:
        text_add(out, "%04d%02d%02d", v[PART_YEAR], v[PART_MONTH], v[PART_DAY]);
        break;
    case PART_NOON:
        text_add(out, "%s", islower((unsigned char)*old) ? pm ? "pm" : "am" : pm ? "PM" : "AM");
        break;
    default:
        text_add(out, "%02d", v[part]);
    }
}

/* "2070-01-31 06:00" */
static void write_iso(text *out, const date_word *w)
{
    const int *v = w->values;
    text_add(out, "%04d-%02d", v[PART_YEAR], v[PART_MONTH]);
    if (word_has(w, PART_DAY))
        text_add(out, "-%02d", v[PART_DAY]);
    if (word_has(w, PART_HOUR))
        text_add(out, " %02d:%02d", v[PART_HOUR], v[PART_MINUTE]);
    if (word_has(w, PART_SECOND))
        text_add(out, ":%02d", v[PART_SECOND]);
}

/* Can the year be told from as many digits as the word has? */
static bool holds_year(const date_word *w)
{
    int year = w->values[PART_YEAR];
    for (size_t i = 0; i < w->count; i++)
        if (w->pieces[i].part == PART_YEAR && w->pieces[i].length == 2)
            return whole_year(year % 100) == year;
    return year <= 9999;
}

char *word_write(const char *word, const series_format *format, const date_word *w)
{
    text out = {0};
    size_t at = 0;
    if (!holds_year(w)) {
        write_iso(&out, w);
    } else {
        for (size_t i = 0; i < w->count; i++) {
            text_add(&out, "%.*s", (int)(w->pieces[i].at - at), word + at);
            write_piece(&out, word, format, w, i);
            at = w->pieces[i].at + w->pieces[i].length;
        }
        text_add(&out, "%s", word + at);
    }
    if (!out.failed)
        return out.data;
    text_free(&out);
    return NULL;
}
