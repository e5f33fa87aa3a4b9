#include "base/env.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name, *meaning;
} variables[ENV_COUNT] = {
    [ENV_DEVICE] = {"KILN_DEVICE", "the device to use: an index, platform:device, part of a name, "
                                   "gpu, cpu, accelerator or a PCI address (see kiln devices)"},
    [ENV_DATA_DIR] = {"KILN_DATA_DIR", "a folder with data sets, looked into before the cache"},
    [ENV_DATA_URL] = {"KILN_DATA_URL", "the address data sets are downloaded from"},
    [ENV_CACHE_DIR] = {"KILN_CACHE_DIR", "where programs, measurements and downloads are kept; by "
                                         "default $XDG_CACHE_HOME/kiln or ~/.cache/kiln"},
    [ENV_HELPER_DIR] = {"KILN_HELPER_DIR", "the folder of kiln-hdf5, which reads HDF5 files, in "
                                           "place of the one it was installed in"},
    [ENV_GEMM] = {"KILN_GEMM", "the engine of matrix products: auto (default), clblast or tile"},
    [ENV_CHECK] = {"KILN_CHECK", "off: the device is trusted, its check before the first use left out"},
    [ENV_TUNE] = {"KILN_TUNE", "off: built-in choices, nothing is measured before training"},
    [ENV_DEBUG] = {"KILN_DEBUG", "a comma-separated list of debugging aids (words below)"},
    [ENV_XDG_CACHE_HOME] = {"XDG_CACHE_HOME", "where caches are kept by convention"},
    [ENV_HOME] = {"HOME", "the user's folder"},
    [ENV_POCL_CACHE_DIR] = {"POCL_CACHE_DIR", "where PoCL keeps the kernels that it compiles"},
};

static const struct {
    const char *word, *meaning;
} words[] = {
    {"sync", "wait after each launch, so that an error names the launch that caused it"},
    {"plan", "print the plan of each compiled model"},
    {"dot", "print the graph of each compiled model for Graphviz"},
    {"no-chains", "give each step of a chain of rows a launch of its own"},
    {"no-groups", "do not put independent launches into one kernel"},
    {"no-phases", "do not put launches that wait for each other into one kernel"},
    {"no-gates", "give the cell of a recurrent layer a launch behind its product's"},
    {"no-pooling", "do not pool in the kernels of convolutions"},
    {"no-reuse", "give each result a place of its own while its operands are there"},
    {"no-winograd", "compute convolutions of 3 x 3 taps with all their multiply-adds"},
    {"source", "print the source of each program before it is compiled, and the log of one that "
               "does not compile"},
    {"miscompile", "miscompile:FAULT: plant a fault in the kernels, for trying what finds it"},
    {"compiler", "compiler:crash:TEXT, compiler:hang:TEXT, compiler:wrong:TEXT: what the compiler does "
                 "with a program whose source has TEXT: it ends the process, never returns, or takes fma for "
                 "a sum"},
    {"program-cache", "keep compiled programs on disk also where the driver does so itself"},
    {"fail", "fail:CALL:N: the Nth call of an OpenCL function fails (fail:clFinish:3)"},
    {"vanish", "vanish:CALL:N: from the Nth call on the device answers nothing any more"},
    {"hang", "hang:CALL:N: the Nth call of a function that uses a queue never completes"},
    {"timeout", "timeout:BUSY:IDLE: seconds that a device may take before it counts as lost, and "
                "that it may take while this process does nothing; timeout:SECONDS: both"},
    {"limits", "limits:memory:BYTES, allocation:BYTES, local:BYTES, group:N, items:X:Y:Z, "
               "alignment:BYTES, version:1.2, no-fp16, no-fp64, no-subgroups, threads: a smaller "
               "device; limits:cache:BYTES: a smaller cache of compiled programs"},
};

const char *env_get(env_variable variable)
{
    const char *value = getenv(variables[variable].name);
    return value && *value ? value : NULL;
}

const char *env_name(env_variable variable)
{
    return variables[variable].name;
}

const char *env_meaning(env_variable variable)
{
    return variables[variable].meaning;
}

/* Steps through a comma-separated list; *item is not terminated. */
static bool next_item(const char **list, const char **item, size_t *length)
{
    while (**list == ',' || **list == ' ')
        (*list)++;
    if (**list == '\0')
        return false;
    *item = *list;
    *length = strcspn(*list, ",");
    *list += *length;
    while (*length && (*item)[*length - 1] == ' ')
        (*length)--;
    return true;
}

static bool is_word(const char *item, size_t length, const char *word)
{
    size_t n = strlen(word);
    return length >= n && memcmp(item, word, n) == 0 && (length == n || item[n] == ':');
}

bool env_debug_item(const char *word, int nth, char *value, size_t size)
{
    const char *list = env_get(ENV_DEBUG), *item;
    size_t length, n = strlen(word);
    if (size)
        value[0] = '\0';
    while (list && next_item(&list, &item, &length)) {
        if (!is_word(item, length, word) || nth-- > 0)
            continue;
        if (size && length > n + 1)
            snprintf(value, size, "%.*s", (int)(length - n - 1), item + n + 1);
        return true;
    }
    return false;
}

bool env_debug(const char *word)
{
    return env_debug_item(word, 0, NULL, 0);
}

bool env_tune_is_off(void)
{
    const char *tune = env_get(ENV_TUNE);
    return tune && strcmp(tune, "off") == 0;
}

kiln_status env_check(void)
{
    const char *list = env_get(ENV_DEBUG), *item;
    size_t length, i, count = sizeof words / sizeof *words;
    while (list && next_item(&list, &item, &length)) {
        for (i = 0; i < count && !is_word(item, length, words[i].word); i++)
            ;
        if (i < count)
            continue;
        char known[256] = "";
        for (size_t k = 0, used = 0; k < count && used < sizeof known; k++)
            used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", k ? ", " : "",
                                     words[k].word);
        return kiln_fail(KILN_ERROR_ARGUMENT, "KILN_DEBUG: '%.*s' means nothing; the words are %s",
                         (int)length, item, known);
    }
    return KILN_OK;
}
