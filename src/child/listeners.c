/* Whether the child's sockets are registered with the poller, and why not. The steward opens,
 * parks and closes; workers may pause. Owns the registrations, under listeners_t.lock. */
#include "listeners.h"

#include "bell.h"
#include "child_internal.h"
#include "first_byte.h"
#include "memory_guard.h"
#include "token.h"

#include "base/clock.h"
#include "base/last_call.h"
#include "base/probes.h"

#include "apr_portable.h"
#include "apr_strings.h"
#include "mpm_common.h"
#include "unixd.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/param.h>
#include <sys/resource.h>
#include <unistd.h>

/* How soon to look whether descriptors are free again, if no connection closes earlier. */
#define RETRY_US (100 * CLOCK_US_PER_MS)
/* ... and whether siblings have caught up; one that is stuck delays a client no longer. */
#define CROWDED_RETRY_US (2 * CLOCK_US_PER_MS)
#define CROWDED_MOST_US  (10 * CLOCK_US_PER_MS)
/* This many connections are no crowd in a child, whatever its siblings have; and where a child may
 * keep to one processor. */
#define CROWD            32
#define CROWD_PINNED     1
/* Resources that have been short for this long will not come by themselves. */
#define STARVE_US CLOCK_US_PER_S
/* Connections have waited this long to be accepted, while no sibling accepts: a child that the
 * parent starts would be known by then; and while one does, or starts, and does not help. */
#define HELPLESS_US (200 * CLOCK_US_PER_MS)
#define UNHELPED_US (3 * CLOCK_US_PER_S)
/* Connections that wait for a next request, closed at a time to make room: as many as wait to
 * be accepted, within: */
#define LEAST_EVICTED 8
#define MOST_EVICTED  64
/* ... and no others before these have had time to go. */
#define EVICTION_PAUSE_US (20 * CLOCK_US_PER_MS)

/* Descriptors that connections leave to files, backends and scripts, or accepted requests
 * would be answered with errors: an eighth of the limit, and one per thread if a quarter
 * allows it, but no more than: */
#define MOST_RESERVED_DESCRIPTORS 1024

/* The lowest number that is free, INT_MAX if none is. */
static int lowest_descriptor(const child_t *child)
{
    int fd = dup(child->steward_fd);

    if (fd < 0) {
        return INT_MAX;
    }
    close(fd);
    return fd;
}

static int descriptor_limit(const child_t *child)
{
    struct rlimit limit;
    int most, reserved;

    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur == RLIM_INFINITY
        || limit.rlim_cur > INT_MAX) {
        return INT_MAX;
    }
    most = (int)limit.rlim_cur;
    reserved = MAX(most / 8, MIN(child->config->threads_per_child, most / 4));
    reserved = MIN(reserved, MOST_RESERVED_DESCRIPTORS);
    /* log files of many virtual hosts may have taken most of the limit already */
    return most - MIN(reserved, (most - lowest_descriptor(child)) / 2);
}

/* MaxConnectionsPerChild, less up to a tenth that differs from child to child: those that
 * were started together must not all end together. */
static int64_t accept_quota(const child_t *child)
{
    int64_t most = ap_max_requests_per_child;
    uint64_t scattered = (uint64_t)getpid() * UINT64_C(2654435761) >> 8;

    if (most <= 0) {
        return INT64_MAX;
    }
    return child->one_process ? most : most - (int64_t)(scattered % (uint64_t)(most / 10 + 1));
}

apr_status_t listeners_init(child_t *child, ap_listen_rec *bucket)
{
    listeners_t *l = &child->listeners;
    ap_listen_rec *lr;
    apr_status_t rv;
    int i = 0;

    ON_STEWARD();
    l->count = 0;
    for (lr = bucket; lr; lr = lr->next) {
        l->count++;
    }
    l->records = apr_pcalloc(child->pool, sizeof(*l->records) * l->count);
    l->openings = apr_pcalloc(child->pool, sizeof(*l->openings) * l->count);
    for (lr = bucket; lr; lr = lr->next, i++) {
        rv = apr_socket_opt_set(lr->sd, APR_SO_NONBLOCK, 1);
        if (rv != APR_SUCCESS) {
            return rv;
        }
        /* a module may have put its own there; otherwise it is the MPM's to choose */
        if (!lr->accept_func) {
            lr->accept_func = ap_unixd_accept;
        }
        l->records[i] = lr;
        l->openings[i] = first_byte_opening(child->server, lr);
    }
    l->descriptor_limit = descriptor_limit(child);
    accept_gate_set(&l->gate, ACCEPT_CLOSED);
    atomic_init(&l->is_narrow, false);
    atomic_init(&l->narrow_above, 0);
    rv = lock_init(&l->narrow_lock, LOCK_OUTER);
    return rv ? rv : lock_init(&l->lock, LOCK_INNER);
}

