/* Starting kiln-hdf5 and listening to it. */
#include "format/hdf5_file.h"

#include "base/clock.h"
#include "base/env.h"
#include "base/file.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define HELPER "kiln-hdf5"

/* Tensors may take so much more than the file: deflate can pack them. */
#define OUTPUT_LEAST ((uint64_t)256 << 20)
#define OUTPUT_RATIO 20
/* Beside what it hands back: libhdf5 itself and its tables. */
#define MEMORY_MORE ((uint64_t)512 << 20)
#define SECONDS_LEAST 30
#define BYTES_A_SECOND ((uint64_t)8 << 20)

extern char **environ;

/* ---- where it is ---- */

static bool runs(const char *path)
{
    return path && access(path, X_OK) == 0;
}

/* The folder of the file that holds this code: the library's or, where it was linked statically,
 * the program's. NULL: not known. */
static char *own_folder(void)
{
    Dl_info about;
    if (dladdr((void *)(uintptr_t)hdf5_read, &about) == 0 || about.dli_fname == NULL)
        return str_copy(".");
    char *path = realpath(about.dli_fname, NULL);
    if (path == NULL) /* a program that was found in $PATH */
        path = realpath("/proc/self/exe", NULL);
    if (path == NULL)
        return str_copy(".");
    char *slash = strrchr(path, '/');
    if (slash)
        *slash = '\0';
    return path;
}

/* The path of kiln-hdf5 (the caller's), or NULL. */
static char *find_helper(void)
{
    /* beside the library, as installed anywhere, or in its build folder: of its own version */
    static const char *const places[] = {"%s/../libexec/kiln/" HELPER,
                                         "%s/../../libexec/kiln/" HELPER, "%s/format/" HELPER,
                                         "%s/../format/" HELPER};
    const char *given = env_get(ENV_HELPER_DIR);
    if (given) {
        char *path = str_format("%s/" HELPER, given);
        if (runs(path))
            return path;
        free(path);
        kiln_fail(KILN_ERROR_FILE,
                  "HDF5 is read by the program " HELPER ", and %s, where %s says it is, has none; "
                  "correct the variable or unset it",
                  given, env_name(ENV_HELPER_DIR));
        return NULL;
    }
    char *path, *folder = own_folder();
    for (size_t i = 0; folder && i < sizeof places / sizeof *places; i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        path = str_format(places[i], folder);
#pragma GCC diagnostic pop
        if (runs(path)) {
            free(folder);
            return path;
        }
        free(path);
    }
    free(folder);
    path = str_copy(KILN_LIBEXEC "/" HELPER);
    if (runs(path))
        return path;
    free(path);
    kiln_fail(KILN_ERROR_FILE,
              "HDF5 is read by the program " HELPER ", which is not in %s; install the whole of "
              "Kiln, or name its folder in %s",
              KILN_LIBEXEC, env_name(ENV_HELPER_DIR));
    return NULL;
}

/* ---- starting it ---- */

typedef struct child {
    pid_t id;
    int talk;         /* both ways: the file goes there, the stream comes back */
    const char *file; /* what it has not been given yet */
    size_t left;
    double deadline;
    uint64_t limit; /* bytes of output */
} child;

