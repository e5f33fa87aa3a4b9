#include "harness/harness.h"

#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct {
    char **selectors;
    size_t count;
} devices;

static void add_device(const char *selector)
{
    devices.selectors = realloc(devices.selectors, (devices.count + 1) * sizeof(char *));
    ck_assert_ptr_nonnull(devices.selectors);
    devices.selectors[devices.count++] = strdup(selector);
}

static void find_devices(void)
{
    const char *wanted = getenv("KILN_TEST_DEVICES");
    if (wanted && *wanted) {
        char *copy = strdup(wanted), *rest = copy;
        for (char *item; (item = strsep(&rest, ","));)
            if (*item)
                add_device(item);
        free(copy);
    } else {
        kiln_device_info *list;
        size_t count;
        harness_ok(kiln_devices_list(&list, &count, NULL));
        for (size_t i = 0; i < count; i++) {
            char selector[16];
            snprintf(selector, sizeof selector, "%d", list[i].index);
            add_device(selector);
        }
        free(list);
    }
    ck_assert_msg(devices.count > 0, "there is no OpenCL device to test on");
}

const char *const *harness_devices(size_t *count)
{
    if (devices.count == 0)
        find_devices();
    *count = devices.count;
    return (const char *const *)devices.selectors;
}

size_t harness_count(void)
{
    size_t count;
    harness_devices(&count);
    return count;
}

kiln_device *harness_open(size_t i)
{
    size_t count;
    const char *selector = harness_devices(&count)[i];
    kiln_device *device = kiln_device_open(selector);
    ck_assert_msg(device != NULL, "device %s: %s", selector, kiln_last_error());
    return device;
}

void harness_close(kiln_device *device)
{
    ck_assert_msg(kiln_device_memory_used(device) == 0, "%llu bytes are left on the device",
                  (unsigned long long)kiln_device_memory_used(device));
    kiln_device_close(device);
}

bool harness_is_slow(const kiln_device *device)
{
    const kiln_device_info *info = kiln_device_describe(device);
    return strstr(info->name, "llvmpipe") || strstr(info->platform, "Oclgrind");
}

static char folder[256];

const char *harness_folder(void)
{
    if (folder[0] == '\0') {
        const char *base = getenv("TMPDIR");
        snprintf(folder, sizeof folder, "%s/kiln-test-XXXXXX", base && *base ? base : "/tmp");
        ck_assert_ptr_nonnull(mkdtemp(folder));
    }
    return folder;
}

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *place)
{
    (void)about, (void)kind, (void)place;
    return remove(path);
}

void harness_remove_folder(void)
{
    if (folder[0])
        nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    folder[0] = '\0';
}

/* Check's own limit of 4 seconds is for tests without a compiler in them. */
__attribute__((constructor)) static void set_timeout(void)
{
    setenv("CK_DEFAULT_TIMEOUT", "240", 0);
}

int harness_run(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
