/* The parent's main thread, and the handlers that interrupt it. */
#include "signals.h"

#include "httpd.h"
#include "mpm_common.h"
#include "unixd.h"

#include <stddef.h>

static void obeyed(sigset_t *set)
{
    static const int signals[] = {
        SIGTERM, SIGINT, SIGHUP, AP_SIG_GRACEFUL, AP_SIG_GRACEFUL_STOP, SIGUSR2
    };
    size_t i;

    sigemptyset(set);
    for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        sigaddset(set, signals[i]);
    }
}

void signals_hold(sigset_t *before)
{
    sigset_t set;

    obeyed(&set);
    pthread_sigmask(SIG_BLOCK, &set, before);
}

void signals_release(void)
{
    sigset_t set;

    obeyed(&set);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

void signals_let_in(void)
{
    signals_release();
    signals_hold(NULL);
}

void signals_ignore_restarts(void)
{
    struct sigaction ignore = { .sa_handler = SIG_IGN };

    sigemptyset(&ignore.sa_mask);
    sigaction(SIGHUP, &ignore, NULL);
    sigaction(AP_SIG_GRACEFUL, &ignore, NULL);
}

/* --- a terminal's SIGWINCH ---------------------------------------------------------- */

/* httpd's handler of SIGWINCH; parent only. */
static struct sigaction stop_gracefully;
static volatile sig_atomic_t resized;

/* The terminal in whose foreground the server runs was resized: that is no wish of anybody's. What
 * kill(2) sends has another code, from outside of a container too. */
static bool is_of_terminal(const siginfo_t *info)
{
    return info->si_code == SI_KERNEL;
}

static void on_window_change(int signo, siginfo_t *info, void *context)
{
    (void)context;
    if (is_of_terminal(info)) {
        resized = 1;
    }
    else {
        stop_gracefully.sa_handler(signo);
    }
}

/* Let on_window_change() look first. */
static void filter_window_changes(void)
{
    struct sigaction filter = { .sa_sigaction = on_window_change };
    sigset_t set;

    if (!sigaction(AP_SIG_GRACEFUL_STOP, NULL, &stop_gracefully)
        && !(stop_gracefully.sa_flags & SA_SIGINFO) && stop_gracefully.sa_handler != SIG_DFL
        && stop_gracefully.sa_handler != SIG_IGN) {
        filter.sa_flags = stop_gracefully.sa_flags | SA_SIGINFO;
        filter.sa_mask = stop_gracefully.sa_mask;
        sigaction(AP_SIG_GRACEFUL_STOP, &filter, NULL);
    }
    sigemptyset(&set);
    sigaddset(&set, AP_SIG_GRACEFUL_STOP);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* The module will be unloaded, and the filter with it. Until it is back the signal waits. */
static void unfilter_window_changes(void)
{
    struct sigaction now;

    if (!sigaction(AP_SIG_GRACEFUL_STOP, NULL, &now) && now.sa_flags & SA_SIGINFO
        && now.sa_sigaction == on_window_change) {
        sigaction(AP_SIG_GRACEFUL_STOP, &stop_gracefully, NULL);
    }
}

bool signals_take_resize(void)
{
    bool taken = resized != 0;

    resized = 0;
    return taken;
}

/* --- somebody wants to know ----------------------------------------------------------- */

static volatile sig_atomic_t asked;

static void on_question(int signo)
{
    (void)signo;
    asked = 1;
}

bool signals_is_question_due(void)
{
    return asked != 0;
}

bool signals_take_question(void)
{
    bool taken = asked != 0;

    asked = 0;
    return taken;
}

static void hear_questions(void (*handler)(int))
{
    struct sigaction hear = { .sa_handler = handler, .sa_flags = SA_RESTART };

    sigemptyset(&hear.sa_mask);
    sigaction(SIGUSR2, &hear, NULL);
}

/* The handler goes with the module, and by default the signal would end the server. */
static void stop_hearing_questions(void)
{
    struct sigaction now;

    if (!sigaction(SIGUSR2, NULL, &now) && now.sa_handler == on_question) {
        hear_questions(SIG_IGN);
    }
}

/* --- the configuration comes and goes ------------------------------------------------- */

static apr_status_t pool_is_cleared(void *unused)
{
    sigset_t set;

    (void)unused;
    unfilter_window_changes();
    stop_hearing_questions();
    obeyed(&set);
    sigdelset(&set, AP_SIG_GRACEFUL_STOP);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    return APR_SUCCESS;
}

void signals_listen(apr_pool_t *pconf, int one_process)
{
    /* Cleanups run last in, first out: httpd's, registered by its function, forgets what was
     * noted, and only then those that were held are noted. */
    apr_pool_cleanup_register(pconf, NULL, pool_is_cleared, apr_pool_cleanup_null);
    ap_unixd_mpm_set_signals(pconf, one_process);
    filter_window_changes();
    hear_questions(on_question);
}
