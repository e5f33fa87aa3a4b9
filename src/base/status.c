#include "base/status.h"

#include <stdarg.h>
#include <string.h>

static _Thread_local kiln_error_record last;

const char *kiln_last_error(void)
{
    return last.code == KILN_OK ? "" : last.message;
}

kiln_status kiln_last_status(void)
{
    return last.code;
}

void kiln_clear_error(void)
{
    last.code = KILN_OK;
    last.message[0] = '\0';
}

void kiln_error_save(kiln_error_record *record)
{
    *record = last;
}

void kiln_error_restore(const kiln_error_record *record)
{
    last = *record;
}

kiln_status kiln_advise(const char *advice)
{
    if (last.code == KILN_OK || strstr(last.message, "; "))
        return last.code;
    return kiln_fail(last.code, "%s; %s", last.message, advice);
}

/* For the failures whose message says all there is to say. */
static const char *general_advice(kiln_status code)
{
    switch (code) {
    case KILN_ERROR_SHAPE:
        return "change the layers or the data so that their shapes fit";
    case KILN_ERROR_FILE:
        return "check the path and its permissions";
    case KILN_ERROR_FORMAT:
        return "correct the file, or make it again";
    case KILN_ERROR_MEMORY:
        return "use a smaller batch or close other programs";
    case KILN_ERROR_DEVICE:
    case KILN_ERROR_BUILD:
        return "update the driver, or use another device";
    case KILN_ERROR_UNSUPPORTED:
        return "leave it out, or put something else in its place";
    case KILN_ERROR_NUMERIC:
        return "check the data, or lower the learning rate";
    case KILN_ERROR_DOWNLOAD:
        return "check the connection and try again";
    default:
        return "correct what was given and try again";
    }
}

int kiln_report_errors(FILE *stream)
{
    if (last.code == KILN_OK)
        return 0;
    if (last.code != KILN_INTERRUPTED)
        kiln_advise(general_advice(last.code));
    fprintf(stream, "kiln: %s\n", last.message);
    kiln_clear_error();
    return 1;
}

const char *kiln_version(void)
{
    return KILN_VERSION;
}

kiln_status kiln_fail(kiln_status code, const char *format, ...)
{
    va_list args;
    char message[sizeof last.message]; /* the arguments may point into the old message */
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    memcpy(last.message, message, sizeof message);
    last.code = code;
    return code;
}

kiln_status kiln_fail_in(const char *format, ...)
{
    va_list args;
    char place[512];
    va_start(args, format);
    vsnprintf(place, sizeof place, format, args);
    va_end(args);
    return kiln_fail(last.code == KILN_OK ? KILN_ERROR_ARGUMENT : last.code, "%s: %s", place, last.message);
}

kiln_status kiln_fail_null(const char *what)
{
    if (last.code != KILN_OK)
        return last.code;
    return kiln_fail(KILN_ERROR_ARGUMENT, "%s is NULL", what);
}

kiln_status kiln_fail_memory(size_t bytes)
{
    return kiln_fail(KILN_ERROR_MEMORY, "out of memory: %zu bytes could not be allocated on the host; close other programs or use a smaller batch", bytes);
}
