/* Which device a selector means. */
#include "base/env.h"
#include "device/list.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool contains(const char *whole, const char *part)
{
    return strcasestr(whole, part) != NULL;
}

/* "device 0 "GeForce" (GPU), device 1 ..." for messages. */
static void name_devices(text *out, const found_device *found, size_t count, const bool *chosen)
{
    for (size_t i = 0; i < count; i++) {
        const kiln_device_info *info = &found[i].info;
        if (chosen == NULL || chosen[i])
            text_add(out, "%sdevice %zu \"%s\" (%s%s%s)", out->length ? ", " : "", i, info->name,
                     kiln_device_type_name(info->type), info->pci[0] ? ", " : "", info->pci);
    }
}

static kiln_status fail_list(const found_device *found, size_t count, const bool *chosen,
                             const char *selector, const char *why)
{
    text names = {0};
    name_devices(&names, found, count, chosen);
    kiln_status status =
        kiln_fail(KILN_ERROR_ARGUMENT, "device \"%s\" %s %s; choose one by its number", selector,
                  why, names.data ? names.data : "none");
    text_free(&names);
    return status;
}

/* "12" or "0:1": digits only. */
static bool parse_index(const char *selector, int *first, int *second)
{
    char rest;
    *second = -1;
    if (strspn(selector, "0123456789:") != strlen(selector) || !isdigit((unsigned char)selector[0]))
        return false;
    return sscanf(selector, "%9d:%9d%c", first, second, &rest) == 2 ||
           (*second = -1, sscanf(selector, "%9d%c", first, &rest) == 1);
}

/* "0000:01:00.0" or without the domain. */
static bool is_pci(const char *selector, char *full, size_t size)
{
    unsigned domain = 0, bus, slot, function;
    char rest;
    if (sscanf(selector, "%x:%x:%x.%x%c", &domain, &bus, &slot, &function, &rest) != 4) {
        domain = 0;
        if (sscanf(selector, "%x:%x.%x%c", &bus, &slot, &function, &rest) != 3)
            return false;
    }
    snprintf(full, size, "%04x:%02x:%02x.%x", domain, bus, slot, function);
    return true;
}

/* The fastest usable device of a type; measures only when there are several. */
static bool best_of_type(const found_device *found, size_t count, kiln_device_type type,
                         size_t *chosen)
{
    size_t candidates = 0;
    for (size_t i = 0; i < count; i++) {
        if (found[i].info.type != type || found[i].unusable)
            continue;
        *chosen = i;
        candidates++;
    }
    if (candidates < 2)
        return candidates == 1;
    double best = -1;
    for (size_t i = 0; i < count; i++) {
        if (found[i].info.type != type || found[i].unusable)
            continue;
        double speed = list_speed(&found[i]);
        if (speed > best) {
            best = speed;
            *chosen = i;
        }
    }
    return true;
}

static kiln_status select_best(const found_device *found, size_t count, size_t *chosen)
{
    static const kiln_device_type order[] = {KILN_DEVICE_GPU, KILN_DEVICE_ACCELERATOR,
                                             KILN_DEVICE_CPU, KILN_DEVICE_OTHER};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        if (best_of_type(found, count, order[i], chosen))
            return KILN_OK;
    return kiln_fail(KILN_ERROR_DEVICE,
                     "no usable OpenCL device: \"%s\" cannot be used because %s; update its driver",
                     found[0].info.name, found[0].unusable);
}

/* Marks what a part of a name fits: device names first, then platforms, vendors and drivers. */
static size_t match_name(const found_device *found, size_t count, const char *part, bool *fits,
                         size_t *last)
{
    size_t hits = 0;
    for (int round = 0; round < 3 && hits == 0; round++) {
        for (size_t i = 0; i < count; i++) {
            const kiln_device_info *info = &found[i].info;
            fits[i] = round == 0 ? strcasecmp(info->name, part) == 0
                      : round == 1
                          ? contains(info->name, part)
                          : contains(info->platform, part) || contains(info->vendor, part) ||
                                contains(found[i].platform_version, part);
            if (fits[i]) {
                hits++;
                *last = i;
            }
        }
    }
    return hits;
}

static kiln_status select_by_name(const found_device *found, size_t count, const char *selector,
                                  size_t *chosen)
{
    bool *fits = mem_new(count, sizeof *fits);
    if (fits == NULL)
        return kiln_last_status();
    kiln_status status = KILN_OK;
    size_t hits = match_name(found, count, selector, fits, chosen);
    if (hits == 0)
        status = fail_list(found, count, NULL, selector, "does not exist: there is");
    else if (hits > 1)
        status = fail_list(found, count, fits, selector, "could be several:");
    free(fits);
    return status;
}

static kiln_status select_one(const found_device *found, size_t count, const char *selector,
                              size_t *chosen)
{
    static const struct {
        const char *word;
        kiln_device_type type;
    } types[] = {{"gpu", KILN_DEVICE_GPU},
                 {"cpu", KILN_DEVICE_CPU},
                 {"accelerator", KILN_DEVICE_ACCELERATOR}};
    int first, second;
    char pci[64];

    if (parse_index(selector, &first, &second)) {
        for (size_t i = 0; i < count; i++) {
            const kiln_device_info *info = &found[i].info;
            if (second < 0 ? info->index == first
                           : info->platform_index == first && info->device_index == second) {
                *chosen = i;
                return KILN_OK;
            }
        }
        return fail_list(found, count, NULL, selector, "does not exist: there is");
    }
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strcasecmp(selector, types[i].word) != 0)
            continue;
        if (best_of_type(found, count, types[i].type, chosen))
            return KILN_OK;
        return fail_list(found, count, NULL, selector, "does not exist: there is");
    }
    if (is_pci(selector, pci, sizeof pci)) {
        for (size_t i = 0; i < count; i++) {
            if (strcasecmp(found[i].info.pci, pci) == 0) {
                *chosen = i;
                return KILN_OK;
            }
        }
        return fail_list(found, count, NULL, selector, "does not exist: there is");
    }
    return select_by_name(found, count, selector, chosen);
}

kiln_status list_select(const found_device *found, size_t count, const char *selector,
                        const char *skipped, size_t *chosen)
{
    bool from_environment = selector == NULL && (selector = env_get(ENV_DEVICE)) != NULL;
    if (count == 0) {
        text reasons = {0};
        for (const char *at = skipped; at && *at; at += strcspn(at, "\n"), at += *at == '\n')
            text_add(&reasons, "%s%.*s", reasons.length ? ", " : "", (int)strcspn(at, "\n"), at);
        kiln_status status = kiln_fail(
            KILN_ERROR_DEVICE,
            "no OpenCL device was found: %s; install a driver (for a CPU: pocl-opencl-icd)",
            reasons.length ? reasons.data : "no driver announces one");
        text_free(&reasons);
        return status;
    }
    if (selector == NULL || *selector == '\0')
        return select_best(found, count, chosen);
    kiln_status status = select_one(found, count, selector, chosen);
    if (status != KILN_OK)
        return from_environment ? kiln_fail_in("KILN_DEVICE") : status;
    if (found[*chosen].unusable)
        return kiln_fail(KILN_ERROR_DEVICE, "device \"%s\" cannot be used: %s; choose another one",
                         found[*chosen].info.name, found[*chosen].unusable);
    return KILN_OK;
}
