#include "data/download.h"

#include "base/env.h"
#include "base/file.h"
#include "base/memory.h"
#include "data/addresses.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <kiln/data.h>
#include <pthread.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    STALL_SECONDS = 30, /* without an answer, or below STALL_BYTES a second, is a failure */
    STALL_BYTES = 10,
    REDIRECTS = 5,
};

static _Thread_local struct {
    kiln_download_progress function;
    void *user;
} progress;

void kiln_set_download_progress(kiln_download_progress function, void *user)
{
    progress.function = function;
    progress.user = user;
}

/* One request. */
typedef struct request {
    const download *what;
    CURL *curl;
    int part;      /* the open .part file */
    int64_t start; /* bytes that were there */
    int64_t size;  /* bytes that are there */
    bool began;    /* the first bytes of the answer are in */
    bool too_long, stopped;
    int write_error; /* errno; 0: none */
} request;

static size_t on_data(char *bytes, size_t one, size_t count, void *user)
{
    request *r = user;
    if (!r->began) {
        long code = 0;
        curl_easy_getinfo(r->curl, CURLINFO_RESPONSE_CODE, &code);
        if (r->start > 0 && code != 206) { /* the server sends everything again */
            if (ftruncate(r->part, 0) != 0) {
                r->write_error = errno;
                return 0;
            }
            r->start = r->size = 0;
        }
        r->began = true;
    }
    if ((int64_t)count > r->what->most - r->size) {
        r->too_long = true;
        return 0;
    }
    for (size_t done = 0; done < count;) {
        ssize_t n = pwrite(r->part, bytes + done, count - done, r->size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            r->write_error = n < 0 ? errno : ENOSPC;
            return 0;
        }
        done += (size_t)n;
        r->size += n;
    }
    return count * one;
}

static int on_progress(void *user, curl_off_t total, curl_off_t now, curl_off_t up_total,
                       curl_off_t up_now)
{
    request *r = user;
    (void)up_total, (void)up_now;
    if (progress.function && progress.function(progress.user, r->what->file, r->start + now,
                                               total > 0 ? r->start + total : 0) != 0)
        r->stopped = true;
    return r->stopped;
}

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void start_curl(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

static int patience(const download *what)
{
    return what->patience > 0 ? what->patience : STALL_SECONDS;
}

static kiln_status explain(const request *r, CURLcode code, const char *address, const char *detail)
{
    long answer = 0;
    curl_easy_getinfo(r->curl, CURLINFO_RESPONSE_CODE, &answer);
    if (r->stopped)
        return kiln_fail(KILN_INTERRUPTED, "the download of %s was stopped", address);
    if (r->write_error)
        return kiln_fail(KILN_ERROR_FILE, "%s.part cannot be written: %s", r->what->path,
                         strerror(r->write_error));
    if (r->too_long)
        return kiln_fail(KILN_ERROR_DOWNLOAD, "%s sends more than %" PRId64 " bytes", address,
                         r->what->most);
    if (answer >= 400)
        return kiln_fail(KILN_ERROR_DOWNLOAD, "%s answers with HTTP status %ld", address, answer);
    if (code == CURLE_OPERATION_TIMEDOUT)
        return kiln_fail(KILN_ERROR_DOWNLOAD, "%s does not answer, or sends nothing for %d seconds",
                         address, patience(r->what));
    return kiln_fail(KILN_ERROR_DOWNLOAD, "%s: %s", address,
                     *detail ? detail : curl_easy_strerror(code));
}

/* Asks for what the .part file lacks. *resumed: the file is of two attempts. */
static kiln_status fetch(const download *what, int part, const char *address, bool *resumed)
{
    struct stat info;
    char range[32], detail[CURL_ERROR_SIZE] = "";
    request r = {.what = what, .part = part};
    pthread_once(&curl_once, start_curl);
    r.curl = curl_easy_init();
    if (r.curl == NULL)
        return kiln_fail(KILN_ERROR_DOWNLOAD, "%s: libcurl could not be started", address);
    if (fstat(part, &info) == 0)
        r.start = r.size = info.st_size;
    CURL *curl = r.curl;
    curl_easy_setopt(curl, CURLOPT_URL, address);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "kiln/" KILN_VERSION);
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
#else
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(curl, CURLOPT_MAXREDIRS, (long)REDIRECTS);
    curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)patience(what));
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)patience(what));
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, (long)STALL_BYTES);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, detail);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &r);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &r);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, progress.function == NULL ? 1L : 0L);
    if (r.start > 0) {
        snprintf(range, sizeof range, "%" PRId64 "-", r.start);
        curl_easy_setopt(curl, CURLOPT_RANGE, range);
    }
    CURLcode code = curl_easy_perform(curl);
    long answer = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer);
    *resumed = r.start > 0;
    kiln_status status = KILN_OK;
    /* 416: nothing lies behind what is there; whether that is the file, the check tells */
    if (code != CURLE_OK && !(answer == 416 && r.start > 0))
        status = explain(&r, code, address, detail);
    curl_easy_cleanup(curl);
    return status;
}

