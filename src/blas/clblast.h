#ifndef BLAS_CLBLAST_H
#define BLAS_CLBLAST_H

#include "blas/blas.h"

/* Drops what CLBlast holds of every context. */
void clblast_forget(void);

#endif
