/* kiln devices */
#include "base/env.h"
#include "check/check.h"
#include "cli/cli.h"

#include <stdlib.h>
#include <string.h>

static struct {
    const char *device;
    bool json, check, verbose;
} given;

static const option options[] = {
    {"--device", OPTION_TEXT, offsetof(__typeof__(given), device), "D",
     "only this one: an index, platform:device, part of a name, gpu, cpu (all)", 0},
    {"--json", OPTION_FLAG, offsetof(__typeof__(given), json), NULL,
     "an array of objects on standard output", 0},
    {"--check", OPTION_FLAG, offsetof(__typeof__(given), check), NULL,
     "run every family of kernels on each and compare with the host (a text: not with --json)", 0},
    {"--verbose", OPTION_FLAG, offsetof(__typeof__(given), verbose), NULL,
     "also which faster ways are used on each, and why not the others", 0},
};

static void print_size(uint64_t bytes)
{
    if (bytes >= UINT64_C(10) << 30)
        printf("%.0f GiB", (double)bytes / (double)(UINT64_C(1) << 30));
    else if (bytes >= UINT64_C(1) << 30)
        printf("%.1f GiB", (double)bytes / (double)(UINT64_C(1) << 30));
    else if (bytes >= UINT64_C(1) << 20)
        printf("%.0f MiB", (double)bytes / (double)(UINT64_C(1) << 20));
    else
        printf("%.0f KiB", (double)bytes / 1024);
}

static void print_device(const kiln_device_info *d)
{
    printf("%c %d  %s\n", d->is_default ? '*' : ' ', d->index, d->name);
    printf("     address          %d:%d%s%s\n", d->platform_index, d->device_index,
           d->pci[0] ? ", PCI " : "", d->pci);
    printf("     type             %s, %u compute units", kiln_device_type_name(d->type),
           d->compute_units);
    if (d->clock_mhz)
        printf(" at %u MHz", d->clock_mhz);
    printf("\n     vendor           %s\n     driver           %s %s (%s)\n     memory           ",
           d->vendor, d->platform, d->driver, d->version);
    print_size(d->memory);
    printf("%s, largest allocation ", d->has_unified_memory ? " shared with the host" : "");
    print_size(d->largest_allocation);
    printf(", local ");
    print_size(d->local_memory);
    printf("\n     extras           %s%s%s%s\n", d->has_fp16 ? "fp16 " : "",
           d->has_fp64 ? "fp64 " : "", d->has_subgroups ? "subgroups " : "",
           d->has_fp16 || d->has_fp64 || d->has_subgroups ? "" : "none");
}

static kiln_device *open_number(size_t number)
{
    char selector[24];
    snprintf(selector, sizeof selector, "%zu", number);
    return kiln_device_open(selector);
}

/* Opens the device: what is used depends on what its driver says then. */
static int print_paths(size_t number)
{
    kiln_device *device = open_number(number);
    if (device)
        check_recall(device);
    char *paths = device ? kiln_device_paths(device) : NULL;
    kiln_device_close(device);
    if (paths == NULL)
        return cli_fail();
    for (char *line = strtok(paths, "\n"); line; line = strtok(NULL, "\n"))
        printf("     %s\n", line);
    free(paths);
    return EXIT_DONE;
}

static void say_default(const kiln_device_info *devices, size_t count)
{
    bool any = false;
    for (size_t i = 0; i < count; i++)
        any |= devices[i].is_default != 0;
    if (any)
        printf("\n* is used unless --device names another.\n");
    else if (count && env_get(ENV_DEVICE))
        printf("\nKILN_DEVICE is '%s', which none of them is.\n", env_get(ENV_DEVICE));
}

json_t *cli_device(const kiln_device_info *d)
{
    char address[32];
    snprintf(address, sizeof address, "%d:%d", d->platform_index, d->device_index);
    return json_pack(
        "{s:i, s:s, s:b, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, "
        "s:b, s:b, s:b, s:b}",
        "index", d->index, "address", address, "default", d->is_default, "name", d->name, "type",
        kiln_device_type_name(d->type), "vendor", d->vendor, "platform", d->platform, "driver",
        d->driver, "version", d->version, "pci", d->pci, "compute_units",
        (json_int_t)d->compute_units, "clock_mhz", (json_int_t)d->clock_mhz, "memory_bytes",
        (json_int_t)d->memory, "largest_allocation_bytes", (json_int_t)d->largest_allocation,
        "local_memory_bytes", (json_int_t)d->local_memory, "largest_work_group",
        (json_int_t)d->largest_work_group, "base_alignment_bytes", (json_int_t)d->base_alignment,
        "fp16", d->has_fp16, "fp64", d->has_fp64, "subgroups", d->has_subgroups, "unified_memory",
        d->has_unified_memory);
}

