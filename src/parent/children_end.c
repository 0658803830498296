/* The parent. The only file that buries: children that have ended, and those that are made to. */
#include "children.h"

#include "census.h"
#include "slots.h"

#include "base/clock.h"
#include "base/log.h"

#include "mpm_common.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/param.h>
#include <sys/wait.h>
#include <unistd.h>

/* How often it is worth a line that children do not last. */
#define FAILURES_LOG_US  (60 * CLOCK_US_PER_S)

/* How an ungraceful end goes: what children get, and how long after it began. A child itself waits
 * a second for its threads. */
typedef struct force_t {
    int64_t after_us;
    int signal;
    int level;                  /* at which it is said; 0: it is not */
} force_t;

static const force_t forces[] = {
    { 0, SIGTERM, 0 },
    { 3 * CLOCK_US_PER_S, SIGTERM, APLOG_WARNING },
    { 6 * CLOCK_US_PER_S, SIGTERM, APLOG_WARNING },
    { 9 * CLOCK_US_PER_S, SIGKILL, APLOG_ERR }
};
/* What a SIGKILL does not end in this time hangs in the kernel: the server goes on without it. */
#define RECLAIM_GIVE_UP_US (10 * CLOCK_US_PER_S)
#define RECLAIM_LOOK_MS    20

static void take_out(generation_t *g, int i)
{
    retained_t *r = g->retained;
    slot_t *slot = &r->slots[i];
    int j;

    if (r->lifelines[i] >= 0) {
        close(r->lifelines[i]);
        r->lifelines[i] = -1;
    }
    ap_run_child_status(g->server, slot->pid, slot->generation, i, MPM_CHILD_EXITED);
    slots_clean_row(i, g->config->thread_limit);
    scoreboard_ext_reset(r->board, i);
    ext_count(r->board, EXT_CHILDREN_ENDED);
    for (EACH_SLOT(r, j, SLOTS_TAKEN)) {
        if (r->slots[j].successor == i) {
            r->slots[j].successor = -1;
        }
    }
    r->turnover++;
    slots_enter(slot, SLOT_FREE);
    slot->pid = 0;
    slot->successor = -1;
    children_need_look(g, slot->bucket);
}

/* It ended before it was of much use. The next may fare better, but a module that crashes at
 * each start or with each request must not make a fork storm. */
static void did_not_last(generation_t *g, start_failure_e how, int64_t started_us, int64_t now_us)
{
    retained_t *r = g->retained;

    start_pace_failed(&r->start_pace, how, started_us, now_us);
    ext_count(r->board, EXT_CHILDREN_DIED_YOUNG);
    if (r->start_pace.failures > 1 && log_is_due(&r->failures_logged_us, FAILURES_LOG_US, now_us)) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, g->server, ADPNO(0084)
                     "%d children in a row ended at their start or soon after it (see the "
                     "messages above); the next is started in %d ms", r->start_pace.failures,
                     (int)(MAX(r->start_pace.next_us - now_us, 0) / CLOCK_US_PER_MS));
    }
}

bool children_ended(generation_t *g, apr_proc_t *process, apr_exit_why_e why, int status,
                    int64_t now_us, bool *give_up)
{
    retained_t *r = g->retained;
    int verdict = ap_process_child_status(process, why, status);
    int i = slots_of_pid(r, process->pid);
    bool starting;
    slot_t *slot;

    if (i < 0) {
        return false;
    }
    slot = &r->slots[i];
    if (APR_PROC_CHECK_SIGNALED(why)) {
        ext_count(r->board, EXT_CHILDREN_CRASHED);
    }
    starting = slot->state == SLOT_STARTING && !census_view(g, i).ready;
    if (verdict == APEXIT_CHILDFATAL && census_is_current(g, slot) && starting) {
        *give_up = true;
    }
    else if (slot->state == SLOT_DRAINING || !census_is_current(g, slot)) {
        /* it was on its way out */
    }
    else if (starting || verdict == APEXIT_CHILDSICK) {
        did_not_last(g, START_FAILED, slot->started_us, now_us);
        /* a resource that was never there will not come by waiting */
        *give_up = !r->ever_healthy && verdict == APEXIT_CHILDSICK;
    }
    else if (start_pace_is_young(now_us - slot->started_us)) {
        did_not_last(g, START_DIED_YOUNG, slot->started_us, now_us);
    }
    take_out(g, i);
    return true;
}

/* Has this child ended? It is reaped then. A pid of our own books that was not reaped belongs to
 * the child and to nobody else, so that it may be signalled. */
static bool has_ended(pid_t pid)
{
    int status;
    pid_t reaped;

    do {
        reaped = waitpid(pid, &status, WNOHANG);
    } while (reaped < 0 && errno == EINTR);
    return reaped == pid || (reaped < 0 && errno == ECHILD);
}

/* Take out who has ended. Returns how many are left. */
static int bury_ended(generation_t *g)
{
    int i, left = 0;

    for (EACH_SLOT(g->retained, i, SLOTS_TAKEN)) {
        const slot_t *slot = &g->retained->slots[i];

        if (has_ended(slot->pid)) {
            take_out(g, i);
        }
        else {
            left++;
        }
    }
    return left;
}

static void use_force(const generation_t *g, const force_t *force)
{
    int i;

    for (EACH_SLOT(g->retained, i, SLOTS_TAKEN)) {
        const slot_t *slot = &g->retained->slots[i];

        if (force->level) {
            ap_log_error(APLOG_MARK, force->level, 0, g->server, ADPNO(0076)
                         "child process %d has not ended %d s after it was told to, sending %s",
                         (int)slot->pid, (int)(force->after_us / CLOCK_US_PER_S),
                         force->signal == SIGKILL ? "SIGKILL" : "another SIGTERM");
        }
        kill(slot->pid, force->signal);
    }
}

/* httpd waits for, and kills, whoever its scoreboard names: nobody, whatever a child wrote
 * there. */
static void empty_scoreboard(const generation_t *g)
{
    int i;

    for (i = 0; i < g->retained->fixed.slot_count; i++) {
        ap_get_scoreboard_process(i)->pid = 0;
    }
}

/* ap_reclaim_callback_fn_t */
static void ignore(int slot, pid_t pid, ap_generation_t generation)
{
    (void)slot;
    (void)pid;
    (void)generation;
}

void children_reclaim(generation_t *g)
{
    int64_t began_us = clock_now_us();
    size_t next = 0;
    int left;

    while ((left = bury_ended(g)) > 0) {
        int64_t elapsed_us = clock_now_us() - began_us;

        if (next < sizeof(forces) / sizeof(forces[0]) && elapsed_us >= forces[next].after_us) {
            use_force(g, &forces[next++]);
        }
        if (elapsed_us >= RECLAIM_GIVE_UP_US) {
            ap_log_error(APLOG_MARK, APLOG_ERR, 0, g->server, ADPNO(0077)
                         "%d child processes did not end although they were killed; going on "
                         "without them", left);
            break;
        }
        poll(NULL, 0, RECLAIM_LOOK_MS);
    }
    /* what other modules have registered */
    empty_scoreboard(g);
    ap_reclaim_child_processes(1, ignore);
}
