/* The parent. The only file that forks, writes to lifelines and buries; how many children there
 * are to be is decided elsewhere. */
#include "children.h"

#include "slots.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/testhook.h"
#include "base/wakeup.h"
#include "board/board_view.h"
#include "child/child.h"
#include "config/config.h"

#include "apr_signal.h"
#include "mpm_common.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>
#include <sys/wait.h>
#include <unistd.h>

/* When, and how often, the full scoreboard is worth a line. */
#define FULL_PATIENCE_US (5 * CLOCK_US_PER_S)
#define FULL_LOG_US      (60 * CLOCK_US_PER_S)
/* How often it is worth one that children do not last. */
#define FAILURES_LOG_US  (60 * CLOCK_US_PER_S)
/* The longest start that is taken for the usual. */
#define LONGEST_START_US (30 * CLOCK_US_PER_S)
/* No child has more connections, whatever it may have descriptors. */
#define MOST_CONNECTIONS (1 << 20)

/* How an ungraceful end goes: what children get, and how long after it began. A child itself waits a
 * second for its threads. */
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

bool children_is_current(const generation_t *g, const slot_t *slot)
{
    return slot->state != SLOT_FREE && slot->generation == g->retained->mpm->my_generation;
}

static bool accepts(const generation_t *g, int i, int bucket)
{
    const slot_t *slot = &g->retained->slots[i];

    return children_is_current(g, slot)
           && ((slot->state == SLOT_STARTING && !slot->late) || slot->state == SLOT_SERVING)
           && (bucket < 0 || slot->bucket == bucket);
}

int children_count(const generation_t *g, int bucket)
{
    int i, count = 0;

    for (i = 0; i < g->retained->slots_used; i++) {
        count += accepts(g, i, bucket);
    }
    return count;
}

int children_serving(const generation_t *g, int bucket)
{
    int i, count = 0;

    for (i = 0; i < g->retained->slots_used; i++) {
        count += accepts(g, i, bucket) && g->retained->slots[i].state == SLOT_SERVING;
    }
    return count;
}

board_view_t children_view(const generation_t *g, int slot)
{
    return board_view(&g->retained->board->children[slot], g->retained->fixed.thread_limit);
}

int children_connections(int slot)
{
    int64_t descriptors = config_limits()->descriptors;

    return board_count(&ap_get_scoreboard_process(slot)->connections,
                       (int)MIN(descriptors, MOST_CONNECTIONS));
}

int children_lasting(int slot)
{
    const process_score *score = ap_get_scoreboard_process(slot);
    int connections = children_connections(slot);

    return connections - MIN(connections, board_count(&score->keep_alive, connections)
                                          + board_count(&score->lingering_close, connections));
}

int children_busy_threads(const generation_t *g)
{
    int i, busy = 0;

    for (i = 0; i < g->retained->slots_used; i++) {
        if (accepts(g, i, -1)) {
            busy = board_sum(busy, children_view(g, i).busy);
        }
    }
    return busy;
}

int children_successors(const generation_t *g)
{
    int i, count = 0;

    for (i = 0; i < g->retained->slots_used; i++) {
        count += children_is_current(g, &g->retained->slots[i])
                 && g->retained->slots[i].successor >= 0;
    }
    return count;
}

/* It is about to take the place of another. */
static bool is_successor(const generation_t *g, int slot)
{
    int i;

    for (i = 0; i < g->retained->slots_used; i++) {
        if (g->retained->slots[i].successor == slot) {
            return true;
        }
    }
    return false;
}

int children_draining(const generation_t *g)
{
    int i, count = 0;

    for (i = 0; i < g->retained->slots_used; i++) {
        count += g->retained->slots[i].state == SLOT_DRAINING;
    }
    return count;
}

int children_aborted(const generation_t *g)
{
    int i, count = 0;

    for (i = 0; i < g->retained->slots_used; i++) {
        const slot_t *slot = &g->retained->slots[i];

        count += slot->state == SLOT_DRAINING && slot->aborted && !slot->killed;
    }
    return count;
}

static bool is_parked(const generation_t *g, int i)
{
    const slot_t *slot = &g->retained->slots[i];

    return slot->state == SLOT_PARKED && children_is_current(g, slot);
}

