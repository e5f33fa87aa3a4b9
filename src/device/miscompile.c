#include "device/miscompile.h"

#include "base/env.h"

#include <string.h>

/* What is replaced, wherever it stands. A fault whose text is gone would never be found: the check's test
 * plants each of them. */
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

kiln_status miscompile_check_words(void)
{
    char name[64];
    for (int i = 0; env_debug_item("miscompile", i, name, sizeof name); i++) {
        int k = 0;
        while (k < COUNT && strcmp(faults[k].name, name) != 0)
            k++;
        if (k < COUNT)
            continue;
        text names = {0};
        for (k = 0; k < COUNT; k++)
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

kiln_status miscompile(text *source)
{
    char name[64];
    for (int i = 0; env_debug_item("miscompile", i, name, sizeof name); i++)
        for (int k = 0; k < COUNT; k++)
            if (strcmp(faults[k].name, name) == 0)
                KILN_TRY(replace(source, faults[k].from, faults[k].to));
    return KILN_OK;
}
