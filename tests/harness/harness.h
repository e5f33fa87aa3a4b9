/* What test programs share.
 *
 * Check runs each test in a process of its own, forked from one that must not have touched OpenCL
 * (drivers' threads do not survive a fork): ask for devices inside tests only. */
#ifndef HARNESS_H
#define HARNESS_H

#include "device/device.h"

#include <check.h>
#include <string.h>

/* The devices to test on, as selectors for kiln_device_open: those that KILN_TEST_DEVICES names,
 * separated by commas, else all that can be used. Fails the test when there is none. Made once per
 * process. */
const char *const *harness_devices(size_t *count);

/* for each device: HARNESS_EACH_DEVICE(device) { ... } opens, runs the body, and closes it. */
#define HARNESS_EACH_DEVICE(device)                                                                \
    for (size_t harness_i_ = 0, harness_n_ = harness_count(); harness_i_ < harness_n_;             \
         harness_i_++)                                                                             \
        for (kiln_device *device = harness_open(harness_i_); device;                               \
             harness_close(device), device = NULL)
size_t harness_count(void);
kiln_device *harness_open(size_t i);     /* fails the test when it does not open */
void harness_close(kiln_device *device); /* checks that no memory is left */

/* Is this device so slow (an interpreter, a software GPU) that tests should use their smallest
 * sizes? */
bool harness_is_slow(const kiln_device *device);

/* The status is KILN_OK; else the test fails with the message on record. */
#define harness_ok(expression)                                                                     \
    do {                                                                                           \
        kiln_status harness_status_ = (expression);                                                \
        ck_assert_msg(harness_status_ == KILN_OK, "%s: %s", #expression, kiln_last_error());       \
    } while (0)

/* The expression fails with this code and a message that has `part` in it. */
#define harness_fails(expression, code, part)                                                      \
    do {                                                                                           \
        kiln_status harness_status_ = (expression);                                                \
        ck_assert_msg(harness_status_ == (code), "%s: status %d, message: %s", #expression,        \
                      harness_status_, kiln_last_error());                                         \
        ck_assert_msg(strstr(kiln_last_error(), (part)) != NULL, "no \"%s\" in: %s", (part),       \
                      kiln_last_error());                                                          \
    } while (0)

/* A fresh folder for the test's files; removed by harness_remove_folder. */
const char *harness_folder(void);
void harness_remove_folder(void);

/* Runs a suite with the options of the environment; what main returns. */
int harness_run(Suite *suite);

#endif
