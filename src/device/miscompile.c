#include "device/miscompile.h"

#include "base/env.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What is replaced, wherever it stands. A fault whose text is gone would never be found: the check's test
 * plants each of them. Those of one name are beside each other. */
#define FAULTS                                                                                                         \
    FAULT("wrong-index", "tile_b[k * KG_B_ROW + x + j * KILN_LX]", "tile_b[k * KG_B_ROW + x + j]")                     \
    FAULT("missing-barrier", "barrier(CLK_LOCAL_MEM_FENCE);", ";")                                                     \
    FAULT("uninitialized-accumulator", "acc[i][j] = 0.0f;", "acc[i][j] = 0.5f;")                                         \
    FAULT("uninitialized-accumulator", "k0 == 0 ? (float16)0.0f", "k0 == 0 ? (float16)0.5f")                           \
    FAULT("wrong-transpose", "KILN_TB ? (col) * (size_t)KILN_LDB + (k)", "KILN_TB ? (k) * (size_t)KILN_LDB + (col)")    \
    FAULT("nan", "+ log(sum)", "+ log(-sum)")                                                                          \
    FAULT("random-bits", "0xD2511F53u", "0xD2511F51u")                                                                 \
    FAULT("lost-lanes", "for (int j = 0; j < 16; j++) {", "for (int j = 0; j < 15; j++) {")                            \
    FAULT("half-rounding", "vstore_half(", "vstore_half_rtz(1.01f * ")                                                 \
    FAULT("lost-step", "state->position = steps[next].position;", "")                                                  \
    FAULT("momentum", "(V)(KILN_MOMENTUM)", "(V)(-KILN_MOMENTUM)")                                                     \
    FAULT("minimal-filtering", "r1 = d1 + d2, r2 = d2 - d1", "r1 = d1 + d2, r2 = d1 - d2")                              \
    FAULT("shift", "rotate(v, 7u)", "rotate(v, 6u)")

#define FAULT(NAME, FROM, TO) {NAME, FROM, TO},
static const struct {
    const char *name, *from, *to;
} faults[] = {FAULTS};
#undef FAULT
#define FAULT(NAME, FROM, TO) NAME,
const char *const miscompile_names[] = {FAULTS NULL};
#undef FAULT
enum { COUNT = sizeof faults / sizeof *faults };

/* compiler:HOW:TEXT */
enum { COMPILER_WORD = 96 };
static const char *const ways[] = {"crash:", "hang:", "wrong:"};
enum { WAYS = sizeof ways / sizeof *ways };

/* The text a program has to have, and what becomes of it; NULL for what means nothing. */
static const char *compiler_text(const char *word, int *way)
{
    for (*way = 0; *way < WAYS; (*way)++)
        if (strncmp(word, ways[*way], strlen(ways[*way])) == 0 && word[strlen(ways[*way])])
            return word + strlen(ways[*way]);
    return NULL;
}

kiln_status miscompile_check_words(void)
{
    char name[64], word[COMPILER_WORD];
    int way;
    for (int i = 0; env_debug_item("compiler", i, word, sizeof word); i++)
        if (compiler_text(word, &way) == NULL)
            return kiln_fail(KILN_ERROR_ARGUMENT,
                             "KILN_DEBUG: compiler:%s means nothing; it is compiler:crash:TEXT, hang:TEXT or wrong:TEXT",
                             word);
    for (int i = 0; env_debug_item("miscompile", i, name, sizeof name); i++) {
        int k = 0;
        while (k < COUNT && strcmp(faults[k].name, name) != 0)
            k++;
        if (k < COUNT)
            continue;
        text names = {0};
        for (k = 0; k < COUNT; k++)
            if (k == 0 || strcmp(faults[k].name, faults[k - 1].name) != 0)
                text_add(&names, "%s%s", k ? ", " : "", faults[k].name);
        kiln_status status = kiln_fail(KILN_ERROR_ARGUMENT, "KILN_DEBUG: there is no fault '%s'; the faults are %s",
                                       name, names.data ? names.data : "");
        text_free(&names);
        return status;
    }
    return KILN_OK;
}

static kiln_status replace(text *source, const char *from, const char *to)
{
    text changed = {0};
    const char *at = source->data, *found;
    while (at && (found = strstr(at, from)) != NULL) {
        text_bytes(&changed, at, (size_t)(found - at));
        text_add(&changed, "%s", to);
        at = found + strlen(from);
    }
    if (at)
        text_add(&changed, "%s", at);
    text_free(source);
    *source = changed;
    return changed.failed ? kiln_last_status() : KILN_OK;
}

/* A compiler's own faults, by a text in the source. */
static kiln_status break_compiler(text *source)
{
    char word[COMPILER_WORD];
    int way;
    for (int i = 0; env_debug_item("compiler", i, word, sizeof word); i++) {
        const char *has = compiler_text(word, &way);
        if (has == NULL || source->data == NULL || strstr(source->data, has) == NULL)
            continue;
        if (way == 0)
            abort();
        while (way == 1)
            pause();
        text changed = {0};
        text_add(&changed, "#define fma(x, y, z) ((x) + (y) + (z))\n");
        text_bytes(&changed, source->data, source->length);
        text_free(source);
        *source = changed;
    }
    return source->failed ? kiln_last_status() : KILN_OK;
}

kiln_status miscompile(text *source)
{
    char name[64];
    KILN_TRY(break_compiler(source));
    for (int i = 0; env_debug_item("miscompile", i, name, sizeof name); i++)
        for (int k = 0; k < COUNT; k++)
            if (strcmp(faults[k].name, name) == 0)
                KILN_TRY(replace(source, faults[k].from, faults[k].to));
    return KILN_OK;
}
