/* The parent. Owns the handler of SIGCHLD, and the flag by which that tells the loop. */
#include "reaper.h"

#include "children.h"
#include "desk.h"

#include "base/clock.h"

#include "apr_signal.h"
#include "apr_thread_proc.h"

#include <signal.h>

/* Some process has ended since the last round began. The handler has nothing to do that could
 * wait: the descriptor by which children wake the parent is not its own alone. */
static volatile sig_atomic_t child_has_ended;

static void on_child_signal(int signo)
{
    (void)signo;
    child_has_ended = 1;
}

bool reaper_is_due(void)
{
    return child_has_ended;
}

bool reaper_round(generation_t *g)
{
    bool give_up = false;
    apr_exit_why_e why;
    apr_proc_t process;
    int status;

    child_has_ended = 0;
    while (!give_up && apr_proc_wait_all_procs(&process, &status, &why, APR_NOWAIT, g->pconf)
                       == APR_CHILD_DONE) {
        if (!children_ended(g, &process, why, status, clock_now_us(), &give_up)
            && !rehearsal_ended(g, &process, why, status)
            && !desk_ended(g, process.pid, clock_now_us())) {
            /* piped loggers, mod_cgid's daemon: whoever registered it hears of it */
            apr_proc_other_child_alert(&process, APR_OC_REASON_DEATH, status);
        }
    }
    return !give_up;
}

void reaper_begin(void)
{
    struct sigaction sa = { .sa_handler = on_child_signal, .sa_flags = SA_NOCLDSTOP | SA_RESTART };

    sigemptyset(&sa.sa_mask);
    sigaction(SIGCHLD, &sa, NULL);
}

void reaper_end(void)
{
    apr_signal(SIGCHLD, SIG_DFL);
}
