/* The parent. The only file that forks: a slot, a lifeline, a process; and when that is ready. */
#include "children.h"

#include "census.h"
#include "desk.h"
#include "slots.h"

#include "base/clock.h"
#include "base/log.h"
#include "child/child.h"

#include "apr_signal.h"
#include "mpm_common.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/param.h>
#include <unistd.h>

/* When, and how often, the full scoreboard is worth a line. */
#define FULL_PATIENCE_US (5 * CLOCK_US_PER_S)
#define FULL_LOG_US      (60 * CLOCK_US_PER_S)
/* The longest start that is taken for the usual. */
#define LONGEST_START_US (30 * CLOCK_US_PER_S)

static void log_full(generation_t *g, int64_t now_us)
{
    retained_t *r = g->retained;

    if (!r->full_since_us) {
        r->full_since_us = now_us;
    }
    /* while a generation hands over to the next both need slots, which soon are free again */
    if (now_us - r->full_since_us < FULL_PATIENCE_US
        || !log_is_due(&r->full_logged_us, FULL_LOG_US, now_us)) {
        return;
    }
    ap_log_error(APLOG_MARK, APLOG_ERR, 0, g->server, ADPNO(0081)
                 "no scoreboard slot is left for another child: of %d, %d are held by "
                 "children that finish old connections; raise ServerLimit %d and stop and "
                 "start the server", r->fixed.slot_count, census_draining(g),
                 r->fixed.server_limit);
}

static int free_slot(generation_t *g, int64_t now_us)
{
    int i;

    for (i = 0; i < g->retained->fixed.slot_count; i++) {
        if (g->retained->slots[i].state == SLOT_FREE) {
            g->retained->full_since_us = 0;
            return i;
        }
    }
    log_full(g, now_us);
    return CHILDREN_NO_SLOT;
}

/* The freshly forked process. */
static void be_child(generation_t *g, int slot, int bucket, int lifeline_fd)
{
    retained_t *r = g->retained;
    child_start_t start = {
        .server = g->server, .pconf = g->pconf, .config = g->config, .board = r->board,
        .bucket = g->buckets[bucket], .slot = slot, .generation = r->mpm->my_generation,
        .start_threads = r->start_threads, .lifeline_fd = lifeline_fd, .parent_fd = r->wakeup_fd,
        .parent_pid = r->parent_pid,
        .cpus = g->cpus, .mpm_state = &r->mpm->mpm_state
    };
    int i;

#if AP_HAS_THREAD_LOCAL
    ap_thread_current_after_fork();
#endif
    desk_leave();
    /* only the parent holds lifelines, so that its end is seen by all */
    for (i = 0; i < r->lifeline_count; i++) {
        if (r->lifelines[i] >= 0) {
            close(r->lifelines[i]);
        }
    }
    for (i = 0; i < g->bucket_count; i++) {
        if (i != bucket) {
            ap_close_listeners_ex(g->buckets[i]);
        }
    }
    apr_signal(SIGCHLD, SIG_DFL);
    exit(child_run(&start));
}

/* fork(2) with all signals blocked: one for the child must find the child's handler. */
static pid_t fork_child(generation_t *g, int slot, int bucket, const int lifeline[2])
{
    sigset_t all, before;
    pid_t pid;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid = fork();
    if (pid == 0) {
        close(lifeline[1]);
        be_child(g, slot, bucket, lifeline[0]);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return pid;
}

static void fork_refused(generation_t *g, int error, int64_t now_us)
{
    ext_count(g->retained->board, EXT_FORKS_REFUSED);
    start_pace_failed(&g->retained->start_pace, START_REFUSED, now_us, now_us);
    if (log_is_due(&g->retained->refused_logged_us, CLOCK_US_PER_S, now_us)) {
        ap_log_error(APLOG_MARK, APLOG_ERR, error, g->server, ADPNO(0082)
                     "cannot start another child process, going on with %d; raise the limit "
                     "of %s", census_accepting(g, -1),
                     error == EMFILE || error == ENFILE ? "open files (ulimit -n)"
                                                        : "processes (ulimit -u, pids.max)");
    }
}

int children_start(generation_t *g, int bucket, int64_t now_us)
{
    retained_t *r = g->retained;
    int slot = free_slot(g, now_us);
    int lifeline[2];
    pid_t pid;

    if (slot < 0) {
        return slot;
    }
    if (pipe2(lifeline, O_CLOEXEC | O_NONBLOCK)) {
        fork_refused(g, errno, now_us);
        return CHILDREN_REFUSED;
    }
    slots_clean_row(slot, g->config->thread_limit);
    scoreboard_ext_reset(r->board, slot);
    /* more when it is there and the next round shares out what may be */
    atomic_store(&r->board->children[slot].most_threads, r->start_threads);
    pid = fork_child(g, slot, bucket, lifeline);
    close(lifeline[0]);
    if (pid < 0) {
        int error = errno;

        close(lifeline[1]);
        fork_refused(g, error, now_us);
        return CHILDREN_REFUSED;
    }
    r->lifelines[slot] = lifeline[1];
    r->slots[slot] = (slot_t) {
        .state = SLOT_FREE, .pid = pid, .generation = r->mpm->my_generation,
        .bucket = bucket, .started_us = now_us, .successor = -1
    };
    slots_enter(&r->slots[slot], SLOT_STARTING);
    r->slots_used = MAX(r->slots_used, slot + 1);
    r->turnover++;
    ext_count(r->board, EXT_CHILDREN_STARTED);
    start_pace_started(&r->start_pace, now_us);
    ap_get_scoreboard_process(slot)->pid = pid;
    ap_get_scoreboard_process(slot)->generation = r->mpm->my_generation;
    ap_run_child_status(g->server, pid, r->mpm->my_generation, slot, MPM_CHILD_STARTED);
    return slot;
}

static void note_start_time(retained_t *r, slot_t *slot, const ext_child_t *ext, int64_t now_us)
{
    int64_t took_us;

    slot->ready_us = board_ready_us(ext, slot->started_us, now_us);
    slot->late = false;
    took_us = slot->ready_us - slot->started_us;
    r->slowest_start_us = clock_slowest_us(r->slowest_start_us, MIN(took_us, LONGEST_START_US));
    r->child_start_us = clock_slowest_us(r->child_start_us, MIN(took_us, CLOCK_US_PER_S));
}

void children_note_ready(generation_t *g, int64_t now_us)
{
    retained_t *r = g->retained;
    bool recovered = false;
    int i;

    for (EACH_SLOT(r, i, SLOTS_TAKEN)) {
        slot_t *slot = &r->slots[i];

        if (slot->state == SLOT_STARTING && census_view(g, i).ready) {
            slots_enter(slot, SLOT_SERVING);
            r->ever_healthy = true;
            note_start_time(r, slot, &r->board->children[i], now_us);
        }
        else if (slot->state == SLOT_DRAINING && slot->aborted && census_view(g, i).ready) {
            /* it was ready before it heard of its end: it may have connections */
            slot->aborted = false;
        }
        /* only a child that was started after the last failure shows that it is over */
        recovered = recovered
                    || ((slot->state == SLOT_SERVING || slot->state == SLOT_PARKED)
                        && census_is_current(g, slot)
                        && start_pace_is_healthy(&r->start_pace, slot->started_us, now_us));
    }
    if (r->start_pace.failures && recovered) {
        if (r->start_pace.failures > 1) {
            ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, g->server,
                         ADPNO(0083) "children start again (after %d failures in a row)",
                         r->start_pace.failures);
        }
        start_pace_recovered(&r->start_pace);
        r->failures_logged_us = 0;
    }
}
