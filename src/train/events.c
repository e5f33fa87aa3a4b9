#include "train/events.h"

#include "base/file.h"
#include "report/picture.h"

#include <errno.h>
#include <math.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BUCKETS = 30 };

/* ---- CRC-32C (Castagnoli), as TFRecord masks it ---- */

static uint32_t crc32c(const unsigned char *data, size_t bytes)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < bytes; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    return ~crc;
}

static uint32_t masked(const void *data, size_t bytes)
{
    uint32_t crc = crc32c(data, bytes);
    return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

static void put_little(unsigned char *out, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        out[i] = (unsigned char)(value >> 8 * i);
}

/* ---- protobuf's wire format ---- */

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

static void add_varint(text *out, uint64_t value)
{
    char bytes[10];
    size_t n = 0;
    do {
        bytes[n] = (char)(value & 0x7f);
        value >>= 7;
        if (value)
            bytes[n] = (char)(bytes[n] | 0x80);
        n++;
    } while (value);
    text_bytes(out, bytes, n);
}

static void add_key(text *out, int field, int kind)
{
    add_varint(out, (uint64_t)field << 3 | (uint64_t)kind);
}

static void add_whole(text *out, int field, uint64_t value)
{
    add_key(out, field, VARINT);
    add_varint(out, value);
}

static void add_bytes(text *out, int field, const void *data, size_t bytes)
{
    add_key(out, field, BYTES);
    add_varint(out, bytes);
    text_bytes(out, data, bytes);
}

static void put_double(text *out, double value)
{
    uint64_t bits;
    unsigned char bytes[8];
    memcpy(&bits, &value, 8);
    put_little(bytes, bits, 8);
    text_bytes(out, (const char *)bytes, 8);
}

static void add_double(text *out, int field, double value)
{
    add_key(out, field, FIXED64);
    put_double(out, value);
}

static void add_float(text *out, int field, float value)
{
    uint32_t bits;
    unsigned char bytes[4];
    memcpy(&bits, &value, 4);
    put_little(bytes, bits, 4);
    add_key(out, field, FIXED32);
    text_bytes(out, (const char *)bytes, 4);
}

/* Appends a message as a field, and frees it. */
static void add_message(text *out, int field, text *message)
{
    out->failed |= message->failed;
    if (!out->failed)
        add_bytes(out, field, message->data ? message->data : "", message->length);
    text_free(message);
}

/* ---- summaries: Summary.value = 1; Value.tag = 1, simple_value = 2, image = 4, histo = 5 ---- */

void summary_scalar(event_summary *s, const char *tag, double value)
{
    text v = {0};
    add_bytes(&v, 1, tag, strlen(tag));
    add_float(&v, 2, (float)value);
    add_message(&s->values, 1, &v);
}

/* HistogramProto: min, max, num, sum, sum_squares, and packed bucket_limit and bucket. */
kiln_status summary_histogram(event_summary *s, const char *tag, const float *values, size_t count)
{
    double low = INFINITY, high = -INFINITY, sum = 0, squares = 0, buckets[BUCKETS] = {0};
    size_t finite = 0;
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(values[i]))
            continue;
        low = values[i] < low ? values[i] : low;
        high = values[i] > high ? values[i] : high;
        sum += values[i];
        squares += (double)values[i] * values[i];
        finite++;
    }
    if (finite == 0)
        low = high = 0;
    double width = (high - low) / BUCKETS;
    for (size_t i = 0; i < count; i++)
        if (isfinite(values[i])) {
            int at = width > 0 ? (int)((values[i] - low) / width) : BUCKETS - 1;
            buckets[at < BUCKETS ? at : BUCKETS - 1]++;
        }
    text limits = {0}, counts = {0}, histogram = {0}, v = {0};
    for (int i = 0; i < BUCKETS; i++) {
        /* Limits have to ascend, also where all values are equal. */
        double limit = i == BUCKETS - 1 ? high
                       : width > 0      ? low + width * (i + 1)
                                        : low - (BUCKETS - 1 - i) * 1e-12 * fmax(1, fabs(low));
        put_double(&limits, limit);
        put_double(&counts, buckets[i]);
    }
    add_double(&histogram, 1, low);
    add_double(&histogram, 2, high);
    add_double(&histogram, 3, (double)finite);
    add_double(&histogram, 4, sum);
    add_double(&histogram, 5, squares);
    add_message(&histogram, 6, &limits);
    add_message(&histogram, 7, &counts);
    add_bytes(&v, 1, tag, strlen(tag));
    add_message(&v, 5, &histogram);
    add_message(&s->values, 1, &v);
    return s->values.failed ? KILN_ERROR_MEMORY : KILN_OK;
}

