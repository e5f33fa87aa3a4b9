#include "data/packed.h"

#include <archive.h>
#include <archive_entry.h>
#include <string.h>
#include <sys/stat.h>

enum {
    TIMES = 200, /* pictures are packed already: what unpacks to more is made to do harm */
    PIECE = 256 << 10
};
#define ALWAYS_ALLOWED ((int64_t)64 << 20)

struct packed {
    struct archive *archive;
    struct archive_entry *entry;
    char *name;
    int64_t size;     /* of the archive itself */
    int64_t unpacked; /* bytes that came out of it, and that its headers announced */
    bool broken;
};

static packed *new_packed(const char *name)
{
    packed *p = mem_new(1, sizeof *p);
    if (p == NULL)
        return NULL;
    p->name = str_copy(name);
    p->archive = archive_read_new();
    if (p->name == NULL || p->archive == NULL) {
        if (p->name)
            kiln_fail_memory(0);
        packed_close(p);
        return NULL;
    }
    archive_read_support_format_tar(p->archive);
    archive_read_support_format_zip(p->archive);
    archive_read_support_filter_gzip(p->archive);
    return p;
}

static kiln_status damaged(packed *p)
{
    const char *why = archive_error_string(p->archive);
    p->broken = true;
    return kiln_fail(KILN_ERROR_FORMAT, "%s: is a damaged archive (%s)", p->name,
                     why ? why : "it cannot be read");
}

static packed *opened(packed *p, int status)
{
    if (status == ARCHIVE_OK)
        return p;
    damaged(p);
    packed_close(p);
    return NULL;
}

packed *packed_open(const char *path)
{
    struct stat info;
    packed *p = new_packed(path);
    if (p == NULL)
        return NULL;
    p->size = stat(path, &info) == 0 ? info.st_size : 0;
    return opened(p, archive_read_open_filename(p->archive, path, PIECE));
}

packed *packed_open_memory(const void *bytes, size_t size, const char *name)
{
    packed *p = new_packed(name);
    if (p == NULL)
        return NULL;
    p->size = (int64_t)size;
    return opened(p, archive_read_open_memory(p->archive, bytes, size));
}

void packed_close(packed *p)
{
    if (p == NULL)
        return;
    archive_read_free(p->archive);
    free(p->name);
    free(p);
}

bool packed_broken(const packed *p)
{
    return p->broken;
}

void packed_position(const packed *p, int64_t *done, int64_t *total)
{
    *done = archive_filter_bytes(p->archive, -1);
    *total = p->size;
    if (*done > *total)
        *done = *total;
}

/* Counts bytes that come, or that are about to be passed over. */
static kiln_status count(packed *p, int64_t bytes)
{
    if (bytes < 0 || bytes > INT64_MAX / 2 || p->unpacked > INT64_MAX / 2)
        bytes = INT64_MAX / 4;
    p->unpacked += bytes;
    if (p->unpacked <= ALWAYS_ALLOWED || p->unpacked / TIMES <= p->size)
        return KILN_OK;
    p->broken = true;
    return kiln_fail(KILN_ERROR_FORMAT,
                     "%s: unpacks to more than %d times its size; such an archive is not read",
                     p->name, TIMES);
}

/* A name with bytes that the locale does not know comes out only as UTF-8. */
static const char *name_of(struct archive_entry *entry)
{
    const char *name = archive_entry_pathname(entry);
    return name ? name : archive_entry_pathname_utf8(entry);
}

kiln_status packed_next(packed *p, const char **path, bool *folder)
{
    for (;;) {
        *path = NULL;
        int status = archive_read_next_header(p->archive, &p->entry);
        if (status == ARCHIVE_EOF)
            return KILN_OK;
        if (status < ARCHIVE_WARN)
            return damaged(p);
        int type = archive_entry_filetype(p->entry);
        *folder = type == AE_IFDIR;
        if (archive_entry_size_is_set(p->entry))
            KILN_TRY(count(p, archive_entry_size(p->entry)));
        *path = name_of(p->entry);
        if (*path && (type == AE_IFREG || type == AE_IFDIR) &&
            archive_entry_hardlink(p->entry) == NULL)
            return KILN_OK;
    }
}

static kiln_status too_large(packed *p)
{
    return kiln_fail(KILN_ERROR_FORMAT, "%s(%s): has more than %zu MB", p->name, name_of(p->entry),
                     PACKED_MOST_FILE >> 20);
}

kiln_status packed_read(packed *p, void **bytes, size_t *size)
{
    bool known = archive_entry_size_is_set(p->entry);
    int64_t promised = known ? archive_entry_size(p->entry) : 0;
    *bytes = NULL;
    *size = 0;
    if (promised > (int64_t)PACKED_MOST_FILE)
        return too_large(p);
    /* no more than a piece is taken on the word of a header */
    size_t room = promised > 0 && promised < PIECE ? (size_t)promised : PIECE, used = 0;
    uint8_t *data = malloc(room + 1);
    if (data == NULL)
        return kiln_fail_memory(room);
    for (;;) {
        if (used == room + 1) { /* one byte more than promised, to see the end */
            size_t grown = 2 * room;
            uint8_t *more = used > PACKED_MOST_FILE ? NULL : realloc(data, grown + 1);
            if (more == NULL) {
                free(data);
                return used > PACKED_MOST_FILE ? too_large(p) : kiln_fail_memory(grown);
            }
            data = more;
            room = grown;
        }
        la_ssize_t got = archive_read_data(p->archive, data + used, room + 1 - used);
        if (got < 0) {
            kiln_status status = damaged(p);
            p->broken = got == ARCHIVE_FATAL;
            kiln_fail(status, "%s(%s): cannot be unpacked (%s)", p->name, name_of(p->entry),
                      archive_error_string(p->archive) ? archive_error_string(p->archive)
                                                       : "it is damaged");
            free(data);
            return status;
        }
        if (got == 0)
            break;
        used += (size_t)got;
        kiln_status status = known ? KILN_OK : count(p, got);
        if (status != KILN_OK) {
            free(data);
            return status;
        }
    }
    *bytes = data;
    *size = used;
    return KILN_OK;
}

bool packed_is_tar(const unsigned char *bytes, size_t size)
{
    unsigned sum = 0, said = 0;
    if (size < 512)
        return false;
    for (size_t i = 0; i < 512; i++)
        sum += i >= 148 && i < 156 ? ' ' : bytes[i];
    size_t i = 148;
    while (i < 156 && bytes[i] == ' ')
        i++;
    for (; i < 156 && bytes[i] >= '0' && bytes[i] <= '7'; i++)
        said = 8 * said + (unsigned)(bytes[i] - '0');
    return sum == said && bytes[0] != 0;
}
