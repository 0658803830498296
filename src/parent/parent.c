/* The parent's main thread, which has no other: one run from the first child to the restart or
 * the stop. Nothing here waits for a child without a bound. */
#include "parent.h"

#include "belongings.h"
#include "draining.h"
#include "latecomers.h"
#include "signals.h"
#include "slots.h"
#include "steer_children.h"

#include "base/clock.h"
#include "base/last_call.h"
#include "base/log.h"
#include "base/testhook.h"
#include "base/wakeup.h"
#include "board/board_view.h"
#include "child/child.h"
#include "child/quota.h"
#include "config/config.h"
#include "report/status.h"

#include "apr_portable.h"
#include "apr_signal.h"
#include "http_main.h"
#include "mpm_common.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/param.h>
#include <unistd.h>

/* ap_wait_or_timeout() runs the monitor hook at every tenth of its one-second rounds. */
#ifndef MONITOR_INTERVAL_US
#define MONITOR_INTERVAL_US (10 * CLOCK_US_PER_S)
#endif
#define SHORTEST_PAUSE_US   CLOCK_US_PER_MS
/* How soon to look again at what cannot be done now. */
#define RETRY_US            (100 * CLOCK_US_PER_MS)
/* After a graceful restart old children accept until the new ones are ready, but if some
 * of these fail, no longer than this once every bucket is served. */
#define HANDOVER_PATIENCE_US (5 * CLOCK_US_PER_S)
/* How long children of the last generation may take to close their listeners. */
#define RELEASE_PATIENCE_MS 500

/* How often a graceful stop looks whether handshakes are under way, and how long children accept
 * on for them. */
#define LAST_CALL_ROUND_US (20 * CLOCK_US_PER_MS)
#define LAST_CALL_US       (LAST_CALL_MOST_MS * CLOCK_US_PER_MS)
/* Ports whose handshakes are waited for. */
#define LAST_CALL_PORTS    64

/* How long a child may take to obey when GracefulShutdownTimeout is over, and to be killed. */
#define CUT_US (200 * CLOCK_US_PER_MS)

/* How long old children may take to end what they are doing, before a configuration that has what
 * they need goes; and after what time without change what is left goes on for longer. */
#define SETTLE_US           (3 * CLOCK_US_PER_S)
#define SETTLED_US          (500 * CLOCK_US_PER_MS)
#define SETTLE_ROUND_MS     2
#define SETTLE_MOST_COUNTED 1000000
/* Programs that logs are piped to, and that outlive the configuration. */
#define MOST_LOG_READERS    256

/* What one run of the loop remembers. */
typedef struct run_t {
    generation_t *g;
    spare_rule_t rule;
    int64_t began_us;
    int semaphore;              /* of System V, that the configuration has made; -1: none */
    int64_t late_us;            /* it is said that handing over takes long after that time */
    bool handing_over;          /* children of the last generation still accept */
} run_t;

/* Some process has ended since reap() began its last round. The handler has nothing to do that
 * could wait: the descriptor by which children wake the parent is not its own alone. */
static volatile sig_atomic_t child_has_ended;

static void on_child_signal(int signo)
{
    (void)signo;
    child_has_ended = 1;
}

static bool is_told_to_end(const generation_t *g)
{
    const ap_unixd_mpm_retained_data *mpm = g->retained->mpm;

    return mpm->shutdown_pending || mpm->restart_pending;
}

/* During a graceful stop. Only another stop can be the cause: restarts are ignored by then. */
static bool is_told_to_hurry(const generation_t *g)
{
    return g->retained->mpm->is_ungraceful;
}

/* --- reaping ---------------------------------------------------------------------- */

/* Bury every process that has ended. False: one ended so that the server has to end too. */
static bool reap(generation_t *g)
{
    bool give_up = false;
    apr_exit_why_e why;
    apr_proc_t process;
    int status;

    child_has_ended = 0;
    while (!give_up && apr_proc_wait_all_procs(&process, &status, &why, APR_NOWAIT, g->pconf)
                       == APR_CHILD_DONE) {
        if (!children_ended(g, &process, why, status, clock_now_us(), &give_up)) {
            /* piped loggers, mod_cgid's daemon: whoever registered it hears of it */
            apr_proc_other_child_alert(&process, APR_OC_REASON_DEATH, status);
        }
    }
    return !give_up;
}

/* --- how many children ------------------------------------------------------------ */

/* How a child of an earlier generation is told to finish. The sockets of further buckets end
 * with their configuration: what is in their backlog is lost unless the last to hold them
 * takes it along. */
static char farewell(const slot_t *slot)
{
    return slot->bucket > 0 && slot->state != SLOT_STARTING ? CHILD_ORDER_FINISH
                                                            : CHILD_ORDER_RETIRE;
}

/* May this child of an earlier generation make room for one of the current? Somebody has to
 * accept from its bucket meanwhile, and its slot should be free soon. */