static int listener_fd(const listeners_t *l, int index)
{
    int fd = -1;

    apr_os_sock_get(&fd, l->records[index]->sd);
    return fd;
}

/* The gate is in this state from now on; retry_us: when a pause ends. Called with the lock held. */
static void set_gate(child_t *child, accept_state_e state, int64_t retry_us)
{
    listeners_t *l = &child->listeners;

    HELD(&l->lock);
    ADP_PROBE1(accept, state);
    ap_log_error(APLOG_MARK, APLOG_TRACE1, 0, child->server, "listeners: %s, were %s",
                 accept_gate_name(state), accept_gate_name(accept_gate_state(&l->gate)));
    if (accept_gate_pauses(state)) {
        accept_gate_pause(&l->gate, state, retry_us);
    }
    else {
        accept_gate_set(&l->gate, state);
    }
    child->score->not_accepting = state != ACCEPT_ON;
}

/* Called with the lock held. */
static void deregister(child_t *child)
{
    listeners_t *l = &child->listeners;
    int i;

    HELD(&child->listeners.lock);
    for (i = 0; i < l->count; i++) {
        poller_remove(&child->poller, listener_fd(l, i));
    }
}

/* Called with the lock held. Returns 0, or why it will have to be tried again. */
static int register_all(child_t *child)
{
    listeners_t *l = &child->listeners;
    int i, rc = 0;

    HELD(&child->listeners.lock);
    for (i = 0; i < l->count && !rc; i++) {
        rc = poller_add_listener(&child->poller, listener_fd(l, i),
                                 token_make(TOKEN_LISTENER, 0, (uint32_t)i));
    }
    if (rc) {
        deregister(child);
        set_gate(child, ACCEPT_NO_RESOURCES, clock_now_us() + RETRY_US);
    }
    return rc;
}

static void report_registration(child_t *child, int rc)
{
    if (rc) {
        child_log_limited(child, LOG_POLLER, APLOG_ERR, rc, ADPNO(0030)
                          "cannot watch the listening sockets, trying again");
        bell_steward(child);
    }
}

void listeners_begin(child_t *child, int64_t now_us)
{
    ON_STEWARD();
    quota_begin(&child->listeners.quota, accept_quota(child),
                now_us - child->began_us + QUOTA_PAUSE_US, now_us);
    listeners_open(child);
}

void listeners_open(child_t *child)
{
    listeners_t *l = &child->listeners;
    int rc;

    lock_take(&l->lock);
    set_gate(child, ACCEPT_ON, 0);
    atomic_store(&child->ext->out_of_descriptors, false);
    rc = register_all(child);
    lock_give(&l->lock);
    report_registration(child, rc);
}

/* Have the parent tell the siblings to look at the backlog. */
static void ask_for_relief(child_t *child)
{
    atomic_store(&child->ext->wants_relief, true);
    bell_parent(child);
}

/* One that starts counts, so that it is given time. */
bool listeners_sibling_accepts(const child_t *child)
{
    int i;

    for (i = 0; i < child->config->slot_count; i++) {
        const process_score *score = ap_get_scoreboard_process(i);

        if (i != child->slot && child_has_kin(child, i)
            && !score->not_accepting && !score->quiescing) {
            return true;
        }
    }
    return false;
}

static int64_t retry_pause_us(accept_state_e why)
{
    return why == ACCEPT_CROWDED ? CROWDED_RETRY_US : RETRY_US;
}

/* A full or crowded child is no news: only if something waits that a sibling takes, and they do not
 * look already. The sockets are out of the poller, so what comes from now on wakes a sibling
 * anyway. */