static kiln_status cannot_write(const char *path)
{
    return kiln_fail(KILN_ERROR_FILE, "%s cannot be written: %s", path, strerror(errno));
}

/* From one address: once on top of what is there, and from the start when that made a wrong file.
 */
static kiln_status get_from(const download *what, int part, const char *part_path,
                            const char *address)
{
    for (;;) {
        bool resumed = false;
        KILN_TRY(fetch(what, part, address, &resumed));
        kiln_status status = what->check(what->user, part_path);
        if (status == KILN_OK)
            return KILN_OK;
        if (ftruncate(part, 0) != 0)
            return cannot_write(part_path);
        if (!resumed)
            return kiln_fail(KILN_ERROR_DOWNLOAD, "%s sent something else: %s", address,
                             kiln_last_error());
    }
}

/* Opens and locks the .part file. Whoever held the lock before may have renamed it. */
static kiln_status open_part(const char *part_path, int *part)
{
    for (;;) {
        struct stat open_info, path_info;
        *part = open(part_path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (*part < 0)
            return cannot_write(part_path);
        if (flock(*part, LOCK_EX) != 0 && errno != ENOLCK && errno != ENOTSUP && errno != EINTR) {
            kiln_status status = cannot_write(part_path);
            close(*part);
            return status;
        }
        if (fstat(*part, &open_info) == 0 && stat(part_path, &path_info) == 0 &&
            open_info.st_ino == path_info.st_ino && open_info.st_dev == path_info.st_dev)
            return KILN_OK;
        close(*part);
    }
}

static kiln_status get_part(const download *what, int part, const char *part_path)
{
    const char *base = env_get(ENV_DATA_URL);
    size_t count = 0;
    const char *const *folders = base ? &base : addresses_of(what->set, &count);
    if (base)
        count = 1;
    if (count == 0)
        return kiln_fail(KILN_ERROR_DOWNLOAD, "no address is known for %s", what->set);
    kiln_status status = KILN_OK;
    for (size_t i = 0; i < count; i++) {
        const char *slash = folders[i][0] && folders[i][strlen(folders[i]) - 1] == '/' ? "" : "/";
        char *address = base ? str_format("%s%s%s/%s", base, slash, what->set, what->file)
                             : str_format("%s%s%s", folders[i], slash, what->file);
        if (address == NULL)
            return kiln_last_status();
        status = get_from(what, part, part_path, address);
        free(address);
        if (status != KILN_ERROR_DOWNLOAD) /* done, stopped, or a disk that is full */
            return status;
    }
    return status;
}

kiln_status download_get(const download *what)
{
    int part;
    char *part_path = str_format("%s.part", what->path);
    if (part_path == NULL)
        return kiln_last_status();
    kiln_status status = open_part(part_path, &part);
    if (status == KILN_OK) {
        /* another process may have been faster */
        if (!file_exists(what->path) || what->check(what->user, what->path) != KILN_OK) {
            status = get_part(what, part, part_path);
            if (status == KILN_OK && (fsync(part) != 0 || rename(part_path, what->path) != 0))
                status = cannot_write(what->path);
        } else {
            unlink(part_path);
        }
        struct stat info;
        if (status != KILN_OK && fstat(part, &info) == 0 && info.st_size == 0)
            unlink(part_path);
        close(part);
    }
    free(part_path);
    return status;
}
