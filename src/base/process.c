#include "base/process.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif
#include <unistd.h>

enum { MOST_TEXT = 64 << 20, PATH_ROOM = 4096 };
static const double grace = 2; /* seconds for the system to end a process that was killed */

extern char **environ;

typedef struct running {
    pid_t id;
    int ends[2]; /* its standard output and error; -1: closed */
} running;

static void close_end(int *end)
{
    if (*end >= 0)
        close(*end);
    *end = -1;
}

static kiln_status start(const char *const *words, running *r)
{
    int out[2], err[2];
    if (pipe(out) != 0)
        return kiln_fail(KILN_ERROR_FILE, "%s: a pipe cannot be made: %s; close other files",
                         words[0], strerror(errno));
    if (pipe(err) != 0) {
        close(out[0]);
        close(out[1]);
        return kiln_fail(KILN_ERROR_FILE, "%s: a pipe cannot be made: %s; close other files",
                         words[0], strerror(errno));
    }
    for (int i = 0; i < 2; i++) {
        fcntl(out[i], F_SETFD, FD_CLOEXEC);
        fcntl(err[i], F_SETFD, FD_CLOEXEC);
    }
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, err[1], STDERR_FILENO);
    int error =
        posix_spawn(&r->id, words[0], &actions, NULL, (char *const *)(uintptr_t)words, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(out[1]);
    close(err[1]);
    r->ends[0] = out[0];
    r->ends[1] = err[0];
    if (error == 0)
        return KILN_OK;
    close_end(&r->ends[0]);
    close_end(&r->ends[1]);
    return kiln_fail(KILN_ERROR_FILE, "%s cannot be started: %s; is it still there?", words[0],
                     strerror(error));
}

/* Takes what there is; past the limit it is read and dropped. */
static void take(int *end, text *t)
{
    char bytes[1 << 14];
    ssize_t n = read(*end, bytes, sizeof bytes);
    if (n > 0 && t->length < MOST_TEXT)
        text_bytes(t, bytes, (size_t)n);
    if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
        close_end(end);
}

/* Until both ends are closed or the time is over. */
static void listen_to(running *r, double deadline, process_end *e)
{
    text *texts[2] = {&e->out, &e->err};
    while (r->ends[0] >= 0 || r->ends[1] >= 0) {
        struct pollfd waits[2] = {{.fd = r->ends[0], .events = POLLIN},
                                  {.fd = r->ends[1], .events = POLLIN}};
        double left = deadline - clock_seconds();
        if (left <= 0)
            return;
        int ready = poll(waits, 2, left < 3600 ? (int)(left * 1000) + 1 : 3600000);
        for (int i = 0; ready > 0 && i < 2; i++)
            if (r->ends[i] >= 0 && waits[i].revents)
                take(&r->ends[i], texts[i]);
    }
}

/* Waits for the end until the deadline. */
static bool has_ended(running *r, double deadline, int *status)
{
    for (;;) {
        pid_t id = waitpid(r->id, status, WNOHANG);
        if (id == r->id)
            return true;
        if ((id < 0 && errno != EINTR) || clock_seconds() >= deadline)
            return false;
        clock_sleep(0.002);
    }
}

kiln_status process_run(const char *const *words, double seconds, process_end *end)
{
    running r;
    int status = 0;
    *end = (process_end){.code = -1};
    KILN_TRY(start(words, &r));
    double deadline = clock_seconds() + seconds;
    listen_to(&r, deadline, end);
    bool ended = has_ended(&r, deadline, &status);
    if (!ended) {
        end->timed_out = true;
        kill(r.id, SIGKILL);
        /* One that hangs inside of a driver may never end: it is left behind. */
        has_ended(&r, clock_seconds() + grace, &status);
    } else if (WIFEXITED(status)) {
        end->code = WEXITSTATUS(status);
    } else if (WIFSIGNALED(status)) {
        end->signal = WTERMSIG(status);
    }
    close_end(&r.ends[0]);
    close_end(&r.ends[1]);
    return end->out.failed || end->err.failed ? KILN_ERROR_MEMORY : KILN_OK;
}

void process_free(process_end *end)
{
    text_free(&end->out);
    text_free(&end->err);
}

void process_ends_with_parent(void)
{
#ifdef __linux__
    prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
}

char *process_self(void)
{
    char path[PATH_ROOM];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n <= 0) {
        kiln_fail(KILN_ERROR_FILE, "/proc/self/exe cannot be read: %s; is /proc mounted?",
                  strerror(errno));
        return NULL;
    }
    path[n] = '\0';
    return str_copy(path);
}