int children_parked(const generation_t *g)
{
    int i, count = 0;

    for (i = 0; i < g->retained->slots_used; i++) {
        count += is_parked(g, i);
    }
    return count;
}

int children_parked_lasting(const generation_t *g)
{
    int i, count = 0;

    for (i = 0; i < g->retained->slots_used; i++) {
        count += is_parked(g, i) && children_lasting(i) > 0;
    }
    return count;
}

/* The one that is the best kept: it has most connections. */
static int best_parked(const generation_t *g, int bucket)
{
    int i, best = -1, most = -1;

    for (i = 0; i < g->retained->slots_used; i++) {
        if (is_parked(g, i) && (bucket < 0 || g->retained->slots[i].bucket == bucket)
            && children_connections(i) > most) {
            best = i;
            most = children_connections(i);
        }
    }
    return best;
}

bool children_resurrect(generation_t *g, int bucket)
{
    int i = best_parked(g, bucket);

    return i >= 0 && children_order(g, i, CHILD_ORDER_RESUME);
}

int children_least_missed(const generation_t *g)
{
    int i, best = -1, fewest = INT_MAX;

    for (i = 0; i < g->retained->slots_used; i++) {
        if (is_parked(g, i) && children_lasting(i) == 0 && children_connections(i) < fewest) {
            best = i;
            fewest = children_connections(i);
        }
    }
    return best;
}

int children_least_needed(const generation_t *g)
{
    int i, best = -1, best_lasting = 0, best_connections = 0;

    for (i = 0; i < g->retained->slots_used; i++) {
        const slot_t *slot = &g->retained->slots[i];

        if (accepts(g, i, -1) && slot->state == SLOT_SERVING && slot->successor < 0
            && children_serving(g, slot->bucket) > 1 && !is_successor(g, i)) {
            int lasting = children_lasting(i), connections = children_connections(i);

            if (best < 0 || lasting < best_lasting
                || (lasting == best_lasting && connections < best_connections)) {
                best = i;
                best_lasting = lasting;
                best_connections = connections;
            }
        }
    }
    return best;
}

/* --- starting --------------------------------------------------------------------- */

/* A message that comes again and again: true if its time has come, which is noted in *logged_us (0: it
 * was never said). */
static bool may_log(int64_t *logged_us, int64_t every_us, int64_t now_us)
{
    if (*logged_us && now_us - *logged_us < every_us) {
        return false;
    }
    *logged_us = now_us;
    return true;
}