static kiln_status start(const char *helper, const void *bytes, size_t size, child *c)
{
    int ends[2];
    char given[24], memory[24], output[24], seconds[24];
    uint64_t wait = SECONDS_LEAST + size / BYTES_A_SECOND;
    c->file = bytes;
    c->left = size;
    c->limit = OUTPUT_LEAST + OUTPUT_RATIO * (uint64_t)size;
    c->deadline = clock_seconds() + (double)wait + 5;
    snprintf(given, sizeof given, "%zu", size);
    snprintf(memory, sizeof memory, "%llu", (unsigned long long)(c->limit + size + MEMORY_MORE));
    snprintf(output, sizeof output, "%llu", (unsigned long long)c->limit);
    snprintf(seconds, sizeof seconds, "%llu", (unsigned long long)wait);
    char *const words[] = {(char[]){HELPER}, given, memory, output, seconds, NULL};
    /* a pair of sockets, since writing to a pipe whose reader died would raise a signal */
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return kiln_fail(KILN_ERROR_FILE, "a pair of sockets cannot be made: %s; close other files",
                         strerror(errno));
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    int error = posix_spawn(&c->id, helper, &actions, &attributes, words, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    close(ends[1]);
    if (error != 0) {
        close(ends[0]);
        return kiln_fail(KILN_ERROR_FILE,
                         "HDF5 is read by %s, which cannot be started: %s; install Kiln again",
                         helper, strerror(error));
    }
    c->talk = ends[0];
    return KILN_OK;
}

/* ---- talking ---- */

static kiln_status give_some(child *c)
{
    ssize_t n = send(c->talk, c->file, c->left, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return KILN_OK;
    if (n < 0) { /* it is gone: what it said before and how it ended say why */
        c->left = 0;
        return KILN_OK;
    }
    c->file += n;
    c->left -= (size_t)n;
    if (c->left == 0)
        shutdown(c->talk, SHUT_WR);
    return KILN_OK;
}

static kiln_status take_some(child *c, text *out, bool *over)
{
    KILN_TRY(mem_grow(&out->data, &out->capacity, out->length + (1 << 16), 1));
    ssize_t n = recv(c->talk, out->data + out->length, out->capacity - out->length, MSG_DONTWAIT);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return KILN_OK;
    *over = n <= 0; /* a reset is an end too: it died with some of the file unread */
    out->length += n > 0 ? (size_t)n : 0;
    return KILN_OK;
}

static kiln_status talk(child *c, text *out)
{
    bool over = false;
    if (c->left == 0)
        shutdown(c->talk, SHUT_WR);
    while (!over) {
        struct pollfd wait = {.fd = c->talk,
                              .events = (short)(c->left ? POLLIN | POLLOUT : POLLIN)};
        double left = c->deadline - clock_seconds();
        int ready = left > 0 ? poll(&wait, 1, (int)(left * 1000) + 1) : 0;
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0)
            return kiln_fail(KILN_ERROR_FORMAT,
                             "reading it as HDF5 takes longer than it may; it is "
                             "damaged, or the machine is busy: try again");
        if (wait.revents & POLLOUT && c->left)
            KILN_TRY(give_some(c));
        if (wait.revents & (POLLIN | POLLHUP | POLLERR))
            KILN_TRY(take_some(c, out, &over));
        if (out->length > c->limit + 4096)
            return kiln_fail(KILN_ERROR_FORMAT, "it holds far more than a file of its size should");
    }
    return KILN_OK;
}

/* Waits for its end; what it was is said as a failure where that was no good one. */
static kiln_status finish(child *c, kiln_status status)
{
    int how = 0;
    pid_t ended;
    close(c->talk);
    if (status != KILN_OK)
        kill(c->id, SIGKILL);
    do
        ended = waitpid(c->id, &how, 0);
    while (ended < 0 && errno == EINTR);
    /* a program that ignores SIGCHLD has no status; the stream's own end says enough */
    if (status != KILN_OK || ended < 0 || (WIFEXITED(how) && WEXITSTATUS(how) == 0))
        return status;
    if (WIFSIGNALED(how) && (WTERMSIG(how) == SIGXCPU || WTERMSIG(how) == SIGALRM))
        return kiln_fail(KILN_ERROR_FORMAT, "reading it as HDF5 takes longer than it may; it is "
                                            "damaged, or the machine is busy: try again");
    if (WIFSIGNALED(how))
        return kiln_fail(KILN_ERROR_FORMAT,
                         "libhdf5 crashed on it (%s); the file is damaged, or made to do so",
                         strsignal(WTERMSIG(how)));
    return kiln_fail(KILN_ERROR_FORMAT,
                     "it cannot be read as HDF5: " HELPER " ended with status %d",
                     WEXITSTATUS(how));
}

kiln_status hdf5_read(const char *origin, const void *bytes, size_t size, hdf5_contents *contents)
{
    text stream = {0};
    child c = {.talk = -1};
    *contents = (hdf5_contents){0};
    char *helper = find_helper();
    kiln_status status = helper ? start(helper, bytes, size, &c) : kiln_last_status();
    free(helper);
    if (status == KILN_OK)
        status = finish(&c, talk(&c, &stream));
    if (status != KILN_OK)
        status = kiln_fail_in("%s", origin);
    else
        status = hdf5_decode(origin, stream.data, stream.length, contents);
    text_free(&stream);
    return status;
}