static bool needs_relief(const child_t *child, accept_state_e why, int64_t now_us)
{
    if (why != ACCEPT_FULL && why != ACCEPT_CROWDED) {
        return true;
    }
    return (why == ACCEPT_FULL || now_us >= child->listeners.relieved_us + CROWDED_MOST_US)
           && listeners_backlog(child) > 0 && listeners_sibling_accepts(child);
}

/* Stop accepting for a while. The connection that this child was woken for goes to a
 * sibling: the kernel wakes one child for each and will not wake another by itself. Where the
 * descriptors of this process are short the parent starts another, if it may. */
void listeners_pause(child_t *child, accept_state_e why, bool out_of_descriptors)
{
    listeners_t *l = &child->listeners;
    int64_t now_us = clock_now_us();
    bool paused = false;

    lock_take(&l->lock);
    if (accept_gate_state(&l->gate) == ACCEPT_ON) {
        deregister(child);
        set_gate(child, why, now_us + retry_pause_us(why));
        l->crowded_until_us = now_us + CROWDED_MOST_US;
        atomic_store(&child->ext->out_of_descriptors, out_of_descriptors);
        paused = true;
    }
    lock_give(&l->lock);
    if (!paused) {
        return;
    }
    if (needs_relief(child, why, now_us)) {
        atomic_store(&l->relieved_us, now_us);
        ask_for_relief(child);
    }
    bell_steward(child);
}

static void note_shortage(listeners_t *l, int64_t now_us)
{
    lock_take(&l->lock);
    if (now_us - l->short_last_us > STARVE_US) {
        l->short_since_us = now_us;
    }
    l->short_last_us = now_us;
    lock_give(&l->lock);
}

bool listeners_are_short(const child_t *child)
{
    return accept_gate_state(&child->listeners.gate) == ACCEPT_NO_RESOURCES;
}

static bool is_starving(listeners_t *l, int64_t now_us)
{
    bool starving;

    lock_take(&l->lock);
    starving = now_us - l->short_since_us >= STARVE_US;
    lock_give(&l->lock);
    return starving;
}

/* What is in the backlog is not only on its way to a sibling, nor to a child that the parent is
 * about to start. */
static bool backlog_stays(child_t *child, int waiting, int64_t now_us)
{
    listeners_t *l = &child->listeners;
    bool stale = now_us - l->waiting_last_us > STARVE_US;

    if (waiting == 0 || stale) {
        l->waiting_since_us = now_us;
    }
    if (waiting == 0 || stale || listeners_sibling_accepts(child)) {
        l->helpless_since_us = now_us;
    }
    l->waiting_last_us = now_us;
    return waiting > 0 && (now_us - l->helpless_since_us >= HELPLESS_US
                           || now_us - l->waiting_since_us >= UNHELPED_US);
}

unsigned listeners_evictions(child_t *child, int64_t now_us)
{
    listeners_t *l = &child->listeners;
    int waiting;

    ON_STEWARD();
    if (!listeners_are_short(child) || now_us - l->evicted_us < EVICTION_PAUSE_US) {
        return 0;
    }
    waiting = listeners_backlog(child);
    /* memory has to come back even if nobody waits; descriptors are there to be used */
    if (!backlog_stays(child, waiting, now_us)
        && (atomic_load(&child->ext->out_of_descriptors) || !is_starving(l, now_us))) {
        return 0;
    }
    l->evicted_us = now_us;
    /* siblings that have the same backlog make room as well */
    waiting /= child_sharing(child);
    return (unsigned)MIN(MAX(waiting, LEAST_EVICTED), MOST_EVICTED);
}