static bool may_make_room(const generation_t *g, int i)
{
    const slot_t *slot = &g->retained->slots[i];
    int j;

    if (children_is_current(g, slot) || slot->state != SLOT_SERVING) {
        return false;
    }
    if (children_serving(g, slot->bucket) > 0) {
        return true;
    }
    for (j = 0; j < g->retained->slots_used; j++) {
        if (j != i && g->retained->slots[j].state == SLOT_SERVING
            && g->retained->slots[j].bucket == slot->bucket) {
            return children_connections(i) == 0;
        }
    }
    return false;
}

/* Children that serve, of earlier generations. */
static int count_old(const generation_t *g)
{
    int i, count = 0;

    for (i = 0; i < g->retained->slots_used; i++) {
        count += g->retained->slots[i].state == SLOT_SERVING
                 && !children_is_current(g, &g->retained->slots[i]);
    }
    return count;
}

/* The child of an earlier generation that misses least when it makes room, -1: none may. */
static int pick_old(const generation_t *g)
{
    int i, best = -1, best_connections = 0;

    for (i = 0; i < g->retained->slots_used; i++) {
        if (may_make_room(g, i)) {
            int connections = children_connections(i);

            if (best < 0 || connections < best_connections) {
                best = i;
                best_connections = connections;
            }
        }
    }
    return best;
}

/* No slot is left for the new generation: the old one hands over, child for child. As many as
 * before serve at any time, unless not even one of the new ones has a place. What cannot be
 * handed over goes on being served by the old one. Returns whether there is somebody to wait
 * for. */
static bool make_room(generation_t *g)
{
    int old = count_old(g), serving = children_serving(g, -1);
    int needed = MIN(g->carried, g->retained->wanted_children);
    int surplus = children_count(g, -1) > 0 ? old + serving - needed : 1;
    int i;

    while (surplus-- > 0 && (i = pick_old(g)) >= 0) {
        children_order(g, i, farewell(&g->retained->slots[i]));
    }
    return old > 0;
}

/* A child is missing, whether it was never there or died, or was not started in time. */
static bool is_one_missing(const generation_t *g)
{
    return children_count(g, -1) - children_successors(g) < g->retained->wanted_children
           || children_count(g, children_neediest_bucket(g)) == 0;
}

/* Children that were started for an earlier configuration and were not ready when the next one
 * came are still there for a while. Reloads that follow one another must not pile them up: until
 * they have ended, the new generation makes do with fewer. */
static bool is_room_beside_aborted(const generation_t *g, int bucket)
{
    int aborted = children_aborted(g), wanted = g->retained->wanted_children;

    return children_count(g, -1) + aborted < wanted
           || (children_count(g, bucket) == 0 && aborted <= wanted);
}

/* False: not now. */
static bool start_one(generation_t *g, int bucket, int64_t now_us)
{
    start_pace_t *pace = &g->retained->start_pace;
    int slot;

    if (now_us < pace->next_us
        || (children_aborted(g) > 0 && !is_room_beside_aborted(g, bucket))) {
        return false;
    }
    slot = children_start(g, bucket, now_us);
    /* a child that ends, or that is ready, wakes us */
    if (slot == CHILDREN_NO_SLOT && make_room(g)) {
        return false;
    }
    if (slot < 0) {
        pace->next_us = MAX(pace->next_us, now_us + RETRY_US);
    }
    return slot >= 0;
}

/* Each turn starts a child or brings one back, or is the last: what a child does or does not
 * hear keeps nobody here. */
static void start_missing(generation_t *g, int64_t now_us)
{
    int turns;

    for (turns = 0; turns < g->retained->fixed.slot_count; turns++) {
        int bucket = children_neediest_bucket(g);

        if (is_told_to_end(g) || !is_one_missing(g)
            || (!children_resurrect(g, bucket) && !start_one(g, bucket, now_us))) {
            break;
        }
    }
}

/* MaxConnectionsPerChild: without the directive no child asks for a successor, unless somebody else
 * wrote there. */
static bool is_used_up(const generation_t *g, int i)
{
    return ap_max_requests_per_child > 0 && children_is_current(g, &g->retained->slots[i])
           && children_view(g, i).wants_successor;
}

/* The oldest of those that wait for a successor, so that none is passed over again and again; -1:
 * none. lasting: no matter whether it can end soon. */
static int pick_used_up(const generation_t *g, bool lasting)
{
    const retained_t *r = g->retained;
    int i, oldest = -1;

    for (i = 0; i < r->slots_used; i++) {
        const slot_t *slot = &r->slots[i];

        if (slot->state == SLOT_SERVING && slot->successor < 0 && is_used_up(g, i)
            && (oldest < 0 || slot->started_us < r->slots[oldest].started_us)
            && (lasting || children_lasting(i) == 0)) {
            oldest = i;
        }
    }
    return oldest;
}

