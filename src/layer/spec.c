/* Specs: "leaky_relu(negative_slope=0.1)". */
#include "layer/layer.h"

#include <ctype.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define RING 4

/* ---- numbers, whatever the locale ---- */

const char *spec_number_text(double number, char buffer[SPEC_NUMBER_ROOM])
{
    for (int digits = 15; digits <= 17; digits++) {
        double back;
        snprintf(buffer, SPEC_NUMBER_ROOM, "%.*g", digits, number);
        for (char *c = buffer; *c; c++) /* the locale's decimal point */
            if (!isalnum((unsigned char)*c) && *c != '-' && *c != '+')
                *c = '.';
        if (spec_read_number(buffer, &back) && back == number)
            break;
    }
    return buffer;
}

const char *spec_read_number(const char *source, double *number)
{
    static _Thread_local locale_t c_locale; /* one a thread, for the life of the thread */
    char *end;
    if (c_locale == (locale_t)0)
        c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    double value =
        c_locale == (locale_t)0 ? strtod(source, &end) : strtod_l(source, &end, c_locale);
    if (end == source)
        return NULL;
    *number = value;
    return end;
}

/* ---- hints ---- */

/* Letters to insert, delete or replace to make a into b; 99 for long words. */
static int distance(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    int row[40];
    if (n >= 40 || m >= 40)
        return 99;
    for (size_t j = 0; j <= m; j++)
        row[j] = (int)j;
    for (size_t i = 1; i <= n; i++) {
        int diagonal = row[0];
        row[0] = (int)i;
        for (size_t j = 1; j <= m; j++) {
            int replaced =
                diagonal + (tolower((unsigned char)a[i - 1]) != tolower((unsigned char)b[j - 1]));
            int least = row[j] < row[j - 1] ? row[j] : row[j - 1];
            diagonal = row[j];
            row[j] = replaced < least + 1 ? replaced : least + 1;
        }
    }
    return row[m];
}

const char *spec_hint(const char *word, const char *const *names)
{
    static _Thread_local char ring[RING][96];
    static _Thread_local unsigned turn;
    const char *best = NULL;
    int least = (int)strlen(word) / 3 + 2;
    for (; *names; names++) {
        int d = distance(word, *names);
        if (d < least) {
            least = d;
            best = *names;
        }
    }
    char *out = ring[turn++ % RING];
    if (best)
        snprintf(out, sizeof ring[0], " (did you mean \"%s\"?)", best);
    else
        *out = '\0';
    return out;
}

/* ---- parsing ---- */

typedef struct cursor {
    const char *at, *whole, *what;
} cursor;

static void skip_space(cursor *c)
{
    while (isspace((unsigned char)*c->at))
        c->at++;
}

static kiln_status fail_at(const cursor *c, const char *message)
{
    return kiln_fail(KILN_ERROR_ARGUMENT, "%s \"%.200s\": %s", c->what, c->whole, message);
}

/* A word or a quoted text into out. */
static kiln_status read_word(cursor *c, char *out, size_t room)
{
    size_t n = 0;
    char quote = *c->at == '"' || *c->at == '\'' ? *c->at++ : '\0';
    for (; *c->at; c->at++) {
        if (quote ? *c->at == quote : !isalnum((unsigned char)*c->at) && *c->at != '_')
            break;
        if (n + 1 == room)
            return fail_at(c, "a word in it is too long");
        out[n++] = *c->at;
    }
    out[n] = '\0';
    if (quote && *c->at++ != quote)
        return fail_at(c, "a quote is not closed");
    return KILN_OK;
}

static kiln_status read_value(cursor *c, spec *s, int i)
{
    char word[sizeof s->words[0]];
    const char *end = spec_read_number(c->at, &s->values[i]);
    if (end && !isalpha((unsigned char)*c->at)) { /* "inf" and "nan" are words here */
        c->at = end;
        if (!isfinite(s->values[i]))
            return fail_at(c, "a number in it is out of range");
        return KILN_OK;
    }
    s->values[i] = 0;
    KILN_TRY(read_word(c, word, sizeof word));
    if (*word == '\0')
        return fail_at(c, "a value is missing");
    if (strcasecmp(word, "none") == 0 || strcasecmp(word, "null") == 0)
        s->given_none[i] = true;
    else if (strcasecmp(word, "true") == 0)
        s->values[i] = 1;
    else if (strcasecmp(word, "false") != 0)
        strcpy(s->words[i], word);
    return KILN_OK;
}

