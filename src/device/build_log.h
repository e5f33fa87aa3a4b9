/* The part of a build log that a user wants to see. */
#ifndef DEVICE_BUILD_LOG_H
#define DEVICE_BUILD_LOG_H

#include "base/memory.h"

/* Appends the first errors of a log, joined by "; ", with the file and line they have in cl/
 * (source is what was compiled, with its #line directives); the log's beginning when no line of it
 * looks like an error. */
void build_log_summary(const char *log, const char *source, text *out);

#endif