/* Ten a second, however many want one. */
static void start_successor(generation_t *g, int64_t now_us)
{
    slot_t *slots = g->retained->slots;
    int i = pick_used_up(g, true);
    int successor;

    if (i < 0 || now_us < g->retained->start_pace.next_us || now_us < g->next_successor_us) {
        return;
    }
    g->next_successor_us = now_us + QUOTA_PAUSE_US;
    successor = children_start(g, slots[i].bucket, now_us);
    slots[i].successor = MAX(successor, -1);
    if (successor == CHILDREN_NO_SLOT && (i = pick_used_up(g, false)) >= 0) {
        /* no place beside it: it makes its own, if it can end soon */
        children_order(g, i, CHILD_ORDER_RETIRE);
    }
}

/* The successor first, then the old child goes. */
static void replace_used_up(generation_t *g, int64_t now_us)
{
    retained_t *r = g->retained;
    int i;

    for (i = 0; i < r->slots_used; i++) {
        slot_t *slot = &r->slots[i];
        int successor = slot->successor;

        if (slot->state == SLOT_SERVING && successor >= 0 && is_used_up(g, i)
            && r->slots[successor].state == SLOT_SERVING) {
            slot->successor = -1;
            children_order(g, i, CHILD_ORDER_RETIRE);
        }
        else if (slot->state == SLOT_PARKED && is_used_up(g, i)) {
            /* nobody has to take the place of a child that is not needed */
            children_order(g, i, CHILD_ORDER_RETIRE);
        }
    }
    start_successor(g, now_us);
}

/* A child was woken for connections that it cannot take, or has ended: its siblings look for them. */
static void relieve(generation_t *g)
{
    retained_t *r = g->retained;
    int i;

    for (i = 0; i < r->slots_used; i++) {
        if (r->slots[i].state != SLOT_FREE && board_take_relief(&r->board->children[i])) {
            children_need_look(g, r->slots[i].bucket);
        }
    }
    children_look(g);
}

/* --- handing over ----------------------------------------------------------------- */

/* Children of earlier generations finish what they have: those of one bucket, or all (-1). */
static void retire_old(generation_t *g, int bucket)
{
    int i;

    for (i = 0; i < g->retained->slots_used; i++) {
        slot_t *slot = &g->retained->slots[i];

        if (slot->state != SLOT_FREE && slot->state != SLOT_DRAINING
            && !children_is_current(g, slot) && (bucket < 0 || slot->bucket == bucket)) {
            children_order(g, i, farewell(slot));
        }
    }
}

/* Which generation serves a bucket until the current one does: the newest whose children accept
 * or, if none does, the one that was started first. */
static bool serves_meanwhile(const generation_t *g, const slot_t *slot)
{
    const retained_t *r = g->retained;
    const slot_t *best = slot;
    int i;

    for (i = 0; i < r->slots_used; i++) {
        const slot_t *s = &r->slots[i];

        if (s->bucket != slot->bucket || children_is_current(g, s)) {
            continue;
        }
        if (s->state == SLOT_SERVING
            && (best->state != SLOT_SERVING || s->generation > best->generation)) {
            best = s;
        }
        if (s->state == SLOT_STARTING && best->state == SLOT_STARTING
            && s->generation < best->generation) {
            best = s;
        }
    }
    return slot->generation == best->generation;
}

/* A reload came before the last one was through: what is neither serving nor will is in the
 * way of the newest configuration. */
static void retire_superseded(generation_t *g)
{
    int i;

    for (i = 0; i < g->retained->slots_used; i++) {
        slot_t *slot = &g->retained->slots[i];

        if (slot->state != SLOT_FREE && slot->state != SLOT_DRAINING
            && !children_is_current(g, slot) && !serves_meanwhile(g, slot)) {
            children_order(g, i, farewell(slot));
        }
    }
}

/* How many of the wanted children are for a bucket. */
static int share_of(const generation_t *g, int bucket)
{
    int wanted = g->retained->wanted_children;

    return wanted / g->bucket_count + (bucket < wanted % g->bucket_count);
}

/* Why the new generation does not serve. */
static const char *why_late(const generation_t *g)
{
    int starting = children_count(g, -1) - children_serving(g, -1);

    if (g->retained->start_pace.failures > 1) {
        return "its children end at their start (see ADP0084)";
    }
    if (g->retained->full_since_us) {
        return "no scoreboard slot is free";
    }
    return starting > 0 ? "its children have not finished their initialisation"
                        : "no child could be started yet";
}

static void log_late(run_t *run, int64_t now_us)
{
    int64_t waited_us = now_us - run->began_us;

    if (waited_us < run->late_us) {
        return;
    }
    run->late_us = 2 * waited_us;
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, run->g->server, ADPNO(0088)
                 "%d s after the reload the new configuration does not serve on all sockets yet: "
                 "%s; %s meanwhile", (int)(waited_us / CLOCK_US_PER_S), why_late(run->g),
                 count_old(run->g) > 0 ? "the last one serves" : "new connections wait");
}

