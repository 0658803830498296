/* The parent. A process that reads the configuration and ends; see rehearsal.h for the states. */
#include "rehearsal.h"

#include "generation.h"
#include "signals.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/testhook.h"

#include "apr_strings.h"
#include "http_config.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A configuration that takes longer to read is not waited for. */
#ifndef REHEARSAL_MOST_US
#define REHEARSAL_MOST_US (60 * CLOCK_US_PER_S)
#endif
/* Restarts that are asked for faster than the configuration is read: not each is rehearsed. */
#define MOST_TIMES        3
/* What is looked at of its output, and what of it is quoted in the log. */
#define MOST_OUTPUT       (256 * 1024)
#define MOST_QUOTED       600

#define OURS_IN_OUTPUT    " mpm_adaptive_module ("

/* --- the process ------------------------------------------------------------------------ */

/* What the server was started with, less what tells it to start. NULL: it cannot be said again,
 * because a path in it depends on a working directory that is no more. */
static const char **test_command(const process_rec *process, apr_pool_t *p)
{
    const char **command = apr_pcalloc(p, sizeof(*command) * (size_t)(process->argc + 4));
    int i, count = 0;

    command[count++] = process->argv[0];
    for (i = 1; i < process->argc; i++) {
        const char *arg = process->argv[i];

        if (!strcmp(arg, "-k") || !strcmp(arg, "-E")) {
            i++;
        }
        else if (!strcmp(arg, "-d") && i + 1 < process->argc && process->argv[i + 1][0] != '/') {
            return NULL;
        }
        else if (strncmp(arg, "-k", 2) && strcmp(arg, "-X")) {
            command[count++] = arg;
        }
    }
    command[count++] = "-t";
    command[count++] = "-DDUMP_MODULES";
    return command;
}

/* Between fork and exec. The listening sockets must not be open for longer than the server is. */
static void become_test(const char *const *command, int output_fd)
{
    sigset_t none;
    int null_fd = open("/dev/null", O_RDONLY);

    dup2(null_fd, STDIN_FILENO);
    dup2(output_fd, STDOUT_FILENO);
    dup2(output_fd, STDERR_FILENO);
#ifdef SYS_close_range
    syscall(SYS_close_range, 3U, ~0U, 0U);
#endif
    signal(SIGCHLD, SIG_DFL);
    /* what is sent to all processes of a service is not for this one */
    signal(SIGHUP, SIG_IGN);
    signal(SIGUSR1, SIG_IGN);
    signal(SIGUSR2, SIG_IGN);
    signal(SIGWINCH, SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execv("/proc/self/exe", (char *const *)command);
    _exit(127);
}

/* False: there is none. */
static bool begin(rehearsal_t *rehearsal, generation_t *g)
{
    const char **command;
    apr_pool_t *p;

    apr_pool_create(&p, g->pconf);
    command = test_command(g->server->process, p);
    rehearsal->output_fd = command ? memfd_create("httpd -t", MFD_CLOEXEC) : -1;
    rehearsal->pid = rehearsal->output_fd >= 0 ? fork() : -1;
    if (rehearsal->pid == 0) {
        become_test(command, rehearsal->output_fd);
    }
    apr_pool_destroy(p);
    if (rehearsal->pid < 0) {
        if (rehearsal->output_fd >= 0) {
            close(rehearsal->output_fd);
        }
        rehearsal->pid = 0;
        return false;
    }
    rehearsal->began_us = clock_now_us();
    return true;
}

static void forget(rehearsal_t *rehearsal)
{
    close(rehearsal->output_fd);
    rehearsal->pid = 0;
}

/* Whoever buries it later finds a process that nobody knows. */
static void cancel(rehearsal_t *rehearsal)
{
    if (rehearsal->pid) {
        kill(rehearsal->pid, SIGKILL);
        forget(rehearsal);
    }
}

/* --- the restart that waits for it -------------------------------------------------------- */

/* What the signal asked for is ours to keep; another one that comes is noted anew. */
static void take_restart(rehearsal_t *rehearsal, ap_unixd_mpm_retained_data *mpm)
{
    sigset_t before;

    signals_hold(&before);
    rehearsal->ungraceful = rehearsal->ungraceful || mpm->is_ungraceful;
    if (!mpm->shutdown_pending) {
        mpm->is_ungraceful = 0;
    }
    mpm->restart_pending = 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* A stop that came meanwhile has said itself how it is to be. */
static void give_restart(rehearsal_t *rehearsal, ap_unixd_mpm_retained_data *mpm)
{
    sigset_t before;

    signals_hold(&before);
    if (!mpm->shutdown_pending) {
        mpm->is_ungraceful = mpm->is_ungraceful || rehearsal->ungraceful;
        mpm->restart_pending = 1;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    rehearsal->ungraceful = false;
    rehearsal->times = 0;
    rehearsal->accepted = true;
}

/* --- what it said ------------------------------------------------------------------------- */

/* The end of it: the list of modules comes last, and so does what is wrong. */
static char *output_of(const rehearsal_t *rehearsal, apr_pool_t *p)
{
    struct stat info = { 0 };
    ssize_t size;
    char *text;

    (void)fstat(rehearsal->output_fd, &info);
    size = info.st_size < MOST_OUTPUT ? info.st_size : MOST_OUTPUT;
    text = apr_pcalloc(p, (apr_size_t)size + 1);
    if (pread(rehearsal->output_fd, text, (size_t)size, info.st_size - size) < 0) {
        text[0] = '\0';
    }
    return text;
}

/* Its last part as one line of the log: the mistake stands after all the warnings. */
static char *quoted(char *text)
{
    size_t length = strlen(text);
    char *c;

    text += length < MOST_QUOTED ? 0 : length - MOST_QUOTED;
    for (c = text; *c; c++) {
        if (*c == '\n' || *c == '\r' || *c == '\t') {
            *c = ' ';
        }
    }
    return text;
}

static void refuse_restart(rehearsal_t *rehearsal, scoreboard_ext_t *board)
{
    ext_count(board, EXT_RESTARTS_REFUSED);
    atomic_store(&board->restart_refused_us, clock_now_us());
    rehearsal->ungraceful = false;
    rehearsal->times = 0;
}

/* It would have crashed the server as well. */
static bool is_crash(apr_exit_why_e why, int status)
{
    return APR_PROC_CHECK_SIGNALED(why)
           && (status == SIGSEGV || status == SIGBUS || status == SIGABRT || status == SIGILL
               || status == SIGFPE);
}

/* Of a process that has ended by itself, or crashed: then its exit code is not 0. */
static void judge(generation_t *g, int exit_code)
{
    rehearsal_t *rehearsal = &g->rehearsal;
    char *text;
    apr_pool_t *p;

    apr_pool_create(&p, g->pconf);
    text = output_of(rehearsal, p);
    if (exit_code) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, g->server, ADPNO(0105)
                     "not restarted: httpd does not accept the configuration as it is now, and "
                     "would have ended. The server goes on with the one that it has. Mend it, "
                     "then restart again. httpd -t says: %s", quoted(text));
        refuse_restart(rehearsal, g->retained->board);
    }
    else if (!strstr(text, OURS_IN_OUTPUT)) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, g->server, ADPNO(0106)
                     "not restarted: in the configuration as it is now mpm_adaptive is not the MPM "
                     "any more. httpd cannot change its MPM in a restart, and would have ended. "
                     "The server goes on as it is. To change the MPM stop the server, and start "
                     "it");
        refuse_restart(rehearsal, g->retained->board);
    }
    /* asked for once more while it was read: that may be another configuration by now */
    else if (!g->retained->mpm->restart_pending || ++rehearsal->times >= MOST_TIMES) {
        give_restart(rehearsal, g->retained->mpm);
    }
    apr_pool_destroy(p);
}

