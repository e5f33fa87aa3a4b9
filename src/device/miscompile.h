/* Kernels with planted faults, for trying what finds them: KILN_DEBUG=miscompile:NAME has a driver's fault
 * imitated by other source; compiler:crash:TEXT, compiler:hang:TEXT and compiler:wrong:TEXT a fault of its
 * compiler with the programs that have TEXT in them. */
#ifndef DEVICE_MISCOMPILE_H
#define DEVICE_MISCOMPILE_H

#include "base/memory.h"

/* Fails for a fault that there is none of. */
kiln_status miscompile_check_words(void);

/* Changes a program's source as asked. */
kiln_status miscompile(text *source);

/* Names of all faults; ends with NULL. */
extern const char *const miscompile_names[];

#endif
