#include "blas/record.h"

#include "base/env.h"
#include "base/file.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct entry {
    char *key, *value;
} entry;

typedef struct book {
    struct book *next;
    char *path;
    entry *items;
    size_t count, capacity;
    bool unsaved; /* the file could not be written: what it lacks is kept for this process */
    kiln_error_record why;
} book;

/* Shared by the devices of one kind; lives as long as the process or until record_forget. */
static book *books;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

enum { LARGEST_FILE = 1 << 22 };
static const char first_line[] = "# Kiln's choices for matrix products, format 1";

static entry *find(book *b, const char *key)
{
    for (size_t i = 0; i < b->count; i++)
        if (strcmp(b->items[i].key, key) == 0)
            return &b->items[i];
    return NULL;
}

/* The value NULL removes. */
static void put(book *b, const char *key, const char *value)
{
    entry *old = find(b, key);
    if (value == NULL) {
        if (old) {
            free(old->key);
            free(old->value);
            *old = b->items[--b->count];
        }
        return;
    }
    char *copy = str_copy(value);
    if (copy == NULL)
        return;
    if (old) {
        free(old->value);
        old->value = copy;
        return;
    }
    char *name = str_copy(key);
    if (name == NULL || MEM_PUSH_ROOM(b) != KILN_OK) {
        free(name);
        free(copy);
        return;
    }
    b->items[b->count++] = (entry){name, copy};
}

static void clear(book *b)
{
    for (size_t i = 0; i < b->count; i++) {
        free(b->items[i].key);
        free(b->items[i].value);
    }
    b->count = 0;
}

static void load(book *b)
{
    void *data;
    size_t bytes;
    if (!b->unsaved)
        clear(b);
    if (!file_exists(b->path) || file_read(b->path, LARGEST_FILE, &data, &bytes) != KILN_OK)
        return;
    char *rest = data;
    const char *head = strsep(&rest, "\n");
    if (head && strcmp(head, first_line) == 0)
        for (char *line; (line = strsep(&rest, "\n"));) {
            char *equals = strstr(line, " = ");
            if (line[0] == '#' || equals == NULL || strlen(line) >= RECORD_TEXT)
                continue;
            *equals = '\0';
            put(b, line, equals + 3);
        }
    free(data);
}

static int by_key(const void *a, const void *b)
{
    return strcmp(((const entry *)a)->key, ((const entry *)b)->key);
}

static void save(book *b, const kiln_device *device)
{
    text out = {0};
    text_add(&out, "%s\n# %s, driver %s. Delete a line, or the file, to have it measured again.\n",
             first_line, device->info.name, device->info.driver);
    qsort(b->items, b->count, sizeof *b->items, by_key);
    for (size_t i = 0; i < b->count; i++)
        text_add(&out, "%s = %s\n", b->items[i].key, b->items[i].value);
    b->unsaved = (out.failed ? kiln_fail_memory(out.length) : file_write_atomic(b->path, out.data, out.length)) != KILN_OK;
    if (b->unsaved)
        kiln_error_save(&b->why);
    text_free(&out);
}

/* The lock is held. Bookkeeping never fails its caller: failures leave no trace. NULL without a
 * cache. */
static book *open_book(const kiln_device *device)
{
    char *path = device_record_path(device, "products", NULL);
    if (path == NULL)
        return NULL;
    for (book *b = books; b; b = b->next)
        if (strcmp(b->path, path) == 0) {
            free(path);
            return b;
        }
    book *b = mem_new(1, sizeof *b);
    if (b == NULL) {
        free(path);
        return NULL;
    }
    b->path = path;
    b->next = books;
    books = b;
    load(b);
    return b;
}

bool record_find(kiln_device *device, const char *key, char value[RECORD_TEXT])
{
    kiln_error_record before;
    kiln_error_save(&before);
    bool found = false;
    pthread_mutex_lock(&lock);
    book *b = open_book(device);
    const entry *e = b ? find(b, key) : NULL;
    if (e && strlen(e->value) < RECORD_TEXT) {
        strcpy(value, e->value);
        found = true;
    }
    pthread_mutex_unlock(&lock);
    kiln_error_restore(&before);
    return found;
}

