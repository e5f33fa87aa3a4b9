#include "data/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { CHUNK = 1 << 18 };

/* deflate cannot pack more than this into a byte */
#define DEFLATE_RATIO 1032u

struct data_reader {
    char *name;
    int file;                    /* -1: memory or a function */
    const unsigned char *memory; /* what is left of it; NULL: a function */
    reader_source source;
    void *user;
    uint64_t left; /* packed bytes not yet read */
    uint64_t position;
    bool gzip, ended; /* ended: the gzip stream is complete */
    z_stream stream;
    unsigned char *chunk; /* CHUNK bytes */
};

static kiln_status open_regular(const char *path, int *file, uint64_t *size)
{
    struct stat info;
    *file = open(path, O_RDONLY | O_CLOEXEC);
    if (*file < 0)
        return kiln_fail(KILN_ERROR_FILE, "%s cannot be opened: %s", path, strerror(errno));
    if (fstat(*file, &info) != 0 || !S_ISREG(info.st_mode)) {
        close(*file);
        return kiln_fail(KILN_ERROR_FILE, "%s is %s; a regular file is needed", path,
                         S_ISDIR(info.st_mode) ? "a directory" : "no file");
    }
    *size = (uint64_t)info.st_size;
    return KILN_OK;
}

static kiln_status read_all(int file, const char *name, void *into, size_t count)
{
    for (size_t done = 0; done < count;) {
        ssize_t n = read(file, (char *)into + done, count - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return kiln_fail(KILN_ERROR_FILE, "%s cannot be read: %s", name, strerror(errno));
        if (n == 0)
            return kiln_fail(KILN_ERROR_FILE, "%s was cut off while it was read", name);
        done += (size_t)n;
    }
    return KILN_OK;
}

/* Packed bytes, as many as are there, at most count. */
static kiln_status raw_read(data_reader *r, void *into, size_t count, size_t *got)
{
    if (count > r->left)
        count = (size_t)r->left;
    if (r->file >= 0) {
        KILN_TRY(read_all(r->file, r->name, into, count));
    } else if (r->source) {
        KILN_TRY(r->source(r->user, into, count));
    } else if (count > 0) {
        memcpy(into, r->memory, count);
        r->memory += count;
    }
    r->left -= count;
    *got = count;
    return KILN_OK;
}

/* Fills the chunk behind what inflate has not used yet. */
static kiln_status refill(data_reader *r)
{
    size_t got = 0;
    memmove(r->chunk, r->stream.next_in, r->stream.avail_in);
    KILN_TRY(raw_read(r, r->chunk + r->stream.avail_in, CHUNK - r->stream.avail_in, &got));
    r->stream.next_in = r->chunk;
    r->stream.avail_in += (unsigned)got;
    return KILN_OK;
}

/* Takes the file over. */
static data_reader *start(const char *name, data_reader given)
{
    data_reader *r = mem_new(1, sizeof *r);
    if (r == NULL) {
        if (given.file >= 0)
            close(given.file);
        return NULL;
    }
    *r = given;
    r->chunk = malloc(CHUNK);
    if (r->chunk == NULL)
        kiln_fail_memory(CHUNK);
    r->stream.next_in = r->chunk;
    r->name = str_copy(name);
    if (r->name == NULL || r->chunk == NULL || refill(r) != KILN_OK) {
        reader_close(r);
        return NULL;
    }
    if (r->stream.avail_in >= 2 && r->chunk[0] == 0x1f && r->chunk[1] == 0x8b) {
        int code = inflateInit2(&r->stream, 15 + 16);
        if (code != Z_OK) {
            kiln_fail_memory(1 << 16);
            reader_close(r);
            return NULL;
        }
        r->gzip = true;
    }
    return r;
}

data_reader *reader_open(const char *path)
{
    int file;
    uint64_t size = 0;
    if (open_regular(path, &file, &size) != KILN_OK)
        return NULL;
    return start(path, (data_reader){.file = file, .left = size});
}

data_reader *reader_open_memory(const void *bytes, size_t size, const char *name)
{
    return start(name, (data_reader){.file = -1, .memory = bytes, .left = size});
}

data_reader *reader_open_source(reader_source source, void *user, uint64_t size, const char *name)
{
    return start(name, (data_reader){.file = -1, .source = source, .user = user, .left = size});
}

void reader_close(data_reader *r)
{
    if (r == NULL)
        return;
    if (r->gzip)
        inflateEnd(&r->stream);
    if (r->file >= 0)
        close(r->file);
    free(r->chunk);
    free(r->name);
    free(r);
}

const char *reader_name(const data_reader *r)
{
    return r->name;
}

bool reader_is_gzip(const data_reader *r)
{
    return r->gzip;
}

uint64_t reader_position(const data_reader *r)
{
    return r->position;
}

uint64_t reader_most(const data_reader *r)
{
    uint64_t packed = r->left + r->stream.avail_in;
    if (!r->gzip)
        return packed;
    if (r->ended && packed == 0)
        return 0;
    /* what inflate holds back in its window, and its bits, come on top */
    return packed > (UINT64_MAX >> 12) ? UINT64_MAX : packed * DEFLATE_RATIO + (1 << 16);
}

static kiln_status damaged(const data_reader *r, const char *how)
{
    return kiln_fail(KILN_ERROR_FORMAT,
                     "%s: the gzip stream %s after %" PRIu64 " unpacked bytes; get the file again",
                     r->name, how, r->position);
}

/* At the end of a gzip member: another one may follow (as `cat a.gz b.gz` makes). */
static kiln_status next_member(data_reader *r)
{
    r->ended = true;
    if (r->stream.avail_in < 2 && r->left > 0)
        KILN_TRY(refill(r));
    if (r->stream.avail_in == 0)
        return KILN_OK;
    if (r->stream.avail_in < 2 || r->stream.next_in[0] != 0x1f || r->stream.next_in[1] != 0x8b)
        return kiln_fail(KILN_ERROR_FORMAT,
                         "%s: %" PRIu64 " bytes that are not gzip follow the gzip stream", r->name,
                         r->left + r->stream.avail_in);
    if (inflateReset(&r->stream) != Z_OK)
        return damaged(r, "is damaged");
    r->ended = false;
    return KILN_OK;
}

static kiln_status gzip_read(data_reader *r, void *into, size_t count, size_t *got)
{
    size_t done = 0;
    while (done < count && !r->ended) {
        if (r->stream.avail_in == 0) {
            if (r->left == 0)
                return damaged(r, "ends");
            KILN_TRY(refill(r));
        }
        unsigned room = count - done > 1u << 30 ? 1u << 30 : (unsigned)(count - done);
        r->stream.next_out = (unsigned char *)into + done;
        r->stream.avail_out = room;
        int code = inflate(&r->stream, Z_NO_FLUSH);
        size_t made = room - r->stream.avail_out;
        done += made;
        r->position += made;
        if (code == Z_STREAM_END)
            KILN_TRY(next_member(r));
        else if (code == Z_MEM_ERROR)
            return kiln_fail_memory(1 << 16);
        else if (code != Z_OK && code != Z_BUF_ERROR)
            return damaged(r, "is damaged");
    }
    *got = done;
    return KILN_OK;
}

kiln_status reader_read(data_reader *r, void *into, size_t count, size_t *got)
{
    if (r->gzip)
        return gzip_read(r, into, count, got);
    size_t ready = count < r->stream.avail_in ? count : r->stream.avail_in, more = 0;
    if (ready > 0)
        memcpy(into, r->stream.next_in, ready);
    r->stream.next_in += ready;
    r->stream.avail_in -= (unsigned)ready;
    if (ready < count)
        KILN_TRY(raw_read(r, (char *)into + ready, count - ready, &more));
    *got = ready + more;
    r->position += *got;
    return KILN_OK;
}

kiln_status reader_rest(data_reader *r, uint64_t most, uint64_t *rest)
{
    unsigned char scratch[4096];
    *rest = 0;
    while (*rest < most) {
        uint64_t want = most - *rest;
        size_t got;
        KILN_TRY(
            reader_read(r, scratch, want < sizeof scratch ? (size_t)want : sizeof scratch, &got));
        if (got == 0)
            break;
        *rest += got;
    }
    return KILN_OK;
}
