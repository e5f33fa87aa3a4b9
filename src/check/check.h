/* Can a device be trusted? Every family of kernels is run on small tensors of odd sizes, and compared with
 * what the host computes.
 *
 * What comes out wrong is put aside where there is another way: poolings out of convolutions, convolutions in
 * fewer multiplications, launches out of kernels of several, chains of rows, the other kind of kernels (a
 * work-item owns a tile, or shares it). The verdict is kept in a readable file for each device, driver and
 * version of Kiln. */
#ifndef CHECK_CHECK_H
#define CHECK_CHECK_H

#include "blas/blas.h"
#include "device/device.h"

/* Reads the verdict on a device, or runs the check for it, once for an open device; then has the device avoid
 * what is wrong. Fails where no way gives right results: the message names the kernels, what they gave and the
 * driver. KILN_CHECK=off trusts the device. */
kiln_status check_device(kiln_device *device);

/* Has the device avoid what the kept verdict on it says, if there is one; runs nothing. */
void check_recall(kiln_device *device);

/* To be called where a process that may be checking a device is about to end by its own will, or its user's: that is no
 * fault of the device. Async-signal-safe. */
void check_forget_running(void);

/* The engine for products where *engine is asked for: itself, or what KILN_GEMM names. CLBlast asked for by name is
 * compared with the host, once for a device, driver and version of Kiln; where it is wrong, tile takes its place,
 * which is said. (Where nobody asks, each of its products is compared before it is chosen.) */
kiln_status check_engine(kiln_device *device, blas_engine *engine);

/* Seconds after which the check before a first use begins no further case, and kiln_device_check none of
 * what nothing uses; for tests. */
extern double check_patience;

#endif
