#include "cli/timeline.h"

#include <math.h>
#include <string.h>

enum { WIDTH = 40, MOST_LINES = 40, LONGEST_NAME = 44 };

static double end_of(const profile_span *step, size_t launches)
{
    return step[launches - 1].start + step[launches - 1].seconds - step[0].start;
}

const profile_span *timeline_shortest(const profile_span *spans, size_t count, size_t launches)
{
    const profile_span *best = NULL;
    for (size_t i = 0; launches && i + launches <= count; i += launches)
        if (best == NULL || end_of(&spans[i], launches) < end_of(best, launches))
            best = &spans[i];
    return best;
}

/* Is this launch among the MOST_LINES longest? */
static bool is_shown(const profile_span *step, size_t launches, size_t i)
{
    size_t longer = 0;
    for (size_t k = 0; k < launches; k++)
        longer +=
            step[k].seconds > step[i].seconds || (step[k].seconds == step[i].seconds && k < i);
    return longer < MOST_LINES;
}

/* A bar from start to end on a line as long as the step: at least one cell. */
static void draw(char bar[WIDTH + 1], double start, double end, double whole)
{
    int from = whole > 0 ? (int)(start / whole * WIDTH) : 0,
        to = whole > 0 ? (int)ceil(end / whole * WIDTH) : 0;
    from = from > WIDTH - 1 ? WIDTH - 1 : from;
    to = to <= from ? from + 1 : to > WIDTH ? WIDTH : to;
    memset(bar, ' ', WIDTH);
    memset(bar + from, '#', (size_t)(to - from));
    bar[WIDTH] = '\0';
}

void timeline_print(const profile_row *rows, const profile_span *step, size_t launches, FILE *out)
{
    const double whole = end_of(step, launches);
    double busy = 0;
    size_t left_out = 0;
    for (size_t i = 0; i < launches; i++)
        busy += step[i].seconds;
    fprintf(out, "\none step, the shortest of the last ones: %.1f us, %.0f %% of it in launches\n",
            1e6 * whole, whole > 0 ? 100 * busy / whole : 100);
    fprintf(out, "%10s %10s  |%-*s|  launch\n", "from us", "for us", WIDTH, "");
    for (size_t i = 0; i < launches; i++) {
        char bar[WIDTH + 1];
        const double start = step[i].start - step[0].start;
        if (!is_shown(step, launches, i)) {
            left_out++;
            continue;
        }
        draw(bar, start, start + step[i].seconds, whole);
        fprintf(out, "%10.1f %10.1f  |%s|  %.*s%s%s\n", 1e6 * start, 1e6 * step[i].seconds, bar,
                LONGEST_NAME, rows[step[i].row].name, rows[step[i].row].layer[0] ? ", " : "",
                rows[step[i].row].layer);
    }
    if (left_out)
        fprintf(out, "and %zu shorter ones; --trace FILE.json has them all\n", left_out);
}
