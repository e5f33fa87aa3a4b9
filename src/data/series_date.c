#include "data/series_date.h"

#include "data/series_word.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#define SECOND INT64_C(1000000)
#define DAY (24 * 60 * 60 * SECOND)

/* ---- the calendar ---- */

/* Days since 1970-01-01 in the Gregorian calendar, from days since a first of March of a year that
 * 400 divides: then leap days come last in a year. */
static int64_t days_of(int64_t year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year, shifted = (month + 9) % 12;
    int64_t leaps = y / 4 - y / 100 + y / 400;
    return 365 * y + leaps + (153 * shifted + 2) / 5 + day - 1 - 719468;
}

static int64_t first_day(int64_t months)
{
    return days_of(months / 12, (int)(months % 12) + 1, 1);
}

static int days_in(int64_t months)
{
    return (int)(first_day(months + 1) - first_day(months));
}

/* The month that a day since 1970-01-01 is in. */
static int64_t month_of(int64_t days)
{
    int64_t months = (days + 719528) / 366 * 12; /* not after it: no year is longer */
    months += (days - first_day(months)) / 366 * 12;
    while (first_day(months + 1) <= days)
        months++;
    return months;
}

/* ---- reading ---- */

/* "-12.5": whole numbers of the last digit that `decimals` leaves room for. */
static bool read_number(const char *word, int decimals, series_date *date)
{
    const char *p = word + (*word == '-' || *word == '+');
    int behind = -1;
    int64_t value = 0;
    if (!isdigit((unsigned char)*p))
        return false;
    for (; isdigit((unsigned char)*p) || (*p == '.' && behind < 0); p++) {
        behind += behind >= 0 || *p == '.';
        if (*p != '.' && (__builtin_mul_overflow(value, (int64_t)10, &value) ||
                          __builtin_add_overflow(value, (int64_t)(*p - '0'), &value)))
            return false;
    }
    *date = (series_date){.fields = 1, .seen.decimals = behind > 0 ? behind : 0};
    for (int i = date->seen.decimals; i < decimals; i++)
        if (__builtin_mul_overflow(value, (int64_t)10, &value))
            return false;
    date->time = *word == '-' ? -value : value;
    return *p == '\0';
}

/* From the parts of a word; the day is in its month. */
static bool compose(const date_word *w, series_date *date)
{
    const int *v = w->values;
    int day = word_has(w, PART_DAY) ? v[PART_DAY] : 0;
    *date = (series_date){.day = day, .ordered = w->ordered, .seen = w->seen};
    date->months = 12 * (int64_t)v[PART_YEAR] + v[PART_MONTH] - 1;
    date->fields = word_has(w, PART_SECOND) ? 6 : word_has(w, PART_MINUTE) ? 5 : day ? 3 : 2;
    if (day > days_in(date->months))
        return false;
    int64_t seconds = v[PART_HOUR] * 3600 + v[PART_MINUTE] * 60 + v[PART_SECOND] - w->offset;
    date->time =
        (first_day(date->months) + (day ? day - 1 : 0)) * DAY + seconds * SECOND + v[PART_FRACTION];
    return true;
}

bool series_date_read(const char *word, const series_format *format, series_date *date)
{
    date_word w;
    if (format->order == ORDER_NUMBER)
        return read_number(word, format->decimals, date);
    return word_split(word, format->order, &w) && compose(&w, date);
}

int series_date_compare(const series_date *a, const series_date *b)
{
    return (a->time > b->time) - (a->time < b->time);
}

/* ---- the distance between dates ---- */

