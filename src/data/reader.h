/* A stream of bytes from memory or a file; gzip is found by its first two bytes and unpacked on the
 * way. */
#ifndef DATA_READER_H
#define DATA_READER_H

#include "base/memory.h"

typedef struct data_reader data_reader;

/* NULL on failure. Close with reader_close. */
data_reader *reader_open(const char *path);
/* The bytes must outlive the reader; name is for messages. */
data_reader *reader_open_memory(const void *bytes, size_t size, const char *name);
/* From a function that fills `into` with exactly count bytes of the size there are. */
typedef kiln_status (*reader_source)(void *user, void *into, size_t count);
data_reader *reader_open_source(reader_source source, void *user, uint64_t size, const char *name);
void reader_close(data_reader *reader);

/* What messages call the stream. */
const char *reader_name(const data_reader *reader);
bool reader_is_gzip(const data_reader *reader);

/* Reads up to count bytes; *got is less only at the end of the stream. Fails on a gzip stream that
 * is cut off or damaged. */
kiln_status reader_read(data_reader *reader, void *into, size_t count, size_t *got);

/* The most bytes that can still come: exact for plain data, deflate's best ratio for gzip. A size
 * in a header that passes it is a lie, and no memory needs to be taken to find that out. */
uint64_t reader_most(const data_reader *reader);

/* Bytes handed out so far. */
uint64_t reader_position(const data_reader *reader);

/* Counts what is left, at most `most` bytes of it. */
kiln_status reader_rest(data_reader *reader, uint64_t most, uint64_t *rest);

#endif