static kiln_status read_argument(cursor *c, spec *s)
{
    if (s->count == SPEC_MAX)
        return fail_at(c, "too many arguments");
    int i = s->count++;
    const char *start = c->at;
    if (isalpha((unsigned char)*c->at) || *c->at == '_') {
        KILN_TRY(read_word(c, s->keys[i], sizeof s->keys[i]));
        skip_space(c);
        if (*c->at == '=') {
            c->at++;
            skip_space(c);
            for (int j = 0; j < i; j++)
                if (strcmp(s->keys[j], s->keys[i]) == 0)
                    return fail_at(c, "an argument is given twice");
            return read_value(c, s, i);
        }
        s->keys[i][0] = '\0'; /* a word without a key */
        c->at = start;
    }
    if (i > 0 && s->keys[i - 1][0])
        return fail_at(c, "a value without a name follows one with a name");
    return read_value(c, s, i);
}

kiln_status spec_parse(const char *source, const char *what, spec *out)
{
    cursor c = {source, source, what};
    *out = (spec){0};
    if (source == NULL)
        return kiln_fail(KILN_ERROR_ARGUMENT, "%s is NULL", what);
    skip_space(&c);
    KILN_TRY(read_word(&c, out->name, sizeof out->name));
    if (out->name[0] == '\0')
        return fail_at(&c, "a name is missing");
    skip_space(&c);
    if (*c.at == '(') {
        c.at++;
        skip_space(&c);
        while (*c.at != ')') {
            KILN_TRY(read_argument(&c, out));
            skip_space(&c);
            if (*c.at == ',') {
                c.at++;
                skip_space(&c);
                if (*c.at == ')')
                    break;
            } else if (*c.at != ')') {
                return fail_at(&c, *c.at ? "expected \",\" or \")\" between arguments"
                                         : "the closing \")\" is missing");
            }
        }
        c.at++;
        skip_space(&c);
    }
    if (*c.at)
        return fail_at(&c, "something follows its end");
    return KILN_OK;
}

static int find_argument(const spec *s, const char *key, int position)
{
    for (int i = 0; i < s->count; i++)
        if (s->keys[i][0] ? strcmp(s->keys[i], key) == 0 : i == position)
            return i;
    return -1;
}

double spec_number(const spec *s, const char *key, int position, double fallback)
{
    int i = find_argument(s, key, position);
    return i < 0 || s->given_none[i] || s->words[i][0] ? fallback : s->values[i];
}

kiln_status spec_only(const spec *s, const char *what, const char *const *keys)
{
    int known = 0;
    while (keys[known])
        known++;
    for (int i = 0; i < s->count; i++) {
        bool found = s->keys[i][0] == '\0' && i < known;
        for (int k = 0; k < known && !found; k++)
            found = strcmp(keys[k], s->keys[i]) == 0;
        if (found)
            continue;
        if (s->keys[i][0] == '\0')
            return kiln_fail(KILN_ERROR_ARGUMENT, "%s \"%s\" takes at most %d argument%s", what,
                             s->name, known, known == 1 ? "" : "s");
        return kiln_fail(KILN_ERROR_ARGUMENT, "%s \"%s\" has no argument \"%s\"%s", what, s->name,
                         s->keys[i], spec_hint(s->keys[i], keys));
    }
    return KILN_OK;
}

/* ---- tables ---- */

/* Is word one of the words in list, which are separated by spaces? */
static bool in_list(const char *word, const char *list)
{
    size_t n = strlen(word);
    for (; list && *list; list += strcspn(list, " "), list += *list == ' ')
        if (strncmp(list, word, n) == 0 && (list[n] == ' ' || list[n] == '\0') && n > 0)
            return true;
    return false;
}