/* Which devices are meant: all, or that of --device. */
typedef struct range {
    size_t begin, end;
} range;

static kiln_status choose(size_t found, range *chosen)
{
    *chosen = (range){0, found};
    if (given.device == NULL || found == 0)
        return KILN_OK;
    kiln_device *device = kiln_device_open(given.device);
    if (device == NULL)
        return kiln_last_status();
    chosen->begin = (size_t)kiln_device_describe(device)->index;
    chosen->end = chosen->begin + 1;
    kiln_device_close(device);
    return KILN_OK;
}

static int print_all_json(const kiln_device_info *devices, range chosen)
{
    json_t *list = json_array();
    for (size_t i = chosen.begin; i < chosen.end; i++)
        if (json_array_append_new(list, cli_device(&devices[i])) != 0) {
            /* The only text that JSON refuses is one that is not UTF-8. */
            json_decref(list);
            fprintf(stderr,
                    "kiln: device %zu cannot be described in JSON: its name is not UTF-8 text; "
                    "see kiln devices\n",
                    i);
            return EXIT_FAILED;
        }
    return cli_print_json(list);
}

/* Checks every device; one that fails does not keep the others from their turn. */
static int check_all(range chosen)
{
    int status = EXIT_DONE;
    for (size_t i = chosen.begin; i < chosen.end; i++) {
        char *report = NULL;
        kiln_device *device = open_number(i);
        kiln_status checked = device ? kiln_device_check(device, &report) : kiln_last_status();
        printf("%s%s", i > chosen.begin ? "\n" : "", report ? report : "");
        fflush(stdout);
        if (checked != KILN_OK)
            status = cli_fail();
        kiln_device_close(device);
        free(report);
    }
    return status;
}

static int run(int count, char **words)
{
    int status = options_parse(&command_devices, &given, &count, words);
    if (status >= 0)
        return status;
    if (given.check && given.json)
        return usage_error(&command_devices,
                           "--check and --json: the report of a check is a text; leave one of them out");
    kiln_device_info *devices;
    char *skipped;
    size_t found;
    range chosen;
    if (kiln_devices_list(&devices, &found, &skipped) != KILN_OK)
        return cli_fail();
    if (choose(found, &chosen) != KILN_OK) {
        status = cli_fail();
    } else if (given.check) {
        status = check_all(chosen);
    } else if (given.json) {
        status = print_all_json(devices, chosen);
    } else {
        status = EXIT_DONE;
        for (size_t i = chosen.begin; i < chosen.end; i++) {
            print_device(&devices[i]);
            if (given.verbose && print_paths(i) != EXIT_DONE)
                status = EXIT_FAILED;
        }
        if (given.device == NULL)
            say_default(devices, found);
    }
    if (skipped && skipped[0] && status == EXIT_DONE)
        fprintf(stderr, "%s%s", skipped, skipped[strlen(skipped) - 1] == '\n' ? "" : "\n");
    fflush(stdout);
    if (found == 0) {
        fprintf(stderr, "kiln: no OpenCL device found: no driver announces one; install a driver "
                        "for your device, or pocl-opencl-icd to compute on the CPU\n");
        status = EXIT_FAILED;
    }
    free(devices);
    free(skipped);
    return status;
}

const command command_devices = {
    .name = "devices",
    .arguments = "",
    .summary = "list the OpenCL devices of this machine",
    .help = "Lists every device of every OpenCL platform: what it is, its driver, its memory, and\n"
            "what it can do besides plain OpenCL 1.2. Platforms that fail are skipped and named.\n"
            "--check runs every family of kernels on small tensors, in the ways they can be used,\n"
            "and exits with 1 if a device gives wrong results whichever way it is asked. The first\n"
            "training on a device makes this check by itself, and keeps the verdict. --verbose says\n"
            "which of OpenCL's faster ways are in use, and why not the others.",
    .example = "  kiln devices\n  kiln devices --check --device gpu\n  KILN_DEVICE=gpu kiln fit mlp mnist",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .run = run,
};