/* Another process may have written in the meantime: its lines are kept. */
static void update(book *b, const kiln_device *device, const char *key, const char *value)
{
    const int other = file_lock(b->path);
    load(b);
    put(b, key, value);
    save(b, device);
    file_unlock(other);
}

void record_keep(kiln_device *device, const char *key, const char *value)
{
    kiln_error_record before;
    kiln_error_save(&before);
    pthread_mutex_lock(&lock);
    book *b = open_book(device);
    if (b)
        update(b, device, key, value);
    pthread_mutex_unlock(&lock);
    kiln_error_restore(&before);
}

kiln_status record_is_saved(kiln_device *device)
{
    kiln_status status = KILN_OK;
    pthread_mutex_lock(&lock);
    book *b = open_book(device);
    if (b && b->unsaved)
        kiln_error_restore(&b->why);
    if (b == NULL || b->unsaved)
        status = kiln_fail(KILN_ERROR_FILE, "what was found is not kept: %s", kiln_last_error());
    pthread_mutex_unlock(&lock);
    return status;
}

void record_forget_all(kiln_device *device, const char *start)
{
    kiln_error_record before;
    kiln_error_save(&before);
    pthread_mutex_lock(&lock);
    book *b = open_book(device);
    if (b) {
        const int other = file_lock(b->path);
        bool changed = false;
        load(b);
        for (size_t i = 0; i < b->count;)
            if (strncmp(b->items[i].key, start, strlen(start)) == 0) {
                put(b, b->items[i].key, NULL);
                changed = true;
            } else {
                i++;
            }
        if (changed)
            save(b, device);
        file_unlock(other);
    }
    pthread_mutex_unlock(&lock);
    kiln_error_restore(&before);
}

static void trying_key(char out[RECORD_TEXT], long process)
{
    snprintf(out, RECORD_TEXT, "trying in process %ld", process);
}

void record_trying(kiln_device *device, const char *key, const char *candidate)
{
    char name[RECORD_TEXT], value[RECORD_TEXT];
    trying_key(name, (long)getpid());
    if (candidate)
        snprintf(value, sizeof value, "%s with %s", key, candidate);
    record_keep(device, name, candidate ? value : NULL);
}

/* Turns what processes left behind that are no more into counts: "ended KEY with CANDIDATE = 2". */
static void bury(book *b, const kiln_device *device)
{
    bool changed = false;
    const int other = file_lock(b->path);
    load(b);
    for (size_t i = 0; i < b->count;) {
        long process;
        char name[RECORD_TEXT + 16];
        if (sscanf(b->items[i].key, "trying in process %ld", &process) != 1 || process <= 1 ||
            kill((pid_t)process, 0) == 0 || errno != ESRCH) {
            i++;
            continue;
        }
        snprintf(name, sizeof name, "ended %s", b->items[i].value);
        const entry *before = find(b, name);
        char count[16];
        snprintf(count, sizeof count, "%d", before ? atoi(before->value) + 1 : 1);
        put(b, b->items[i].key, NULL);
        put(b, name, count);
        changed = true;
        i = 0;
    }
    if (changed)
        save(b, device);
    file_unlock(other);
}

bool record_is_fatal(kiln_device *device, const char *key, const char *candidate)
{
    kiln_error_record before;
    kiln_error_save(&before);
    char name[2 * RECORD_TEXT];
    bool fatal = false;
    pthread_mutex_lock(&lock);
    book *b = open_book(device);
    if (b) {
        bury(b, device);
        snprintf(name, sizeof name, "ended %s with %s", key, candidate);
        const entry *e = find(b, name);
        fatal = e && atoi(e->value) >= 2;
    }
    pthread_mutex_unlock(&lock);
    kiln_error_restore(&before);
    return fatal;
}

void record_forget(kiln_device *device)
{
    pthread_mutex_lock(&lock);
    char *path = device_record_path(device, "products", NULL);
    for (book **at = &books; path && *at;) {
        book *b = *at;
        if (strcmp(b->path, path) == 0) {
            *at = b->next;
            clear(b);
            free(b->items);
            free(b->path);
            free(b);
        } else {
            at = &b->next;
        }
    }
    free(path);
    pthread_mutex_unlock(&lock);
}