/* After a graceful restart: the old children of each bucket go when the new ones are there. */
static void hand_over(run_t *run, int64_t now_us)
{
    generation_t *g = run->g;
    bool patient = now_us - run->began_us < HANDOVER_PATIENCE_US;
    bool all = true, none_missing = true;
    int b;

    for (b = 0; b < g->bucket_count; b++) {
        int serving = children_serving(g, b);

        if (serving > 0 && (serving >= share_of(g, b) || !patient)) {
            retire_old(g, b);
        }
        else {
            all = false;
            none_missing = none_missing && serving > 0;
        }
    }
    if (all) {
        /* those of buckets that are no more, too */
        retire_old(g, -1);
        run->handing_over = false;
    }
    else if (!none_missing) {
        log_late(run, now_us);
    }
}

void parent_release_listeners(retained_t *retained)
{
    generation_t g = { .retained = retained };
    int i, waited_ms;

    for (i = 0; i < retained->slots_used; i++) {
        if (retained->slots[i].state == SLOT_STARTING
            || retained->slots[i].state == SLOT_SERVING
            || retained->slots[i].state == SLOT_PARKED) {
            children_order(&g, i, CHILD_ORDER_DRAIN);
        }
    }
    for (waited_ms = 0; waited_ms < RELEASE_PATIENCE_MS; waited_ms++) {
        bool open = false;

        for (i = 0; i < retained->slots_used; i++) {
            open = open || (retained->slots[i].state == SLOT_DRAINING
                            && !children_view(&g, i).closed);
        }
        if (!open) {
            break;
        }
        poll(NULL, 0, 1);
    }
}

/* --- the loop --------------------------------------------------------------------- */

/* Processor time of this thread. */
static int64_t cpu_now_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (int64_t)ts.tv_sec * CLOCK_US_PER_S + ts.tv_nsec / 1000;
}

/* When children may wake us next. What it took to start and bury children does not count. */
static int64_t next_wakeup_us(retained_t *r)
{
    int64_t used_us = cpu_now_us() - r->paced_cpu_us;

    r->paced_cpu_us += used_us;
    if (r->paced_turnover != r->turnover) {
        r->paced_turnover = r->turnover;
        used_us = 0;
    }
    return pace_next(&r->pace, used_us, clock_now_us());
}

/* One ppoll(2) with these signals blocked. What it finds of fd (-1: none), 0: nothing. */
static int doze(int fd, int64_t until_us, const sigset_t *mask)
{
    struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
    struct timespec timeout = clock_timeout(until_us - clock_now_us());

    return ppoll(&poll_fd, 1, &timeout, mask) > 0 ? poll_fd.revents : 0;
}

static void hear_children(const generation_t *g, int events)
{
    retained_t *r = g->retained;

    if (events & POLLNVAL) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, g->server, ADPNO(0063)
                     "the descriptor by which children wake the parent was closed by something "
                     "else in this process; looking ten times a second instead");
        /* not touched again: by now it may be another file */
        r->wakeup_fd = -1;
    }
    else if (events) {
        wakeup_receive(r->wakeup_fd);
        r->woken = true;
    }
}

/* Sleep until a child wakes us or ends, a signal comes, or until_us. A signal that came since
 * the last look is not slept over: signals are blocked but for the sleep itself, and is_over
 * is asked whether one came that ends the wait. */