void listeners_accept_failed(child_t *child, apr_status_t rv)
{
    if (accept_gate_state(&child->listeners.gate) == ACCEPT_CLOSED) {
        return;
    }
    note_shortage(&child->listeners, clock_now_us());
    switch (rv) {
    case EMFILE:
    case ENFILE:
        child_log_limited(child, LOG_ACCEPT, APLOG_WARNING, rv, ADPNO(0031)
                          "out of descriptors with %u connections: not accepting until one "
                          "is free; raise the limit of open files (ulimit -n)",
                          child_connections(child));
        break;
    case ENOBUFS:
    case ENOMEM:
        child_log_limited(child, LOG_ACCEPT, APLOG_WARNING, rv, ADPNO(0032)
                          "out of memory for a connection: not accepting for a moment");
        break;
    default:
        child_log_limited(child, LOG_ACCEPT, APLOG_ERR, rv, ADPNO(0033)
                          "accept failed: not accepting for a moment");
        break;
    }
    listeners_pause(child, ACCEPT_NO_RESOURCES, rv == EMFILE);
}

void listeners_out_of_memory(child_t *child)
{
    listeners_accept_failed(child, ENOMEM);
}

/* Whether the next descriptor would leave the reserve alone. Without any connection it is
 * not connections that use it up. */
bool listeners_descriptors_left(const child_t *child)
{
    int lowest = lowest_descriptor(child);

    return lowest < child->listeners.descriptor_limit
           || (lowest != INT_MAX && child_connections(child) == 0);
}

/* AsyncRequestWorkerFactor: more connections than these wait for threads of this child. */
bool listeners_above_async_limit(const child_t *child)
{
    process_score *score = child->score;
    int limit = child->config->threads_per_child;
    int busy = ext_busy(child->ext);
    double most = limit + child->config->async_factor * MAX(limit - busy, 0);

    return child->config->async_factor > 0.0
           && (double)child_connections(child) - apr_atomic_read32(&score->lingering_close)
              - apr_atomic_read32(&score->suspended) >= most;
}

/* Of the children that have an idle worker the kernel wakes the one that registered first, so
 * that clients who stay would all gather in one child, and wait for its threads alone when
 * they become active together. A crowded child registers anew, behind its siblings. */
void listeners_step_back(child_t *child)
{
    listeners_t *l = &child->listeners;
    int rc = 0;

    lock_take(&l->lock);
    if (accept_gate_state(&l->gate) == ACCEPT_ON) {
        deregister(child);
        rc = register_all(child);
    }
    lock_give(&l->lock);
    report_registration(child, rc);
    if (rc) {
        ask_for_relief(child);
    }
}

void listeners_park(child_t *child)
{
    listeners_t *l = &child->listeners;
    bool parked;

    ON_STEWARD();
    lock_take(&l->lock);
    parked = accept_gate_state(&l->gate) != ACCEPT_CLOSED;
    if (parked) {
        if (accept_gate_state(&l->gate) == ACCEPT_ON) {
            deregister(child);
        }
        set_gate(child, ACCEPT_PARKED, 0);
    }
    lock_give(&l->lock);
    if (parked) {
        ask_for_relief(child);
    }
}

void listeners_resume(child_t *child)
{
    ON_STEWARD();
    if (accept_gate_state(&child->listeners.gate) == ACCEPT_PARKED) {
        listeners_open(child);
    }
}

int listeners_backlog(const child_t *child)
{
    const listeners_t *l = &child->listeners;
    int i, waiting = 0;

    for (i = 0; i < l->count; i++) {
        struct tcp_info info;
        socklen_t length = sizeof(info);

        /* for a listening socket that is what it holds: tcp(7) leaves it unsaid, ss(8) shows it
         * so */
        if (!getsockopt(listener_fd(l, i), IPPROTO_TCP, TCP_INFO, &info, &length)) {
            waiting += (int)info.tcpi_unacked;
        }
    }
    return waiting;
}

int64_t listeners_waited_outside_us(child_t *child, int64_t now_us)
{
    listeners_t *l = &child->listeners;

    ON_STEWARD();
    if (atomic_load(&child->put_off.new.count) == 0
        && (accept_gate_state(&l->gate) != ACCEPT_FULL || listeners_backlog(child) == 0)) {
        l->outside_since_us = 0;
    }
    else if (l->outside_since_us == 0) {
        l->outside_since_us = now_us;
    }
    return l->outside_since_us ? MAX(now_us - l->outside_since_us, 1) : 0;
}

bool listeners_strand(child_t *child, int64_t waited_us, int64_t now_us)
{
    const listeners_t *l = &child->listeners;

    return accept_gate_state(&l->gate) == ACCEPT_FULL && l->outside_since_us > 0
           && now_us - l->outside_since_us >= waited_us && !listeners_sibling_accepts(child);
}

