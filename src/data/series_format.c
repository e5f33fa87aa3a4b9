/* How a column's dates are written: the order of their numbers is found from all of them. */
#include "data/series_date.h"

#include <math.h>

/* What a column is if it is read in one order. */
typedef struct trial {
    series_format format;
    int64_t read, bad; /* rows that can be read, and the first that cannot (count: none) */
    bool ordered;      /* in another order they may be other dates */
} trial;

/* Reads all words, or those before the first that cannot be read. */
static trial try_order(char *const *words, int64_t count, enum series_order order, bool to_the_end)
{
    trial t = {.format.order = order, .bad = count};
    series_date date;
    for (int64_t i = 0; i < count && (to_the_end || t.bad == count); i++) {
        if (!series_date_read(words[i], &(series_format){.order = order}, &date)) {
            t.bad = t.bad < count ? t.bad : i;
            continue;
        }
        series_format *f = &t.format;
        f->short_days = f->short_days || date.seen.short_days;
        f->short_hours = f->short_hours || date.seen.short_hours;
        f->long_names = f->long_names || date.seen.long_names;
        f->decimals = date.seen.decimals > f->decimals ? date.seen.decimals : f->decimals;
        t.ordered = t.ordered || date.ordered;
        t.read++;
    }
    return t;
}

/* ---- orders that all words can be read in ---- */

static int compare_times(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static bool is_monotonic(const int64_t *times, int64_t count)
{
    bool rises = true, falls = true;
    for (int64_t i = 1; i < count; i++) {
        rises = rises && times[i] >= times[i - 1];
        falls = falls && times[i] <= times[i - 1];
    }
    return rises || falls;
}

/* The deviation of the distances between sorted times over their mean. Months and quarters differ
 * by a tenth: below that nothing is more regular than something else. */
static double spread_of(int64_t *times, int64_t count)
{
    double mean = 0, squares = 0, steps = (double)(count - 1);
    qsort(times, (size_t)count, sizeof *times, compare_times);
    mean = count > 1 ? ((double)times[count - 1] - (double)times[0]) / steps : 0;
    for (int64_t i = 1; i < count; i++)
        squares += pow((double)(times[i] - times[i - 1]) - mean, 2);
    return mean > 0 ? fmax(sqrt(squares / steps) / mean, 0.1) : 0.1;
}

/* The one order that makes the times a better series than all others; ORDERS: there is none. */
static int best_order(char *const *words, int64_t count, const trial *trials, int64_t *times)
{
    bool monotonic[ORDERS] = {false};
    double spread[ORDERS], least = INFINITY, next = INFINITY;
    int best = ORDERS, steady = 0;
    for (int o = ORDER_YEAR; o <= ORDER_MONTH; o++) {
        if (trials[o].read < count)
            continue;
        for (int64_t i = 0; i < count; i++) {
            series_date date;
            series_date_read(words[i], &trials[o].format, &date);
            times[i] = date.time;
        }
        monotonic[o] = is_monotonic(times, count);
        steady += monotonic[o];
        spread[o] = spread_of(times, count);
    }
    for (int o = ORDER_YEAR; o <= ORDER_MONTH; o++) {
        if (trials[o].read < count || (steady && !monotonic[o]))
            continue;
        next = spread[o] < least ? least : fmin(next, spread[o]);
        best = spread[o] < least ? o : best;
        least = fmin(least, spread[o]);
    }
    return 2 * least <= next ? best : ORDERS;
}

/* The first word that is two dates in two of the orders; count: there is none. */
static int64_t first_ambiguous(char *const *words, int64_t count, const trial *trials)
{
    for (int64_t i = 0; i < count; i++) {
        int64_t known = INT64_MIN;
        for (int o = ORDER_YEAR; o <= ORDER_MONTH; o++) {
            series_date date;
            if (trials[o].read < count || !series_date_read(words[i], &trials[o].format, &date))
                continue;
            if (known != INT64_MIN && known != date.time)
                return i;
            known = date.time;
        }
    }
    return count;
}

static series_reading good(const trial *t)
{
    return (series_reading){.result = READING_GOOD, .format = t->format, .read = t->read};
}

/* Among the orders of a day, a month and a year in numbers. */
static series_reading choose(char *const *words, int64_t count, const trial *trials)
{
    int64_t row = first_ambiguous(words, count, trials);
    for (int o = ORDER_YEAR; row == count && o <= ORDER_MONTH; o++)
        if (trials[o].read == count)
            return good(&trials[o]);
    int64_t *times = mem_new((size_t)count, sizeof *times);
    int best = times ? best_order(words, count, trials, times) : ORDERS;
    free(times);
    if (best < ORDERS)
        return good(&trials[best]);
    return (series_reading){.result = READING_AMBIGUOUS, .row = row, .read = count};
}

series_reading series_format_of(char *const *words, int64_t count)
{
    trial trials[ORDERS] = {{.read = 0}};
    bool dates = false;
    for (int o = 0; o < ORDERS; o++) {
        trials[o] = try_order(words, count, (enum series_order)o, false);
        if (trials[o].read == count && (o == ORDER_COMPACT || (!trials[o].ordered && !dates)))
            return good(&trials[o]); /* it says itself what it is, or is a number */
        dates = dates || trials[o].read == count;
    }
    if (dates)
        return choose(words, count, trials);
    trial best = {.read = -1};
    for (int o = 0; o < ORDERS; o++) {
        trial t = try_order(words, count, (enum series_order)o, true);
        best = t.read > best.read ? t : best;
    }
    return (series_reading){.result = READING_BAD_WORD, .row = best.bad, .read = best.read};
}