static void doze_until(const generation_t *g, int64_t until_us, bool (*is_over)(const generation_t *))
{
    retained_t *r = g->retained;
    int64_t pause_us = next_wakeup_us(r);
    sigset_t before, commands;

    if (r->wakeup_fd < 0) {
        until_us = clock_earlier(until_us, clock_now_us() + RETRY_US);
    }

    signals_hold(&before);
    commands = before;
    sigaddset(&commands, SIGCHLD);
    pthread_sigmask(SIG_BLOCK, &commands, NULL);
    ADP_PAUSE(parent_sleeps);
    if (!is_over(g) && pause_us > clock_now_us()) {
        doze(-1, MIN(pause_us, until_us), &commands);
    }
    if (!is_over(g) && !child_has_ended) {
        hear_children(g, doze(r->wakeup_fd, until_us, &before));
    }
    r->woken = r->woken || child_has_ended || r->wakeup_fd < 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* What the parent has used of processors, for status pages: as old as its last round. */
static void publish_times(retained_t *r, int64_t now_us)
{
    if (now_us - r->times_us >= CLOCK_US_PER_S) {
        r->times_us = now_us;
        ap_update_global_status();
    }
}

/* When it is due is retained: reloads, however many, do not put it off. */
static void run_monitor(run_t *run, int64_t now_us)
{
    if (now_us >= run->g->retained->monitor_us) {
        run->g->retained->monitor_us = now_us + MONITOR_INTERVAL_US;
        ap_run_monitor(run->g->pconf, run->g->server);
        apr_proc_other_child_refresh_all(APR_OC_REASON_RUNNING);
    }
}

/* One round; returns when to look again. */
static int64_t round_of(run_t *run)
{
    generation_t *g = run->g;
    int64_t now_us = clock_now_us();
    int64_t next_us;

    children_note_ready(g, now_us);
    if (run->handing_over) {
        hand_over(run, now_us);
    }
    next_us = clock_earlier(steer_children_round(g, &run->rule, now_us), draining_round(g, now_us));
    next_us = clock_earlier(next_us, latecomers_round(g, now_us));
    replace_used_up(g, now_us);
    start_missing(g, now_us);
    relieve(g);
    slots_show(g->retained, now_us);
    publish_times(g->retained, now_us);
    run_monitor(run, now_us);
    if (g->retained->start_pace.failures) {
        next_us = clock_earlier(next_us, now_us + RETRY_US);
    }
    if (g->retained->start_pace.next_us > now_us) {
        next_us = clock_earlier(next_us, g->retained->start_pace.next_us);
    }
    if (g->next_successor_us > now_us) {
        next_us = clock_earlier(next_us, g->next_successor_us);
    }
    if (run->handing_over) {
        next_us = clock_earlier(next_us, run->began_us + run->late_us);
        next_us = MAX(next_us, now_us + RETRY_US);
    }
    /* whatever was computed, two rounds are not one after the other */
    return MAX(clock_earlier(next_us, g->retained->monitor_us), now_us + SHORTEST_PAUSE_US);
}

/* Until a signal ends the run; false: the server has to end. A run that is told to end before it
 * has begun buries and monitors all the same: such runs may follow one another. */
static bool serve(run_t *run)
{
    bool healthy;

    run_monitor(run, clock_now_us());
    while ((healthy = reap(run->g)) && !is_told_to_end(run->g)) {
        if (signals_take_resize()) {
            ap_log_error(APLOG_MARK, APLOG_DEBUG, 0, run->g->server, ADPNO(0047)
                         "the terminal was resized; its SIGWINCH is no reason to stop");
        }
        doze_until(run->g, round_of(run), is_told_to_end);
    }
    if (!healthy) {
        ap_log_error(APLOG_MARK, APLOG_ALERT, 0, run->g->server, ADPNO(0090)
                     "no child process can run (see the messages above): the server ends");
    }
    return healthy;
}

/* --- the end of a run ------------------------------------------------------------- */

static void stop_at_once(generation_t *g, bool remove_pid_file)
{
    ADP_PAUSE(stop_at_once);
    children_reclaim(g);
    ADP_PAUSE(stopped_at_once);
    if (remove_pid_file) {
        ap_remove_pid(g->pconf, ap_pid_fname);
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, g->server, ADPNO(0095)
                     "caught SIGTERM, shutting down");
    }
}

static bool any_child(const generation_t *g)
{
    int i;

    for (i = 0; i < g->retained->slots_used; i++) {
        if (g->retained->slots[i].state != SLOT_FREE) {
            return true;
        }
    }
    return false;
}

static void drain_all(generation_t *g)
{
    int i;

    for (i = 0; i < g->retained->slots_used; i++) {
        if (g->retained->slots[i].state != SLOT_FREE) {
            children_order(g, i, CHILD_ORDER_DRAIN);
        }
    }
}

/* Bury children until none is left, or until_us. Only an ungraceful signal ends that early. */
static void await_children(generation_t *g, int64_t until_us)
{
    while (any_child(g) && !is_told_to_hurry(g) && clock_now_us() < until_us) {
        reap(g);
        children_look(g);
        draining_repeat_orders(g);
        if (any_child(g)) {
            doze_until(g, MIN(until_us, clock_now_us() + CLOCK_US_PER_S), is_told_to_hurry);
        }
    }
}

/* Nobody new begins a connection. Children hold these sockets too, and accept from them. Returns
 * how many ports they have. */
static int close_listeners(const generation_t *g, int ports[LAST_CALL_PORTS])
{
    int b, count = 0;

    for (b = 0; b < g->bucket_count; b++) {
        const ap_listen_rec *lr;

        for (lr = g->buckets[b]; lr; lr = lr->next) {
            int fd = -1;

            if (apr_os_sock_get(&fd, lr->sd) == APR_SUCCESS && last_call(fd) == 0
                && b == 0 && count < LAST_CALL_PORTS) {
                ports[count++] = last_call_port(fd);
            }
        }
        ap_close_listeners_ex(g->buckets[b]);
    }
    ap_close_listeners();
    return count;
}

/* The backlog is complete: who had begun to connect when the sockets were closed has come to be
 * accepted. */
