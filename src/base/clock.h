/* Time that only goes forward. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

/* Seconds since some moment; for differences. */
double clock_seconds(void);

/* Seconds since this process was started (by exec), where the system tells; else since the library
 * was loaded. */
double clock_since_start(void);

/* Sleeps. */
void clock_sleep(double seconds);

#endif
