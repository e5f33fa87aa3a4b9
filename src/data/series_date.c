#include "data/series_date.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

enum { DAY = 24 * 60 * 60 };

/* Where the numbers of "1949-01-31 06:00:00" stand. */
static const struct {
    int at, digits;
} fields[] = {{0, 4}, {5, 2}, {8, 2}, {11, 2}, {14, 2}, {17, 2}};

/* Days since 1970-01-01 in the Gregorian calendar, from days since a first of March of a year that
 * 400 divides: then leap days come last in a year. */
static int64_t days_of(int64_t year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year, shifted = (month + 9) % 12;
    int64_t leaps = y / 4 - y / 100 + y / 400;
    return 365 * y + leaps + (153 * shifted + 2) / 5 + day - 1 - 719468;
}

static int days_in(int64_t months)
{
    int64_t year = months / 12, next = months + 1;
    return (int)(days_of(next / 12, (int)(next % 12) + 1, 1) -
                 days_of(year, (int)(months % 12) + 1, 1));
}

static bool read_number(const char *word, series_date *date)
{
    char *end;
    size_t length = strlen(word);
    if (length == 0 || length > 15 || !isdigit((unsigned char)word[length - 1]))
        return false;
    *date = (series_date){.months = strtoll(word, &end, 10), .fields = 1};
    return *end == '\0';
}

static bool is_separator(char c, int before)
{
    return before < 3    ? c == '-' || c == '/' || c == '.'
           : before == 3 ? c == ' ' || c == 'T'
                         : c == ':';
}

bool series_date_read(const char *word, series_date *date)
{
    int values[6] = {0, 1, 1, 0, 0, 0}, count = 0;
    size_t length = strlen(word);
    if (read_number(word, date))
        return true;
    for (; count < 6 && (size_t)(fields[count].at + fields[count].digits) <= length; count++) {
        const char *p = word + fields[count].at;
        if (count > 0 && !is_separator(p[-1], count))
            return false;
        values[count] = 0;
        for (int i = 0; i < fields[count].digits; i++) {
            if (!isdigit((unsigned char)p[i]))
                return false;
            values[count] = 10 * values[count] + (p[i] - '0');
        }
    }
    if (count < 2 || count == 4 ||
        (size_t)(fields[count - 1].at + fields[count - 1].digits) != length)
        return false;
    *date = (series_date){.months = 12 * (int64_t)values[0] + values[1] - 1, .fields = count};
    if (values[1] < 1 || values[1] > 12 || values[2] < 1 || values[2] > days_in(date->months) ||
        values[3] > 23 || values[4] > 59 || values[5] > 59)
        return false;
    if (count > 2) {
        date->day = values[2];
        date->seconds = days_of(values[0], values[1], values[2]) * DAY + values[3] * 3600 +
                        values[4] * 60 + values[5];
    }
    return true;
}

int series_date_compare(const series_date *a, const series_date *b)
{
    if (a->months != b->months)
        return a->months < b->months ? -1 : 1;
    return (a->seconds > b->seconds) - (a->seconds < b->seconds);
}

series_interval series_interval_of(const series_date *dates, size_t count)
{
    const series_interval none = {.unit = INTERVAL_NONE};
    if (count < 2)
        return none;
    int fields_of_all = dates[0].fields;
    int64_t months = dates[1].months - dates[0].months,
            seconds = dates[1].seconds - dates[0].seconds;
    bool same_months = months > 0, same_seconds = seconds > 0 && fields_of_all > 2, same_day = true,
         ends = fields_of_all == 3;
    for (size_t i = 0; i < count; i++) {
        const series_date *d = &dates[i];
        if (d->fields != fields_of_all)
            return none;
        same_day = same_day && d->day == dates[0].day && (d->seconds - dates[0].seconds) % DAY == 0;
        ends = ends && d->day == days_in(d->months);
        if (i == 0)
            continue;
        same_months = same_months && d->months - d[-1].months == months;
        same_seconds = same_seconds && d->seconds - d[-1].seconds == seconds;
    }
    if (fields_of_all == 1)
        return same_months ? (series_interval){.unit = INTERVAL_NUMBER, .length = months} : none;
    if (same_months && (same_day || ends))
        return (series_interval){
            .unit = INTERVAL_MONTHS, .length = months, .month_ends = ends && !same_day};
    if (same_seconds)
        return (series_interval){.unit = INTERVAL_SECONDS, .length = seconds};
    return none;
}

int64_t series_interval_season(const series_interval *interval)
{
    if (interval->unit == INTERVAL_MONTHS && interval->length < 12 && 12 % interval->length == 0)
        return 12 / interval->length;
    if (interval->unit == INTERVAL_SECONDS && interval->length == DAY)
        return 7;
    if (interval->unit == INTERVAL_SECONDS && interval->length < DAY && DAY % interval->length == 0)
        return DAY / interval->length;
    return 0;
}

/* Writes a number over the digits of a field. */
static void put(char *out, int field, int64_t value)
{
    for (int i = fields[field].digits; i-- > 0; value /= 10)
        out[fields[field].at + i] = (char)('0' + value % 10);
}

static void put_seconds(char *out, int count, int64_t seconds)
{
    int64_t days = seconds >= 0 ? seconds / DAY : -((DAY - 1 - seconds) / DAY),
            rest = seconds - days * DAY;
    int64_t months = (days + 719528) / 366 * 12; /* not after the date; at most years before it */
    while (days_of((months + 1) / 12, (int)((months + 1) % 12) + 1, 1) <= days)
        months++;
    put(out, 0, months / 12);
    put(out, 1, months % 12 + 1);
    put(out, 2, days - days_of(months / 12, (int)(months % 12) + 1, 1) + 1);
    const int64_t times[] = {rest / 3600, rest / 60 % 60, rest % 60};
    for (int i = 3; i < count; i++)
        put(out, i, times[i - 3]);
}

char *series_date_after(const char *word, const series_interval *interval, int64_t steps)
{
    series_date date;
    if (interval->unit == INTERVAL_NONE || !series_date_read(word, &date))
        return NULL;
    if (interval->unit == INTERVAL_NUMBER)
        return str_format("%" PRId64, date.months + steps * interval->length);
    char *out = str_copy(word);
    if (out == NULL)
        return NULL;
    if (interval->unit == INTERVAL_MONTHS) {
        int64_t months = date.months + steps * interval->length;
        put(out, 0, months / 12);
        put(out, 1, months % 12 + 1);
        if (date.fields > 2 && (interval->month_ends || date.day > days_in(months)))
            put(out, 2, days_in(months));
    } else {
        put_seconds(out, date.fields, date.seconds + steps * interval->length);
    }
    return out;
}
