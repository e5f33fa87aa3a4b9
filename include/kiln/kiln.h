/* Kiln: neural networks on any OpenCL device. Includes every public header. */
#ifndef KILN_KILN_H
#define KILN_KILN_H

#include "data.h"
#include "device.h"
#include "layers.h"
#include "model.h"
#include "ops.h"
#include "status.h"
#include "text.h"
#include "train.h"
#include "values.h"

#endif