static void go_ahead(generation_t *g, const char *why)
{
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, g->server, ADPNO(0107)
                 "restarting though the configuration could not be tested: %s. If httpd does not "
                 "accept it, the server ends", why);
    give_restart(&g->rehearsal, g->retained->mpm);
}

bool rehearsal_ended(generation_t *g, const apr_proc_t *process, apr_exit_why_e why, int status)
{
    rehearsal_t *rehearsal = &g->rehearsal;

    if (!rehearsal->pid || process->pid != rehearsal->pid) {
        return false;
    }
    /* 127: there is no /proc, or it may not be executed again */
    if ((APR_PROC_CHECK_EXIT(why) && status != 127) || is_crash(why, status)) {
        judge(g, status);
    }
    else {
        go_ahead(g, APR_PROC_CHECK_EXIT(why) ? "httpd could not be run a second time"
                                             : "the process that tested it was killed");
    }
    forget(rehearsal);
    return true;
}

/* --- each round --------------------------------------------------------------------------- */

bool rehearsal_lets_end(generation_t *g)
{
    rehearsal_t *rehearsal = &g->rehearsal;
    ap_unixd_mpm_retained_data *mpm = g->retained->mpm;

    if (mpm->shutdown_pending) {
        cancel(rehearsal);
        return true;
    }
    if (rehearsal->pid && clock_now_us() - rehearsal->began_us >= REHEARSAL_MOST_US) {
        cancel(rehearsal);
        go_ahead(g, "it took longer than a minute");
    }
    if (rehearsal->accepted) {
        return true;
    }
    if (mpm->restart_pending && !rehearsal->pid) {
        take_restart(rehearsal, mpm);
        ADP_PAUSE(rehearsal);
        if (!begin(rehearsal, g)) {
            go_ahead(g, "no process for it could be started");
        }
    }
    return rehearsal->accepted;
}

int64_t rehearsal_look_us(const generation_t *g)
{
    return g->rehearsal.pid ? g->rehearsal.began_us + REHEARSAL_MOST_US : CLOCK_NEVER;
}
