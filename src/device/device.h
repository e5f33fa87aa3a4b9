/* An open device: context, queues, memory account, programs, launches.
 *
 * Every OpenCL call of the library goes through here (CLBlast's own calls apart), so that errors get a
 * sentence, a lost device is noticed in one place, and KILN_DEBUG can make any call fail. */
#ifndef DEVICE_DEVICE_H
#define DEVICE_DEVICE_H

#include "base/memory.h"

#include <CL/cl.h>
#include <kiln/device.h>

typedef struct device_profile device_profile; /* profile.h */
typedef struct program_table program_table;   /* program.h */
typedef struct device_waiter device_waiter;   /* wait.h */

struct kiln_device {
    kiln_device_info info;
    cl_platform_id platform;
    cl_device_id id;
    cl_context context;
    cl_command_queue queue;    /* compute, in order */
    cl_command_queue transfer; /* staged uploads, in order; NULL: with the rest */
    program_table *programs;
    device_profile *profile; /* NULL: not profiling */
    device_waiter *waiter;   /* bounds every wait */
    uint64_t used, peak;     /* bytes */
    bool lost;               /* a call failed in a way no later call survives */
    char lost_because[512];  /* the sentence of that failure; every later call fails with it */
    bool flushed;            /* a queue was flushed since it was last waited for */
    bool synchronous;        /* KILN_DEBUG=sync: finish after each launch */
    bool serial_kernels;     /* prefer kernels in which a work-item owns a tile (CPU drivers) to kernels with local memory */
    unsigned avoid;          /* DEVICE_AVOID_...: what plans do without */
    bool checked;            /* check_device has trusted it */
    bool clblast_ready;      /* CLBlast has been given the parameters on record */
    int clblast_verdict;     /* of check_engine: 1 right, -1 wrong, 0 not known yet */
    uint64_t group_limit;    /* work-items of a work-group: the device's most, or fewer where a kernel allowed fewer */
    int references;          /* guarded by a lock in device.c */
};

/* What plans can do without, where a driver gets it wrong, or KILN_DEBUG asks for it (no-pooling ...). */
enum {
    DEVICE_AVOID_POOLING = 1, /* poolings in the kernels of convolutions */
    DEVICE_AVOID_GROUPS = 2,  /* independent launches in one kernel */
    DEVICE_AVOID_CHAINS = 4,  /* several launches for a block of rows in one kernel */
    DEVICE_AVOID_WINOGRAD = 8, /* convolutions of 3 x 3 taps in fewer multiplications */
    DEVICE_AVOID_PHASES = 16, /* launches that wait for each other in one kernel */
    DEVICE_AVOID_ALL = 31
};

/* "FOLDER/NAME-DRIVER-UNITS[-limits-...][-MORE].txt" in the cache: where figures of a device are kept; those of one that
 * KILN_DEBUG makes smaller are kept apart. The path is the caller's; NULL on failure. */
char *device_record_path(const kiln_device *device, const char *folder, const char *more);

/* Another owner; every owner calls kiln_device_close. */
kiln_device *device_retain(kiln_device *device);

/* Turns an OpenCL error into a failure on record: "WHAT failed on DEVICE: CL_NAME (-5): what it means; what to do". CL_SUCCESS passes.
 * Errors that mean the device is gone mark it lost. */
kiln_status device_check(kiln_device *device, cl_int error, const char *call, const char *format, ...) KILN_PRINTF(4, 5);

/* "CL_OUT_OF_RESOURCES" */
const char *device_error_name(cl_int error);

/* Memory. `what` names the use in messages ("activations", "MNIST images"). A request over the device's largest allocation or
 * its memory fails with both sizes in the message, before the driver is asked. bytes 0 is rounded up to 4. */
kiln_status device_alloc(kiln_device *device, size_t bytes, const char *what, cl_mem *memory);
void device_free(kiln_device *device, cl_mem memory); /* NULL is allowed */
kiln_status device_write(kiln_device *device, cl_mem memory, size_t offset, const void *data, size_t bytes); /* blocking */
/* Enqueued, in order with the launches; data must stay until device_finish. */
kiln_status device_write_later(kiln_device *device, cl_mem memory, size_t offset, const void *data,
                               size_t bytes);
/* Enqueued on the transfer queue, beside the launches; data must stay, and memory is not to be used, until device_finish. */
kiln_status device_upload(kiln_device *device, cl_mem memory, size_t offset, const void *data,
                          size_t bytes);
kiln_status device_read(kiln_device *device, cl_mem memory, size_t offset, void *data, size_t bytes);        /* blocking */
kiln_status device_fill_zero(kiln_device *device, cl_mem memory, size_t offset, size_t bytes);              /* enqueued */
kiln_status device_copy(kiln_device *device, cl_mem from, size_t from_offset, cl_mem to, size_t to_offset, size_t bytes); /* enqueued */

/* Waits for everything enqueued. Fails if the device is lost. */
kiln_status device_finish(kiln_device *device);
kiln_status device_flush(kiln_device *device);

/* Programs. The source is a text put together by the caller with source_file() and text_add(); common.clh is put
 * before it here. Built once per device and source+options, kept on disk where the driver does not do so itself.
 * label is for messages and the progress line. The program stays the device's. */
kiln_status device_program(kiln_device *device, const char *label, const char *source, const char *options, cl_program *program);

/* Gives a program back that will not be used again (a candidate that lost): it is not kept on disk. Its kernels may
 * live on. */
void device_program_drop(kiln_device *device, cl_program program);

/* A kernel of such a program; the caller releases it with clReleaseKernel. */
kiln_status device_kernel(kiln_device *device, cl_program program, const char *name, cl_kernel *kernel);

/* Work-items that a work-group of this kernel may have: what the driver says of it, and the device's limit. */
kiln_status device_kernel_group(kiln_device *device, cl_kernel kernel, uint64_t *most);

/* Appends an embedded file of cl/ with a #line directive ("elementwise.cl"), so that a build log names it. */
kiln_status source_file(text *source, const char *file);

/* Called before a program is compiled from source (not when it comes from a cache): lets the program say what
 * the first run waits for. NULL: silence. One per process; set before the first device is opened. */
extern void (*device_on_compile)(const char *label);

/* Called when a device turns out to need another way of computing (`way`: "with ..." or "without ..."), because of `why`. NULL: silence. One per
 * process, like device_on_compile. */
extern void (*device_on_warning)(const char *way, const char *why);

/* Enqueues a launch. global and local have dims entries; local NULL: the driver's choice. name and what are for the
 * profile and messages (kernel's name; layer or shape), flops and bytes for its figures; layer (or NULL) as the profile
 * has it on its own. */
typedef struct device_launch_info {
    const char *name, *what;
    double flops, bytes;
    const char *layer;
} device_launch_info;
kiln_status device_launch(kiln_device *device, cl_kernel kernel, int dims, const size_t *global, const size_t *local,
                          const device_launch_info *info);

#endif
