#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double read_clock(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static double loaded_at;

__attribute__((constructor)) static void note_load(void)
{
    loaded_at = read_clock(CLOCK_MONOTONIC);
}

double clock_seconds(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

/* Field 22 of /proc/self/stat: clock ticks from boot to exec. The name in field 2 may hold blanks
 * and parentheses, so counting begins after the last one. */
double clock_since_start(void)
{
#ifdef __linux__
    static double started = -1; /* the same value whichever thread writes it */
    char line[1024];
    if (started < 0) {
        FILE *file = fopen("/proc/self/stat", "r");
        size_t n = file ? fread(line, 1, sizeof line - 1, file) : 0;
        if (file)
            fclose(file);
        line[n] = '\0';
        char *at = strrchr(line, ')');
        unsigned long long ticks;
        if (at && sscanf(at + 1,
                         " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
                         "%*s %*s %*s %llu",
                         &ticks) == 1)
            started = (double)ticks / (double)sysconf(_SC_CLK_TCK);
    }
    if (started >= 0) {
        double age = read_clock(CLOCK_BOOTTIME) - started;
        if (age >= 0)
            return age;
    }
#endif
    return clock_seconds() - loaded_at;
}

void clock_sleep(double seconds)
{
    struct timespec left = {.tv_sec = (time_t)seconds};
    left.tv_nsec = (long)((seconds - (double)left.tv_sec) * 1e9);
    while (nanosleep(&left, &left) != 0)
        ;
}