static void await_handshakes(generation_t *g, const int *ports, int count, int64_t until_us)
{
    while (clock_now_us() < until_us && !is_told_to_hurry(g)
           && last_call_pending("", ports, count)) {
        await_children(g, MIN(until_us, clock_now_us() + LAST_CALL_ROUND_US));
    }
}

static void signal_children(const generation_t *g, int signo)
{
    int i;

    for (i = 0; i < g->retained->slots_used; i++) {
        if (g->retained->slots[i].state != SLOT_FREE) {
            kill(g->retained->slots[i].pid, signo);
        }
    }
}

/* GracefulShutdownTimeout is over: the children that are left have had their time. */
static void cut_short(generation_t *g)
{
    signal_children(g, SIGTERM);
    await_children(g, clock_now_us() + CUT_US);
    signal_children(g, SIGKILL);
    await_children(g, clock_now_us() + CUT_US);
}

/* Wait for children to finish, up to GracefulShutdownTimeout or a second signal. */
static void stop_gracefully(generation_t *g)
{
    int64_t now_us = clock_now_us();
    int64_t give_up_us = ap_graceful_shutdown_timeout > 0
                         ? now_us + ap_graceful_shutdown_timeout * CLOCK_US_PER_S
                         : CLOCK_NEVER;
    int ports[LAST_CALL_PORTS];
    int count;

    /* how long a stop may last is GracefulShutdownTimeout's */
    atomic_store(&g->retained->board->drain_timeout_us, 0);
    count = close_listeners(g, ports);
    ADP_PAUSE(stop_gracefully);
    ap_remove_pid(g->pconf, ap_pid_fname);
    ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, g->server, ADPNO(0096)
                 "caught SIGWINCH, shutting down gracefully");
    await_handshakes(g, ports, count, MIN(give_up_us, now_us + LAST_CALL_US));
    drain_all(g);
    await_children(g, give_up_us);
    if (!is_told_to_hurry(g)) {
        cut_short(g);
    }
    children_reclaim(g);
}

/* --- what ends with the configuration ----------------------------------------------- */

/* What this process has of its own, for belongings.h. */
static belongings_own_t own_things(const generation_t *g)
{
    const retained_t *r = g->retained;
    pid_t *pids = apr_palloc(g->pconf, sizeof(*pids) * (size_t)MAX(r->slots_used, 1));
    int i, count = 0;

    for (i = 0; i < r->slots_used; i++) {
        if (r->slots[i].state != SLOT_FREE) {
            pids[count++] = r->slots[i].pid;
        }
    }
    return (belongings_own_t) { pids, count, r->lifelines, r->lifeline_count };
}

/* Is there something that children need, and that the end of the configuration takes away? */
static bool ends_with_configuration(const generation_t *g, int semaphore)
{
    static const char *const kinds[] = {
        [BELONGING_PROCESS] = "process", [BELONGING_PIPE] = "pipe", [BELONGING_SOCKET] = "socket",
        [BELONGING_SEMAPHORE] = "semaphore"
    };
    belongings_own_t own = own_things(g);
    belonging_t found = { .kind = BELONGING_SEMAPHORE, .number = semaphore };

    if (semaphore < 0) {
        found = belongings_find(g->before, &own);
    }
    if (found.kind == BELONGING_NONE) {
        ap_log_error(APLOG_MARK, APLOG_INFO, 0, g->server, ADPNO(0042)
                     "children accept until those with the new configuration are ready: they "
                     "need nothing that ends with the old one");
        return false;
    }
    if (found.kind == BELONGING_UNKNOWN) {
        ap_log_error(APLOG_MARK, APLOG_INFO, 0, g->server, ADPNO(0044)
                     "children accept no more before the new configuration is read: /proc does "
                     "not say whether they need something that ends with the old one");
        return true;
    }
    ap_log_error(APLOG_MARK, APLOG_INFO, 0, g->server, ADPNO(0043)
                 "children accept no more before the new configuration is read: %s %d%s%s%s, which "
                 "they may need, ends with the old one", kinds[found.kind], found.number,
                 found.name[0] ? " (" : "", found.name, found.name[0] ? ")" : "");
    return true;
}

/* What old children have to do that will not end by itself at once: requests, and connections on
 * which one may come. */
static int unsettled(const generation_t *g)
{
    int i, count = 0;

    for (i = 0; i < g->retained->slots_used; i++) {
        const process_score *score = ap_get_scoreboard_process(i);

        if (g->retained->slots[i].state == SLOT_DRAINING) {
            board_view_t view = children_view(g, i);

            count = board_sum(count, view.busy + !view.closed);
            count = board_sum(count, board_count(&score->wait_io, SETTLE_MOST_COUNTED));
            count = board_sum(count, board_count(&score->keep_alive, SETTLE_MOST_COUNTED));
        }
    }
    return count;
}

