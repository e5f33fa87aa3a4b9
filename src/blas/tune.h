/* Looking for faster choices than the built-in ones: what to try next, and where it is kept. */
#ifndef BLAS_TUNE_H
#define BLAS_TUNE_H

#include "blas/measure.h"
#include "blas/record.h"

/* A product as the record names it: "32x128x784 NN ld=784,128,128", "... batch=2,8 strides=...", " panel=16",
 * " rows=16", and " tile" where CLBlast takes no part. */
void product_write(const blas_product *p, bool clblast, char out[RECORD_TEXT]);
bool product_read(const char *from, blas_product *p, bool *clblast);

/* Called for each product that blas_choose or blas_choose_rows is asked for and that is worth measuring. NULL: nobody asks. */
extern void (*blas_on_product)(const blas_product *p, bool fused);

/* What is tuned: a product, or a convolution. */
typedef struct workload {
    bool is_convolution, clblast; /* clblast: it may take part */
    blas_product product;         /* of a convolution: the product that it is */
    blas_convolution convolution;
    char key[RECORD_TEXT]; /* in the record */
} workload;

workload workload_of_product(const blas_product *p, bool clblast);
workload workload_of_convolution(const blas_convolution *c);
/* By its key; false for anything else. */
bool workload_read(const char *key, workload *w);

/* Fails where the device has no kernel for it: not every one has those of convolutions with pooling. */
kiln_status workload_check(const kiln_device *device, const workload *w);

/* Multiplications and additions. */
double workload_flops(const workload *w);

/* Whether the device has a kernel of the candidate for it, of the kind that it runs. */
bool workload_takes(const kiln_device *device, const workload *w, const candidate *c);

/* Chooses for a workload: what is on record, or measured now; by rule where that is not worth it, or KILN_TUNE=off. */
kiln_status workload_choose(kiln_device *device, const workload *w, blas_choice *choice);

/* measure or measure_convolution. */
kiln_status workload_measure(kiln_device *device, const workload *w, candidate *list, int count,
                             measure_effort effort);

enum { TUNE_NEIGHBOURS = 32 };
/* Candidates like `from` but for one size; all are valid. Returns how many. */
int tune_neighbours(const kiln_device *device, const workload *w, const candidate *from, candidate out[TUNE_NEIGHBOURS]);

/* What is on record, or the built-in choice. */
kiln_status tune_incumbent(kiln_device *device, const workload *w, candidate *out);

/* Keeps what was found; a later choice takes it as it is. done: nothing better is being looked for. */
void tune_keep(kiln_device *device, const workload *w, const candidate *c, bool done);
/* Was it kept as done? */
bool tune_is_done(kiln_device *device, const workload *w);

/* ---- CLBlast's own parameters: "GEMMK=0 KREG=1 KWG=16 ..." for its kernel Xgemm, through its override ---- */

/* The i-th set to try on a device; NULL behind the last. */
const char *clblast_set(const kiln_device *device, int i);
/* Has CLBlast use a set from now on, its indirect kernel alone. Sets it refuses fail. */
kiln_status clblast_use(kiln_device *device, const char *set);
/* Keeps a set and its speed at a product, which the first use of CLBlast on a device then asks for; speed 0: none. */
void clblast_keep(kiln_device *device, const char *set, const blas_product *p, double gflops);

#endif