/* Image: height, width, colorspace (1: grey, 3: red, green, blue), encoded_image_string. */
kiln_status summary_image(event_summary *s, const char *tag, const uint8_t *pixels, int width,
                          int height, int channels)
{
    void *png;
    size_t bytes;
    text image = {0}, v = {0};
    KILN_TRY(picture_png_encode(pixels, width, height, channels, &png, &bytes));
    add_whole(&image, 1, (uint64_t)height);
    add_whole(&image, 2, (uint64_t)width);
    add_whole(&image, 3, (uint64_t)channels);
    add_bytes(&image, 4, png, bytes);
    free(png);
    add_bytes(&v, 1, tag, strlen(tag));
    add_message(&v, 4, &image);
    add_message(&s->values, 1, &v);
    return s->values.failed ? KILN_ERROR_MEMORY : KILN_OK;
}

/* ---- records ---- */

static kiln_status fail(const event_file *e)
{
    return kiln_fail(KILN_ERROR_FILE, "TensorBoard: cannot write %s: %s; is the disk full?",
                     e->path, strerror(errno));
}

/* Frees the event. */
static kiln_status write_record(event_file *e, text *event)
{
    unsigned char head[12], foot[4];
    if (event->failed) {
        text_free(event);
        return KILN_ERROR_MEMORY;
    }
    put_little(head, event->length, 8);
    put_little(head + 8, masked(head, 8), 4);
    put_little(foot, masked(event->data, event->length), 4);
    bool good = fwrite(head, 1, 12, e->file) == 12 &&
                fwrite(event->data, 1, event->length, e->file) == event->length &&
                fwrite(foot, 1, 4, e->file) == 4 && fflush(e->file) == 0;
    text_free(event);
    return good ? KILN_OK : fail(e);
}

/* Event: wall_time = 1, step = 2, file_version = 3, summary = 5. */
static void begin_event(text *event, int64_t step)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    add_double(event, 1, (double)now.tv_sec + (double)now.tv_nsec * 1e-9);
    add_whole(event, 2, (uint64_t)step);
}

kiln_status events_open(event_file *e, const char *folder)
{
    static atomic_uint opened;
    static const char version[] = "brain.Event:2";
    char host[64] = "";
    KILN_TRY(file_make_directories(folder));
    if (gethostname(host, sizeof host - 1) != 0 || host[0] == '\0')
        strcpy(host, "host");
    e->path = str_format("%s/events.out.tfevents.%010lld.%s.%lld.%u", folder, (long long)time(NULL),
                         host, (long long)getpid(), atomic_fetch_add(&opened, 1));
    if (e->path == NULL)
        return KILN_ERROR_MEMORY;
    e->file = fopen(e->path, "wb");
    if (e->file == NULL)
        return fail(e);
    text event = {0};
    begin_event(&event, 0);
    add_bytes(&event, 3, version, sizeof version - 1);
    return write_record(e, &event);
}

kiln_status events_write(event_file *e, event_summary *s, int64_t step)
{
    text event = {0};
    begin_event(&event, step);
    add_message(&event, 5, &s->values);
    return write_record(e, &event);
}

kiln_status events_close(event_file *e)
{
    kiln_status status = e->file && fclose(e->file) != 0 ? fail(e) : KILN_OK;
    free(e->path);
    *e = (event_file){0};
    return status;
}
