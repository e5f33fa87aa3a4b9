#include "device/build_log.h"

#include <stdio.h>
#include <string.h>

enum { MOST_ERRORS = 3, LONGEST_LINE = 300, LONGEST_NAME = 64 };

/* What the #line directives make of a line of the whole source. */
static void locate(const char *source, int line, char *file, int *file_line)
{
    int current = 1, local = 1, number;
    char name[LONGEST_NAME] = "";
    for (const char *at = source; *at && current < line; current++) {
        if (sscanf(at, "#line %d \"%63[^\"]\"", &number, name) == 2)
            local = number;
        else
            local++;
        at += strcspn(at, "\n");
        at += *at == '\n';
    }
    snprintf(file, LONGEST_NAME, "%s", name);
    *file_line = local;
}

/* Does a directive of the source name this file? */
static bool names_file(const char *source, const char *file)
{
    char quoted[LONGEST_NAME + 4];
    snprintf(quoted, sizeof quoted, " \"%s\"", file);
    for (const char *at = source; (at = strstr(at, "#line ")); at += 6)
        if (strncmp(at + strcspn(at, "\n\""), quoted + 1, strlen(quoted) - 1) == 0)
            return true;
    return false;
}

/* Some drivers ignore #line and count from the beginning of the source: "NAME:LINE:COLUMN: error:
 * ..." with a name of their own. */
static void add_error(const char *line, const char *source, text *out)
{
    char name[LONGEST_NAME], file[LONGEST_NAME];
    int number, column, end = 0, file_line;
    if (sscanf(line, "%63[^: ]:%d:%d:%n", name, &number, &column, &end) == 3 && end > 0 &&
        !names_file(source, name)) {
        locate(source, number, file, &file_line);
        if (file[0]) {
            text_add(out, "%s:%d:%d:%s", file, file_line, column, line + end);
            return;
        }
    }
    text_add(out, "%s", line);
}

void build_log_summary(const char *log, const char *source, text *out)
{
    int errors = 0;
    char copy[LONGEST_LINE + 1];
    for (const char *line = log; *line && errors < MOST_ERRORS;) {
        size_t length = strcspn(line, "\n");
        snprintf(copy, sizeof copy, "%.*s", (int)length, line);
        if (strstr(copy, "error:") || strstr(copy, "error :")) {
            if (errors++)
                text_add(out, "; ");
            add_error(copy, source, out);
        }
        line += length + (line[length] == '\n');
    }
    if (errors > 0)
        return;
    log += strspn(log, " \t\r\n");
    snprintf(copy, sizeof copy, "%s", *log ? log : "the driver gave no reason");
    for (char *at = copy; (at = strpbrk(at, "\r\n"));)
        *at = ' ';
    for (size_t n = strlen(copy); n > 1 && copy[n - 1] == ' '; n--)
        copy[n - 1] = '\0';
    text_add(out, "%s", copy);
}
