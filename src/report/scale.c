#include "report/scale.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* 1, 2 or 5 times a power of ten, at least x. */
static double round_up(double x)
{
    double power = pow(10, floor(log10(x) + 1e-9)), part = x / power;
    return power * (part <= 1 + 1e-9 ? 1 : part <= 2 + 1e-9 ? 2 : part <= 5 + 1e-9 ? 5 : 10);
}

scale scale_make(double low, double high, bool log, double from, double to)
{
    if (!isfinite(low) || !isfinite(high) || (log && high <= 0)) {
        low = log ? 0.1 : 0;
        high = 1;
    }
    if (log && low <= 0)
        low = high / 1e3;
    if (log) {
        low = pow(10, floor(log10(low) + 1e-9));
        high = pow(10, ceil(log10(high) - 1e-9));
        if (high <= low)
            high = low * 10;
    } else {
        if (high <= low) {
            double room = low == 0 ? 1 : fabs(low) / 10;
            low -= room;
            high += room;
        }
        double step = round_up((high - low) / 6);
        low = floor(low / step + 1e-9) * step;
        high = ceil(high / step - 1e-9) * step;
    }
    return (scale){.low = low, .high = high, .log = log, .from = from, .to = to};
}

double scale_at(const scale *s, double value)
{
    double part = s->log ? (value > 0 ? log(value / s->low) / log(s->high / s->low) : 0)
                         : (value - s->low) / (s->high - s->low);
    part = part >= 0 ? part : 0;
    return s->from + (part <= 1 ? part : 1) * (s->to - s->from);
}

size_t scale_ticks(const scale *s, size_t most, double *ticks)
{
    size_t count = 0;
    if (most > SCALE_MOST_TICKS)
        most = SCALE_MOST_TICKS;
    if (s->log) {
        double decades = log10(s->high / s->low);
        double stride = ceil((decades + 1) / (double)most - 1e-9);
        for (double d = 0; d <= decades + 1e-9 && count < most; d += stride)
            ticks[count++] = s->low * pow(10, d);
        return count;
    }
    double step = round_up((s->high - s->low) / (double)(most > 1 ? most - 1 : 1));
    for (double i = ceil(s->low / step - 1e-9); i * step <= s->high + 1e-9 * step && count < most;
         i++)
        ticks[count++] = i * step;
    return count;
}

const char *scale_label(double value, char out[32])
{
    double size = fabs(value);
    if (value == 0)
        strcpy(out, "0");
    else if (size >= 1e6 || size < 1e-3) {
        int power = (int)floor(log10(size) + 1e-9);
        double part = value / pow(10, power);
        if (fabs(part - 1) < 1e-6)
            snprintf(out, 32, "1e%d", power);
        else
            snprintf(out, 32, "%.3ge%d", part, power);
    } else if (size >= 1000) {
        int thousands = (int)(size / 1000), rest = (int)(size - 1000.0 * thousands + 0.5);
        snprintf(out, 32, "%s%d,%03d", value < 0 ? "-" : "", thousands, rest);
    } else {
        snprintf(out, 32, "%.6g", value);
    }
    return out;
}
