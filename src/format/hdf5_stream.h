/* What kiln-hdf5, which parses an HDF5 file in a process of its own, writes to its standard output.
 *
 * HDF5_STREAM_MAGIC, then records: a head, its dimensions, its name, its data, nothing between
 * them, in this machine's byte order. The last record is HDF5_RECORD_END or HDF5_RECORD_ERROR; a
 * stream that stops before it was cut off. The reader believes none of it: see hdf5_decode. */
#ifndef FORMAT_HDF5_STREAM_H
#define FORMAT_HDF5_STREAM_H

#include <stdint.h>

#define HDF5_STREAM_MAGIC "KilnHDF5"
#define HDF5_STREAM_VERSION 1

#define HDF5_MAX_RANK 32
#define HDF5_MAX_NAME 4096

typedef enum hdf5_record_kind {
    HDF5_RECORD_END = 1,
    HDF5_RECORD_ERROR, /* data: what is wrong, text */
    HDF5_RECORD_DATA,  /* a data set; name: its path, "layers/dense/vars/0" */
    HDF5_RECORD_TEXTS /* an attribute; name: the object's path, a zero byte, the attribute's name */
} hdf5_record_kind;

typedef enum hdf5_record_type {
    HDF5_TYPE_NONE,
    HDF5_TYPE_FLOAT,   /* float32; those of 16 and 64 bits are converted */
    HDF5_TYPE_INTEGER, /* int64 */
    HDF5_TYPE_TEXT,    /* texts in order, each ended by a zero byte; dims: how many */
    HDF5_TYPE_OTHER    /* no numbers, no texts; data: what it is, text */
} hdf5_record_type;

typedef struct hdf5_record {
    uint8_t kind, type, rank, version;
    uint32_t name_bytes;
    uint64_t data_bytes;
} hdf5_record;

#endif
