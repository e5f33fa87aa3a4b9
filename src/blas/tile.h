/* Tiles of the templates gemm_serial.cl and gemm_local.cl. Each element of C is one chain of
 * multiply-adds in order of k whatever the tile, so the choice of tile never changes a result. */
#ifndef BLAS_TILE_H
#define BLAS_TILE_H

#include "blas/blas.h"

typedef struct tile {
    bool serial;        /* gemm_serial.cl: one work-item a block; else gemm_local.cl */
    int tm, tn;         /* elements of C a work-item (serial) or a work-group owns */
    int rm, rn, kb;     /* serial: register tile, rows of op(B) packed at a time */
    int pack_a, pack_b; /* serial: copy the block's operands first */
    int lx, ly, kt;     /* local: work-group, values of k in local memory */
} tile;

enum { TILE_CANDIDATES = 3 };

/* Whether the device's tiles are serial. Those with rows or panels are in any case. */
bool tile_kind_is_serial(const kiln_device *device);

/* The tile that no measurement has chosen. */
void tile_rule(const kiln_device *device, const blas_product *product, tile *out);

/* Lanes of the device's float vectors: 1, 4, 8 or 16. */
int tile_lanes(const kiln_device *device);

/* Sets the register tile of a serial tile: rm and rn. */
void tile_registers(const kiln_device *device, const blas_product *product, tile *t);

/* Tiles worth measuring, the rule's first; returns how many (at least 1). */
int tile_candidates(const kiln_device *device, const blas_product *product,
                    tile out[TILE_CANDIDATES]);

/* Can the tile run on this device? */
bool tile_is_valid(const kiln_device *device, const tile *t);

/* And run this product, with the rows and the panels that it says, and of the kind that the device runs? */
bool tile_fits(const kiln_device *device, const blas_product *product, const tile *t);

/* Fills in a choice of engine BLAS_TILE. */
kiln_status tile_describe(const blas_product *product, const tile *t, blas_choice *choice);

#endif
