#include "base/file.h"

#include "base/clock.h"
#include "base/env.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static const char *advice_for(int error)
{
    switch (error) {
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
    case ENAMETOOLONG:
        return "check the path";
    case EACCES:
    case EPERM:
    case EROFS:
        return "change the permissions or take another place";
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return "make room or take another place";
    case EMFILE:
    case ENFILE:
        return "close other files";
    default:
        return "check the disk or take another place";
    }
}

static kiln_status fail_file(const char *what, const char *path)
{
    return kiln_fail(KILN_ERROR_FILE, "%s %s: %s; %s", path, what, strerror(errno),
                     advice_for(errno));
}

/* Reads to the end: sizes are not to be trusted for pipes and /proc. */
static kiln_status read_all(int file, const char *path, size_t limit, text *out)
{
    for (;;) {
        KILN_TRY(mem_grow(&out->data, &out->capacity, out->length + 65536, 1));
        ssize_t n = read(file, out->data + out->length, out->capacity - out->length - 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_file("cannot be read", path);
        if (n == 0)
            break;
        out->length += (size_t)n;
        if (out->length > limit)
            return kiln_fail(KILN_ERROR_FILE,
                             "%s is larger than %zu bytes, too large for its kind; check that it "
                             "is the right file",
                             path, limit);
    }
    out->data[out->length] = '\0';
    return KILN_OK;
}

kiln_status file_read(const char *path, size_t limit, void **data, size_t *bytes)
{
    text content = {0};
    struct stat about;
    *data = NULL;
    *bytes = 0;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return fail_file("cannot be opened", path);
    kiln_status status = KILN_OK;
    if (fstat(file, &about) == 0 && S_ISREG(about.st_mode)) {
        if ((uint64_t)about.st_size > limit)
            status = kiln_fail(KILN_ERROR_FILE,
                               "%s has %lld bytes, more than the %zu its kind may have; check "
                               "that it is the right file",
                               path, (long long)about.st_size, limit);
        else
            status = mem_grow(&content.data, &content.capacity, (size_t)about.st_size + 2, 1);
    }
    if (status == KILN_OK)
        status = read_all(file, path, limit, &content);
    close(file);
    if (status != KILN_OK) {
        text_free(&content);
        return status;
    }
    *data = content.data;
    *bytes = content.length;
    return KILN_OK;
}

/* Where a write to path ends up: what a symbolic link points to is replaced, not the link. */
static char *final_path(const char *path)
{
    char *real = realpath(path, NULL);
    return real ? real : str_copy(path);
}

static void drop(file_writer *writer)
{
    free(writer->path);
    free(writer->temporary);
    *writer = (file_writer){0};
}

/* A new file beside the final one, with the mode that a new file gets. -1: errno or, without a
 * name, the failure on record says why. */
static int open_temporary(file_writer *writer)
{
    static atomic_uint serial;
    for (int attempt = 0; attempt < 100; attempt++) {
        free(writer->temporary);
        writer->temporary = str_format("%s.%ld-%u.part", writer->path, (long)getpid(),
                                       atomic_fetch_add(&serial, 1));
        if (writer->temporary == NULL)
            return -1;
        int file = open(writer->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (file >= 0 || errno != EEXIST)
            return file;
    }
    return -1;
}

kiln_status file_begin(file_writer *writer, const char *path)
{
    struct stat about;
    *writer = (file_writer){0};
    if (*path == '\0')
        return kiln_fail(KILN_ERROR_FILE, "an empty name cannot be written to; give a file name");
    *writer = (file_writer){.path = final_path(path)};
    if (writer->path == NULL)
        return kiln_last_status();
    if (stat(writer->path, &about) == 0 && S_ISDIR(about.st_mode)) {
        drop(writer);
        return kiln_fail(KILN_ERROR_FILE, "%s cannot be written: it is a folder; give a file name",
                         path);
    }
    bool exists = stat(writer->path, &about) == 0;
    if (exists && !S_ISREG(about.st_mode)) { /* a device or a pipe has no folder to rename in */
        writer->stream = fopen(writer->path, "wb");
        if (writer->stream == NULL) {
            kiln_status status = fail_file("cannot be written", path);
            drop(writer);
            return status;
        }
        return KILN_OK;
    }
    if (exists && access(writer->path, W_OK) != 0) {
        kiln_status status = fail_file("cannot be written", path);
        drop(writer);
        return status;
    }
    int file = open_temporary(writer);
    if (file < 0) {
        kiln_status status =
            writer->temporary ? fail_file("cannot be written", path) : kiln_last_status();
        drop(writer);
        return status;
    }
    if (exists && fchmod(file, about.st_mode & 0777) != 0)
        errno = 0; /* not every file system has modes */
    writer->stream = fdopen(file, "wb");
    if (writer->stream == NULL) {
        kiln_status status = fail_file("cannot be written", path);
        close(file);
        unlink(writer->temporary);
        drop(writer);
        return status;
    }
    return KILN_OK;
}

void file_abandon(file_writer *writer)
{
    if (writer->stream)
        fclose(writer->stream);
    if (writer->temporary)
        unlink(writer->temporary);
    drop(writer);
}

/* A rename lasts only when the folder reached the disk, too. Not every file system can do it. */
static void sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder =
        slash ? str_format("%.*s", slash == path ? 1 : (int)(slash - path), path) : str_copy(".");
    int file = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (file >= 0) {
        fsync(file);
        close(file);
    }
    free(folder);
}

kiln_status file_commit(file_writer *writer)
{
    if (writer->stream == NULL)
        return kiln_fail_null("the file to commit");
    errno = 0;
    bool good = !ferror(writer->stream) && fflush(writer->stream) == 0;
    /* Why an earlier write failed is forgotten by now; one more byte fails for the same reason. */
    if (!good && errno == 0 && write(fileno(writer->stream), "", 1) == 1)
        errno = EIO;
    if (good && writer->temporary)
        good = fsync(fileno(writer->stream)) == 0;
    int error = errno;
    if (fclose(writer->stream) != 0 && good) {
        good = false;
        error = errno;
    }
    writer->stream = NULL;
    if (good && writer->temporary && rename(writer->temporary, writer->path) != 0) {
        good = false;
        error = errno;
    }
    if (!good) {
        errno = error ? error : EIO;
        kiln_status status = fail_file("could not be written", writer->path);
        file_abandon(writer);
        return status;
    }
    if (writer->temporary)
        sync_folder(writer->path);
    drop(writer);
    return KILN_OK;
}

kiln_status file_write_atomic(const char *path, const void *data, size_t bytes)
{
    file_writer writer;
    KILN_TRY(file_begin(&writer, path));
    fwrite(data, 1, bytes, writer.stream); /* file_commit looks at the stream's error */
    return file_commit(&writer);
}

int file_lock(const char *path)
{
    const double patience = 5, nap = 0.002;
    char *folder = str_copy(path), *slash = folder ? strrchr(folder, '/') : NULL;
    if (slash)
        *slash = '\0';
    int lock = folder ? open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1, error = EWOULDBLOCK;
    free(folder);
    for (double waited = 0; lock >= 0 && error == EWOULDBLOCK && waited < patience; waited += nap) {
        error = flock(lock, LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
        if (error == EWOULDBLOCK || error == EINTR) {
            error = EWOULDBLOCK;
            clock_sleep(nap);
        }
    }
    if (lock >= 0 && error) {
        close(lock);
        lock = -1;
    }
    return lock;
}

void file_unlock(int lock)
{
    if (lock >= 0)
        close(lock);
}

void file_remove_parts(const char *path)
{
    char *final = final_path(path), *pattern = final ? str_format("%s.*.part", final) : NULL;
    glob_t found = {0};
    size_t length = final ? strlen(final) : 0;
    if (pattern && strpbrk(final, "*?[\\") == NULL && glob(pattern, GLOB_NOSORT, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++) {
            char *end;
            long process = strtol(found.gl_pathv[i] + length + 1, &end, 10);
            if (process > 0 && *end == '-' && kill((pid_t)process, 0) != 0 && errno == ESRCH)
                unlink(found.gl_pathv[i]);
        }
    globfree(&found);
    free(pattern);
    free(final);
}

kiln_status file_writable(const char *path)
{
    file_writer writer;
    KILN_TRY(file_begin(&writer, path));
    file_abandon(&writer);
    return KILN_OK;
}

bool file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

kiln_status file_make_directories(const char *path)
{
    char *copy = str_copy(path);
    if (copy == NULL)
        return kiln_last_status();
    kiln_status status = KILN_OK;
    for (char *at = copy + 1; status == KILN_OK; at++) {
        if (*at != '/' && *at != '\0')
            continue;
        char end = *at;
        struct stat about;
        *at = '\0';
        if (mkdir(copy, 0777) != 0 &&
            !(errno == EEXIST && stat(copy, &about) == 0 && S_ISDIR(about.st_mode)))
            status = fail_file("cannot be made as a folder", copy);
        *at = end;
        if (end == '\0')
            break;
    }
    free(copy);
    return status;
}

uint64_t file_room(const char *path)
{
    struct statvfs disk;
    char *at = str_copy(path);
    int error = -1;
    while (at && (error = statvfs(at[0] ? at : ".", &disk)) != 0 && errno == ENOENT && at[0]) {
        char *slash = strrchr(at, '/');
        if (slash == at && at[1])
            at[1] = '\0';
        else
            *(slash ? slash : at) = '\0';
    }
    free(at);
    return error == 0 ? (uint64_t)disk.f_bavail * disk.f_frsize : UINT64_MAX;
}

char *file_cache_path(const char *folder, const char *name)
{
    const char *own = env_get(ENV_CACHE_DIR), *shared = env_get(ENV_XDG_CACHE_HOME);
    const char *home = env_get(ENV_HOME);
    char *path, *full;
    if (own)
        path = str_format("%s/%s", own, folder);
    else if (shared && shared[0] == '/') /* the convention ignores relative ones */
        path = str_format("%s/kiln/%s", shared, folder);
    else if (home)
        path = str_format("%s/.cache/kiln/%s", home, folder);
    else {
        kiln_fail(KILN_ERROR_FILE,
                  "there is no folder for the cache: neither KILN_CACHE_DIR nor HOME "
                  "is set; set one of them");
        return NULL;
    }
    if (path == NULL || file_make_directories(path) != KILN_OK) {
        free(path);
        return NULL;
    }
    if (name == NULL)
        return path;
    full = str_format("%s/%s", path, name);
    free(path);
    return full;
}
