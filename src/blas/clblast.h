#ifndef BLAS_CLBLAST_H
#define BLAS_CLBLAST_H

#include "blas/blas.h"

/* What CLBlast multiplies products by: 1, or in tests another number, which makes them wrong. */
extern float clblast_alpha;

/* Drops what CLBlast holds of every context. */
void clblast_forget(void);

#endif