series_interval series_interval_of(const series_date *dates, size_t count)
{
    const series_interval none = {.unit = INTERVAL_NONE};
    if (count < 2)
        return none;
    int fields = dates[0].fields;
    int64_t months = dates[1].months - dates[0].months, time = dates[1].time - dates[0].time;
    bool same_months = months > 0, same_time = time > 0, same_day = true, ends = fields == 3;
    for (size_t i = 0; i < count; i++) {
        const series_date *d = &dates[i];
        if (d->fields != fields)
            return none;
        same_day = same_day && d->day == dates[0].day && (d->time - dates[0].time) % DAY == 0;
        ends = ends && d->day == days_in(d->months);
        if (i == 0)
            continue;
        same_months = same_months && d->months - d[-1].months == months;
        same_time = same_time && d->time - d[-1].time == time;
    }
    if (fields == 1)
        return same_time ? (series_interval){.unit = INTERVAL_NUMBER, .length = time} : none;
    if (same_months && (same_day || ends))
        return (series_interval){
            .unit = INTERVAL_MONTHS, .length = months, .month_ends = ends && !same_day};
    if (same_time && fields > 2)
        return (series_interval){.unit = INTERVAL_TIME, .length = time};
    return none;
}

int64_t series_interval_season(const series_interval *interval)
{
    if (interval->unit == INTERVAL_MONTHS && interval->length < 12 && 12 % interval->length == 0)
        return 12 / interval->length;
    if (interval->unit == INTERVAL_TIME && interval->length == DAY)
        return 7;
    if (interval->unit == INTERVAL_TIME && interval->length < DAY && DAY % interval->length == 0)
        return DAY / interval->length;
    return 0;
}

/* ---- dates that come next ---- */

/* 125 with one decimal: "12.5" */
static char *number_after(int64_t value, int decimals)
{
    int64_t unit = 1;
    for (int i = 0; i < decimals; i++)
        unit *= 10; /* a number with so many decimals was read */
    uint64_t size = value < 0 ? -(uint64_t)value : (uint64_t)value;
    return decimals ? str_format("%s%" PRIu64 ".%0*" PRIu64, value < 0 ? "-" : "",
                                 size / (uint64_t)unit, decimals, size % (uint64_t)unit)
                    : str_format("%" PRId64, value);
}

/* Sets the parts of a word to a time in its own zone. */
static void set_time(date_word *w, int64_t time)
{
    int64_t days = time >= 0 ? time / DAY : -((DAY - 1 - time) / DAY), rest = time - days * DAY;
    int64_t months = month_of(days);
    w->values[PART_YEAR] = (int)(months / 12);
    w->values[PART_MONTH] = (int)(months % 12) + 1;
    w->values[PART_DAY] = (int)(days - first_day(months)) + 1;
    w->values[PART_HOUR] = (int)(rest / (3600 * SECOND));
    w->values[PART_MINUTE] = (int)(rest / (60 * SECOND) % 60);
    w->values[PART_SECOND] = (int)(rest / SECOND % 60);
    w->values[PART_FRACTION] = (int)(rest % SECOND);
}

char *series_date_after(const char *word, const series_format *format,
                        const series_interval *interval, int64_t steps)
{
    series_date date;
    date_word w;
    int64_t distance, time;
    if (interval->unit == INTERVAL_NONE || !series_date_read(word, format, &date) ||
        __builtin_mul_overflow(steps, interval->length, &distance))
        return NULL;
    if (interval->unit == INTERVAL_NUMBER)
        return __builtin_add_overflow(date.time, distance, &time)
                   ? NULL
                   : number_after(time, format->decimals);
    word_split(word, format->order, &w);
    if (interval->unit == INTERVAL_MONTHS) {
        int64_t months = date.months + distance;
        if (months / 12 > 1000000) /* years are of type int */
            return NULL;
        w.values[PART_YEAR] = (int)(months / 12);
        w.values[PART_MONTH] = (int)(months % 12) + 1;
        if (date.day && (interval->month_ends || date.day > days_in(months)))
            w.values[PART_DAY] = days_in(months);
    } else {
        if (__builtin_add_overflow(date.time, distance, &time))
            return NULL;
        set_time(&w, time + w.offset * SECOND);
    }
    return word_write(word, format, &w);
}