/* The old children come to the end of what they are doing, while what they need is still there.
 * What goes on and on is not waited for: new connections wait meanwhile. Signals are held. */
static void settle(generation_t *g)
{
    int64_t began_us = clock_now_us(), changed_us = began_us, now_us = began_us;
    int before = -1, count;

    while ((count = unsettled(g)) > 0 && !g->retained->mpm->is_ungraceful
           && !g->retained->mpm->shutdown_pending && now_us - began_us < SETTLE_US) {
        if (count != before) {
            before = count;
            changed_us = now_us;
        }
        if (now_us - changed_us >= SETTLED_US) {
            break;
        }
        poll(NULL, 0, SETTLE_ROUND_MS);
        reap(g);
        children_look(g);
        signals_let_in();
        now_us = clock_now_us();
    }
    ap_log_error(APLOG_MARK, APLOG_DEBUG, 0, g->server, ADPNO(0045)
                 "waited %d ms for requests of the old configuration, %d left",
                 (int)((now_us - began_us) / CLOCK_US_PER_MS), count);
}

/* A program that a log is piped to gets SIGTERM when the configuration goes, with lines unread and
 * the last ones not written yet. Whoever looks after it is told that it has ended: then it stays
 * until its last writer has gone, and reads to the end. */
static void release_log_readers(const generation_t *g)
{
    belongings_own_t own = own_things(g);
    pid_t readers[MOST_LOG_READERS];
    int count = belongings_log_readers(g->before, &own, readers, MOST_LOG_READERS);
    int i;

    for (i = 0; i < count; i++) {
        apr_proc_t process = { .pid = readers[i] };

        apr_proc_other_child_alert(&process, APR_OC_REASON_DEATH, 0);
    }
    if (count > 0) {
        ap_log_error(APLOG_MARK, APLOG_DEBUG, 0, g->server, ADPNO(0046)
                     "%d programs that logs are piped to end when the last child that writes to "
                     "them has ended", count);
    }
}

/* --- restart ------------------------------------------------------------------------ */

static void announce_restart(const generation_t *g)
{
    if (g->retained->mpm->is_ungraceful) {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, g->server, ADPNO(0097)
                     "SIGHUP received, restarting");
    }
    else {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, g->server, ADPNO(0098)
                     AP_SIG_GRACEFUL_STRING " received, restarting gracefully");
    }
}

/* Called with signals held, and returns when no more of them wait: what they asked for is done
 * or, if it is a stop, pending. */
static void end_generation(const run_t *run)
{
    generation_t *g = run->g;
    retained_t *r = g->retained;
    bool reclaimed = false;

    /* the scoreboard's number first: a child that dies now must not count as current */
    ++r->mpm->my_generation;
    ap_scoreboard_image->global->running_generation = r->mpm->my_generation;
    announce_restart(g);
    ADP_PAUSE(generation_ends);
    /* old children accept until new ones are ready, see hand_over(), if they can */
    if (!r->mpm->is_ungraceful && ends_with_configuration(g, run->semaphore)) {
        retire_old(g, -1);
        settle(g);
    }
    do {
        if (r->mpm->is_ungraceful) {
            children_reclaim(g);
            reclaimed = true;
            ADP_PAUSE(reclaimed);
        }
        signals_let_in();
    } while (r->mpm->is_ungraceful && !reclaimed);
    r->mpm->was_graceful = !r->mpm->is_ungraceful;
    if (r->mpm->was_graceful && !r->mpm->shutdown_pending) {
        release_log_readers(g);
    }
}

/* Restart or stop, as the signals said that ended the run; a stop that comes during a restart
 * wins. Returns the value of the mpm hook: OK, with signals held, until the configuration is gone. */
static int end_run(const run_t *run)
{
    generation_t *g = run->g;
    ap_unixd_mpm_retained_data *mpm = g->retained->mpm;

    ADP_PAUSE(run_ends);
    mpm->mpm_state = AP_MPMQ_STOPPING;
    signals_hold(NULL);
    if (!mpm->shutdown_pending) {
        end_generation(run);
    }
    if (!mpm->shutdown_pending) {
        ADP_PAUSE(run_ended);
        return OK;
    }
    signals_ignore_restarts();
    signals_release();
    if (mpm->is_ungraceful) {
        stop_at_once(g, true);
    }
    else {
        stop_gracefully(g);
        release_log_readers(g);
    }
    return DONE;
}

/* httpd has just filled all rows of the scoreboard with zeros. The pages that nobody uses yet
 * go back to the kernel, and read as zeros: so a large ServerLimit costs an idle server
 * nothing. Where that is not possible they stay. */
static void release_scoreboard_rows(const generation_t *g)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *rows = (char *)ap_scoreboard_image->servers[0];
    size_t size = (size_t)g->config->slot_count * g->config->thread_limit * sizeof(worker_score);
    size_t before = (page - (uintptr_t)rows % page) % page;

    if (size >= before + page) {
        (void)madvise(rows + before, (size - before) / page * page, MADV_REMOVE);
    }
}

