/* Environment variables: the one place that reads them. The table is in env.c. */
#ifndef BASE_ENV_H
#define BASE_ENV_H

#include "base/status.h"

typedef enum env_variable {
    ENV_DEVICE,
    ENV_DATA_DIR,
    ENV_DATA_URL,
    ENV_CACHE_DIR,
    ENV_HELPER_DIR,
    ENV_GEMM,
    ENV_CHECK,
    ENV_TUNE,
    ENV_DEBUG,
    ENV_XDG_CACHE_HOME,
    ENV_HOME,
    ENV_POCL_CACHE_DIR,
    ENV_COUNT
} env_variable;

/* The value, or NULL when the variable is unset or empty. Owned by the environment. */
const char *env_get(env_variable variable);

/* The name, "KILN_DEVICE", and what it means, for help texts. */
const char *env_name(env_variable variable);
const char *env_meaning(env_variable variable);

/* KILN_DEBUG is a list, "sync,plan,fail:clFinish:3". Is `word` in it ("plan", or "fail" for
 * "fail:...")? */
bool env_debug(const char *word);

/* KILN_TUNE=off: nothing is measured, and nothing that was is taken. */
bool env_tune_is_off(void);

/* Copies what follows "WORD:" in the nth item of that word (from 0): "clFinish:3". False when there
 * is no such item; value is "" then and for an item without a colon. A longer value is cut. */
bool env_debug_item(const char *word, int nth, char *value, size_t size);

/* Fails for a word in KILN_DEBUG that means nothing (it names the words that do). */
kiln_status env_check(void);

#endif