static void log_full(generation_t *g, int64_t now_us)
{
    retained_t *r = g->retained;

    if (!r->full_since_us) {
        r->full_since_us = now_us;
    }
    /* while a generation hands over to the next both need slots, which soon are free again */
    if (now_us - r->full_since_us < FULL_PATIENCE_US
        || !may_log(&r->full_logged_us, FULL_LOG_US, now_us)) {
        return;
    }
    ap_log_error(APLOG_MARK, APLOG_ERR, 0, g->server, ADPNO(0081)
                 "no scoreboard slot is left for another child: of %d, %d are held by "
                 "children that finish old connections; raise ServerLimit %d and stop and "
                 "start the server", r->fixed.slot_count, children_draining(g),
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

int children_neediest_bucket(const generation_t *g)
{
    int b, best = 0;

    for (b = 1; b < g->bucket_count; b++) {
        if (children_count(g, b) < children_count(g, best)) {
            best = b;
        }
    }
    return best;
}

static void clean_scoreboard_row(const generation_t *g, int slot)
{
    process_score *score = ap_get_scoreboard_process(slot);
    int i;

    score->pid = 0;
    score->quiescing = score->not_accepting = 0;
    score->connections = score->write_completion = score->lingering_close = 0;
    score->keep_alive = score->suspended = score->wait_io = 0;
    for (i = 0; i < g->config->thread_limit; i++) {
        ap_update_child_status_from_indexes(slot, i, SERVER_DEAD, NULL);
    }
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
    start_pace_failed(&g->retained->start_pace, START_REFUSED, now_us, now_us);
    if (may_log(&g->retained->refused_logged_us, CLOCK_US_PER_S, now_us)) {
        ap_log_error(APLOG_MARK, APLOG_ERR, error, g->server, ADPNO(0082)
                     "cannot start another child process, going on with %d; raise the limit "
                     "of %s", children_count(g, -1),
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
    clean_scoreboard_row(g, slot);
    scoreboard_ext_reset(&r->board->children[slot]);
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
    start_pace_started(&r->start_pace, now_us);
    ap_get_scoreboard_process(slot)->pid = pid;
    ap_get_scoreboard_process(slot)->generation = r->mpm->my_generation;
    ap_run_child_status(g->server, pid, r->mpm->my_generation, slot, MPM_CHILD_STARTED);
    return slot;
}

/* --- serving ---------------------------------------------------------------------- */

static slot_state_e state_after(char order, slot_state_e before)
{
    switch (order) {
    case CHILD_ORDER_PARK:
        return SLOT_PARKED;
    case CHILD_ORDER_RESUME:
        return SLOT_SERVING;
    case CHILD_ORDER_LOOK:
    case CHILD_ORDER_DECIDE:
        return before;
    default:
        return SLOT_DRAINING;
    }
}

static bool send_order(const retained_t *r, int slot, char order)
{
    return !ADP_FAULT(order_lost)
           && (r->lifelines[slot] < 0 || write(r->lifelines[slot], &order, 1) == 1);
}

/* The child is going from now on; it has yet to be told so, if the order was not sent. */
static void note_draining(slot_t *slot, char order, bool sent)
{
    slot->unsent = (char)(sent ? 0 : order);
    if (slot->state != SLOT_DRAINING) {
        slot->draining_us = clock_now_us();
    }
}

/* The child has closed its end of the lifeline. If it is not about to end anyway (the books hear
 * of that soon) it is broken or hostile: it cannot be counted on, and gets the order that needs
 * no lifeline. */
static void give_up_on(generation_t *g, int i)
{
    slot_t *slot = &g->retained->slots[i];
    siginfo_t ended = { .si_pid = 0 };

    if (waitid(P_PID, (id_t)slot->pid, &ended, WEXITED | WNOHANG | WNOWAIT) != 0
        || ended.si_pid != 0) {
        return;
    }
    ap_log_error(APLOG_MARK, APLOG_ERR, 0, g->server, ADPNO(0085)
                 "child process %d does not listen to its parent any more: it is told to end",
                 (int)slot->pid);
    close(g->retained->lifelines[i]);
    g->retained->lifelines[i] = -1;
    slots_enter(slot, SLOT_DRAINING);
    slot->unsent = 0;
    slot->draining_us = clock_now_us();
    kill(slot->pid, SIGTERM);
}

bool children_order(generation_t *g, int i, char order)
{
    slot_t *slot = &g->retained->slots[i];
    slot_state_e after = state_after(order, slot->state);
    bool sent;

    if (slot->state == SLOT_FREE) {
        return false;
    }
    errno = 0;
    sent = send_order(g->retained, i, order);
    if (!sent && errno == EPIPE) {
        give_up_on(g, i);
        return false;
    }
    /* A full pipe: the child has not read for long, and a look more or less does not matter. But
     * one that could not be told to park still serves, and is told again; and one that is to go
     * counts as going, and hears of it later. */
    if (state_after(order, SLOT_SERVING) == SLOT_DRAINING) {
        slot->aborted = slot->aborted || slot->state == SLOT_STARTING;
        note_draining(slot, order, sent);
    }
    if (sent || after == SLOT_DRAINING) {
        slots_enter(slot, after);
    }
    return sent;
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

    for (i = 0; i < r->slots_used; i++) {
        slot_t *slot = &r->slots[i];

        if (slot->state == SLOT_STARTING && children_view(g, i).ready) {
            slots_enter(slot, SLOT_SERVING);
            r->ever_healthy = true;
            note_start_time(r, slot, &r->board->children[i], now_us);
        }
        else if (slot->state == SLOT_DRAINING && slot->aborted && children_view(g, i).ready) {
            /* it was ready before it heard of its end: it may have connections */
            slot->aborted = false;
        }
        /* only a child that was started after the last failure shows that it is over */
        recovered = recovered || ((slot->state == SLOT_SERVING || slot->state == SLOT_PARKED)
                                  && children_is_current(g, slot)
                                  && start_pace_is_healthy(&r->start_pace, slot->started_us, now_us));
    }
    if (r->start_pace.failures && recovered) {
        if (r->start_pace.failures > 1) {
            ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, g->server, ADPNO(0083)
                         "children start again (after %d failures in a row)", r->start_pace.failures);
        }
        start_pace_recovered(&r->start_pace);
        r->failures_logged_us = 0;
    }
}

static uint64_t look_bit(int bucket)
{
    /* where buckets share a bit, a look is made that was not needed */
    return UINT64_C(1) << (unsigned)bucket % 64;
}

void children_need_look(generation_t *g, int bucket)
{
    g->looks_due |= look_bit(bucket);
}

void children_look(generation_t *g)
{
    uint64_t due = g->looks_due;
    int i;

    g->looks_due = 0;
    for (i = 0; due && i < g->retained->slots_used; i++) {
        const slot_t *slot = &g->retained->slots[i];

        if (slot->state == SLOT_SERVING && due & look_bit(slot->bucket)) {
            children_order(g, i, CHILD_ORDER_LOOK);
        }
    }
}

/* --- ending ----------------------------------------------------------------------- */

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
    clean_scoreboard_row(g, i);
    scoreboard_ext_reset(&r->board->children[i]);
    for (j = 0; j < r->slots_used; j++) {
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
    if (r->start_pace.failures > 1 && may_log(&r->failures_logged_us, FAILURES_LOG_US, now_us)) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, g->server, ADPNO(0084)
                     "%d children in a row ended at their start or soon after it (see the "
                     "messages above); the next is started in %d ms", r->start_pace.failures,
                     (int)(MAX(r->start_pace.next_us - now_us, 0) / CLOCK_US_PER_MS));
    }
}

/* By our own books: children can write in the scoreboard. */
static int slot_of_pid(const retained_t *r, pid_t pid)
{
    int i;

    for (i = 0; i < r->slots_used; i++) {
        if (r->slots[i].state != SLOT_FREE && r->slots[i].pid == pid) {
            return i;
        }
    }
    return -1;
}

bool children_ended(generation_t *g, apr_proc_t *process, apr_exit_why_e why, int status,
                    int64_t now_us, bool *give_up)
{
    retained_t *r = g->retained;
    int verdict = ap_process_child_status(process, why, status);
    int i = slot_of_pid(r, process->pid);
    bool starting;
    slot_t *slot;

    if (i < 0) {
        return false;
    }
    slot = &r->slots[i];
    starting = slot->state == SLOT_STARTING && !children_view(g, i).ready;
    if (verdict == APEXIT_CHILDFATAL && children_is_current(g, slot) && starting) {
        *give_up = true;
    }
    else if (slot->state == SLOT_DRAINING || !children_is_current(g, slot)) {
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

    for (i = 0; i < g->retained->slots_used; i++) {
        const slot_t *slot = &g->retained->slots[i];

        if (slot->state != SLOT_FREE && has_ended(slot->pid)) {
            take_out(g, i);
        }
        left += slot->state != SLOT_FREE;
    }
    return left;
}

static void use_force(const generation_t *g, const force_t *force)
{
    int i;

    for (i = 0; i < g->retained->slots_used; i++) {
        const slot_t *slot = &g->retained->slots[i];

        if (slot->state == SLOT_FREE) {
            continue;
        }
        if (force->level) {
            ap_log_error(APLOG_MARK, force->level, 0, g->server, ADPNO(0076)
                         "child process %d has not ended %d s after it was told to, sending %s",
                         (int)slot->pid, (int)(force->after_us / CLOCK_US_PER_S),
                         force->signal == SIGKILL ? "SIGKILL" : "another SIGTERM");
        }
        kill(slot->pid, force->signal);
    }
}

/* httpd waits for, and kills, whoever its scoreboard names: nobody, whatever a child wrote there. */
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