bool listeners_may_accept(child_t *child)
{
    accept_state_e state = accept_gate_state(&child->listeners.gate);

    return state == ACCEPT_ON || (state == ACCEPT_FULL && rooms_for_new(child));
}

void listeners_hasten(child_t *child)
{
    if (accept_gate_hasten(&child->listeners.gate)) {
        bell_steward(child);
    }
}

void listeners_connection_closed(child_t *child)
{
    accept_state_e state = accept_gate_state(&child->listeners.gate);

    /* what a full child lacks is a thread, and the one that closes has it still; a crowded one
     * waits for its siblings */
    if (state != ACCEPT_FULL && state != ACCEPT_CROWDED) {
        listeners_hasten(child);
    }
}

int64_t listeners_retry_at(child_t *child)
{
    return accept_gate_retry_us(accept_gate_look(&child->listeners.gate));
}

bool listeners_are_crowded(const child_t *child)
{
    int i, count = 1;
    apr_uint32_t own = child_connections(child), all = own;
    apr_uint32_t crowd = child->pinning.works ? CROWD_PINNED : CROWD;
    bool has_helper = false;

    if (own <= crowd) {
        return false;
    }
    for (i = 0; i < child->config->slot_count; i++) {
        process_score *score = ap_get_scoreboard_process(i);

        if (i != child->slot && child_has_kin(child, i) && !score->not_accepting
            && atomic_load(&child->board->children[i].ready)) {
            apr_uint32_t its = apr_atomic_read32(&score->connections);

            count++;
            all += its;
            has_helper = has_helper
                         || (its < own && ext_busy(&child->board->children[i])
                                          < child->config->threads_per_child);
        }
    }
    return has_helper && own > crowd + all / count * 9 / 8;
}

static bool has_still_to_pause(child_t *child, accept_state_e why, int64_t now_us)
{
    switch (why) {
    case ACCEPT_CROWDED:
        return now_us < child->listeners.crowded_until_us && listeners_are_crowded(child);
    case ACCEPT_FULL:
        return !rooms_for_another(child);
    case ACCEPT_ASYNC_LIMIT:
        return listeners_above_async_limit(child);
    default:
        return !listeners_descriptors_left(child) || memory_guard_is_short(child, false);
    }
}

void listeners_retry(child_t *child, int64_t now_us)
{
    listeners_t *l = &child->listeners;
    accept_seen_t seen = accept_gate_look(&l->gate);

    ON_STEWARD();
    if (!accept_gate_is_paused(seen) || now_us < accept_gate_retry_us(seen)) {
        return;
    }
    if (has_still_to_pause(child, accept_gate_state_of(seen), now_us)) {
        if (accept_gate_state_of(seen) == ACCEPT_NO_RESOURCES) {
            note_shortage(l, now_us);
        }
        accept_gate_postpone(&l->gate, seen, now_us + retry_pause_us(accept_gate_state_of(seen)));
        return;
    }
    listeners_open(child);
}

accept_state_e listeners_shut(child_t *child)
{
    listeners_t *l = &child->listeners;
    accept_state_e before;

    ON_STEWARD();
    lock_take(&l->lock);
    before = accept_gate_state(&l->gate);
    if (before == ACCEPT_ON) {
        deregister(child);
    }
    set_gate(child, ACCEPT_CLOSED, 0);
    lock_give(&l->lock);
    return before;
}

void listeners_end_sockets(const child_t *child)
{
    int i;

    ON_STEWARD();
    for (i = 0; i < child->listeners.count; i++) {
        (void)last_call(listener_fd(&child->listeners, i));
    }
}

void listeners_give_up(child_t *child)
{
    int i;

    ON_STEWARD();
    /* A worker that has fetched its last event may be about to accept: the number must not
     * become another file's under it. Something that refuses accept(2) takes its place. */
    for (i = 0; i < child->listeners.count; i++) {
        dup3(child->exit_fd, listener_fd(&child->listeners, i), O_CLOEXEC);
    }
    atomic_store(&child->ext->closed, true);
    ask_for_relief(child);
}