const spec_class *spec_find(const spec_class *table, const char *name)
{
    for (; table->name; table++)
        if (strcmp(table->name, name) == 0 ||
            (table->class_name && strcmp(table->class_name, name) == 0) ||
            in_list(name, table->aliases))
            return table;
    return NULL;
}

/* "0 1 2" */
static bool are_whole(const char *numbers)
{
    char *end;
    for (; *numbers; numbers = end) {
        strtol(numbers, &end, 10);
        if (end == numbers)
            return false;
    }
    return true;
}

static kiln_status check_value(const spec *s, int i, const spec_key *key, const char *what)
{
    const char *problem = NULL;
    char wanted[160];
    if (s->given_none[i])
        problem = key->none || key->type == SPEC_NULL ? NULL : "a value";
    else if (key->type == SPEC_NULL)
        problem = "None (anything else is not supported)";
    else if (key->type == SPEC_WORD) {
        snprintf(wanted, sizeof wanted, "one of %s", key->words);
        problem = in_list(s->words[i], key->words) ? NULL : wanted;
    } else if (key->type == SPEC_AXES && s->words[i][0])
        problem = are_whole(s->words[i]) ? NULL : "whole numbers";
    else if (s->words[i][0])
        problem = key->type == SPEC_BOOL ? "true or false" : "a number";
    else if (key->type == SPEC_INTEGER || key->type == SPEC_AXES)
        problem = floor(s->values[i]) == s->values[i] && fabs(s->values[i]) < 0x1p53
                      ? NULL
                      : "a whole number";
    else if (key->type == SPEC_BOOL)
        problem = s->values[i] == 0 || s->values[i] == 1 ? NULL : "true or false";
    if (problem)
        return kiln_fail(KILN_ERROR_ARGUMENT, "%s \"%s\": %s must be %s", what, s->name, key->name,
                         problem);
    return KILN_OK;
}

static kiln_status fail_unknown(const spec_class *table, const char *what, const char *name)
{
    const char *names[96];
    size_t n = 0;
    for (const spec_class *c = table; c->name && n + 1 < sizeof names / sizeof *names; c++)
        names[n++] = c->name;
    names[n] = NULL;
    return kiln_fail(KILN_ERROR_ARGUMENT, "unknown %s \"%s\"%s", what, name,
                     spec_hint(name, names));
}

kiln_status spec_resolve(const spec_class *table, const char *what, const char *source, spec *out,
                         const spec_class **cls)
{
    spec given;
    const char *names[SPEC_MAX + 1] = {NULL};
    KILN_TRY(spec_parse(source, what, &given));
    const spec_class *found = spec_find(table, given.name);
    if (found == NULL)
        return fail_unknown(table, what, given.name);
    for (int k = 0; k < SPEC_MAX && found->keys[k].name; k++)
        names[k] = found->keys[k].name;
    KILN_TRY(spec_only(&given, what, names));
    *out = (spec){0};
    strcpy(out->name, found->name);
    for (int k = 0; names[k]; k++) {
        const spec_key *key = &found->keys[k];
        int i = find_argument(&given, key->name, k);
        strcpy(out->keys[k], key->name);
        out->count = k + 1;
        if (i >= 0) {
            KILN_TRY(check_value(&given, i, key, what));
            out->values[k] = given.values[i];
            strcpy(out->words[k], given.words[i]);
            out->given_none[k] = given.given_none[i];
        } else if (key->required) {
            return kiln_fail(KILN_ERROR_ARGUMENT,
                             "%s \"%s\" needs the argument %s: write \"%s(%s=...)\"", what,
                             found->name, key->name, found->name, key->name);
        } else {
            out->values[k] = key->number;
            out->given_none[k] = key->none || key->type == SPEC_NULL;
            if (key->type == SPEC_WORD)
                snprintf(out->words[k], sizeof out->words[k], "%.*s", (int)strcspn(key->words, " "),
                         key->words);
        }
    }
    if (cls)
        *cls = found;
    return KILN_OK;
}
