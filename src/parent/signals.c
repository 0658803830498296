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

/* --- what httpd's handlers do not know ------------------------------------------------ */

/* One of httpd's handlers, and ours that looks first. Parent only. */
typedef struct filter_t {
    int signal;
    void (*handler)(int, siginfo_t *, void *);
    struct sigaction httpds;
} filter_t;

static void on_window_change(int signo, siginfo_t *info, void *context);
static void on_restart(int signo, siginfo_t *info, void *context);

static filter_t filters[] = {
    { .signal = AP_SIG_GRACEFUL_STOP, .handler = on_window_change },
    { .signal = AP_SIG_GRACEFUL, .handler = on_restart },
    { .signal = SIGHUP, .handler = on_restart }
};
#define FILTERS (sizeof(filters) / sizeof(filters[0]))

static ap_unixd_mpm_retained_data *mpm;
static volatile sig_atomic_t resized;

static void let_httpd_note(int signo)
{
    size_t i;

    for (i = 0; i < FILTERS; i++) {
        if (filters[i].signal == signo) {
            filters[i].httpds.sa_handler(signo);
        }
    }
}

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
        let_httpd_note(signo);
    }
}

/* httpd's says that the server stops. But a restart that is asked for has not begun, and may be
 * refused (rehearsal.h): a piped log whose program ends meanwhile would not get another. No stop is
 * noted between the two looks at the state, because those signals are blocked here. */
static void on_restart(int signo, siginfo_t *info, void *context)
{
    int state = mpm->mpm_state;

    (void)info;
    (void)context;
    let_httpd_note(signo);
    mpm->mpm_state = state;
}

/* Let our handler look first. */
static void put_filter(filter_t *filter)
{
    struct sigaction ours = { .sa_sigaction = filter->handler };

    if (!sigaction(filter->signal, NULL, &filter->httpds)
        && !(filter->httpds.sa_flags & SA_SIGINFO) && filter->httpds.sa_handler != SIG_DFL
        && filter->httpds.sa_handler != SIG_IGN) {
        ours.sa_flags = filter->httpds.sa_flags | SA_SIGINFO;
        obeyed(&ours.sa_mask);
        sigaction(filter->signal, &ours, NULL);
    }
}

static void filter_signals(void)
{
    sigset_t set;
    size_t i;

    mpm = ap_unixd_mpm_get_retained_data();
    for (i = 0; i < FILTERS; i++) {
        put_filter(&filters[i]);
    }
    sigemptyset(&set);
    sigaddset(&set, AP_SIG_GRACEFUL_STOP);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* The module will be unloaded, and the filters with it. Until they are back SIGWINCH waits. */
static void unfilter_signals(void)
{
    size_t i;

    for (i = 0; i < FILTERS; i++) {
        struct sigaction now;

        if (!sigaction(filters[i].signal, NULL, &now) && now.sa_flags & SA_SIGINFO
            && now.sa_sigaction == filters[i].handler) {
            sigaction(filters[i].signal, &filters[i].httpds, NULL);
        }
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
    unfilter_signals();
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
    filter_signals();
    hear_questions(on_question);
}