/* --- the beginning ---------------------------------------------------------------- */

static void run_one_process(generation_t *g)
{
    retained_t *r = g->retained;
    child_start_t start = {
        .server = g->server, .pconf = g->pconf, .config = g->config, .board = r->board,
        .bucket = g->buckets[0], .slot = 0, .generation = r->mpm->my_generation,
        .start_threads = g->config->start_threads, .lifeline_fd = -1, .parent_fd = -1,
        .cpus = g->cpus,
        .one_process = true,
        .mpm_state = &r->mpm->mpm_state
    };
    process_score *score = ap_get_scoreboard_process(0);
    int status = APEXIT_OK;

    score->pid = getpid();
    score->generation = r->mpm->my_generation;
    r->slots_used = 1;
    r->mpm->mpm_state = AP_MPMQ_RUNNING;
    /* those that come from now on are for the child's handlers */
    signals_hold(NULL);
    if (!r->mpm->shutdown_pending) {
        status = child_run(&start);
    }
    /* unprivileged by now, so that this may well fail; not ap_remove_pid(), which says so */
    apr_file_remove(ap_runtime_dir_relative(g->pconf, ap_pid_fname), g->pconf);
    /* like any child: returning would have httpd destroy its pools a second time at exit */
    exit(status);
}

static void watch_children(void)
{
    struct sigaction sa = { .sa_handler = on_child_signal, .sa_flags = SA_NOCLDSTOP | SA_RESTART };

    sigemptyset(&sa.sa_mask);
    sigaction(SIGCHLD, &sa, NULL);
}

/* The handler is code of this module, which httpd unloads between two runs. */
static void unwatch_children(void)
{
    apr_signal(SIGCHLD, SIG_DFL);
}

static void log_start(const generation_t *g)
{
    ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, g->server, ADPNO(0099)
                 "%s configured -- resuming normal operations", ap_get_server_description());
    ap_log_error(APLOG_MARK, APLOG_INFO, 0, g->server, ADPNO(0100)
                 "Server built: %s", ap_get_server_built());
    ap_log_command_line(g->pconf, g->server);
    ap_log_mpm_common(g->server);
    config_log_limits(g->server);
    ap_log_error(APLOG_MARK, APLOG_INFO, 0, g->server, ADPNO(0101)
                 "up to %d request workers: %d children of up to %d threads; at start %d "
                 "children of %d threads; %.2g processors", g->config->max_request_workers,
                 g->config->max_children, g->config->threads_per_child, g->retained->wanted_children,
                 g->config->start_threads, g->cpus);
}

/* Start, serve, and end as told. Returns the value of the mpm hook. */
static int run_children(run_t *run)
{
    generation_t *g = run->g;
    retained_t *r = g->retained;

    run->began_us = clock_now_us();
    run->semaphore = belongings_semaphore();
    if (!r->monitor_us) {
        r->monitor_us = run->began_us + MONITOR_INTERVAL_US;
    }
    run->late_us = HANDOVER_PATIENCE_US;
    /* reading the configuration may have taken longer than their start */
    children_note_ready(g, run->began_us);
    run->handing_over = r->mpm->was_graceful;
    if (run->handing_over) {
        retire_superseded(g);
    }
    g->carried = count_old(g);
    steer_children_begin(g, &run->rule, run->began_us);
    r->start_pace.next_us = 0;
    r->mpm->mpm_state = AP_MPMQ_RUNNING;
    ADP_PAUSE(run_begins);
    start_missing(g, run->began_us);
    log_start(g);
    ADP_PAUSE(run_began);
    if (!serve(run)) {
        r->mpm->mpm_state = AP_MPMQ_STOPPING;
        stop_at_once(g, false);
        return !OK;
    }
    return end_run(run);
}

int parent_run(generation_t *g, bool one_process)
{
    retained_t *r = g->retained;
    run_t run = { .g = g };
    int rc;

    ap_log_pid(g->pconf, ap_pid_fname);
    ADP_PAUSE(pid_file);
    atomic_store(&r->board->drain_timeout_us, g->config->drain_timeout_us);
    if (!r->mpm->was_graceful) {
        if (ap_run_pre_mpm(g->server->process->pool, SB_SHARED) != OK) {
            r->mpm->mpm_state = AP_MPMQ_STOPPING;
            return !OK;
        }
        ap_scoreboard_image->global->running_generation = r->mpm->my_generation;
        release_scoreboard_rows(g);
    }
    ADP_PAUSE(scoreboard);
    if (one_process) {
        run_one_process(g);
    }
    retained_adopt_strangers(r);
    r->parent_pid = getpid();
    watch_children();
    rc = run_children(&run);
    unwatch_children();
    return rc;
}
