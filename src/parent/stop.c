/* The parent. The last calls: to clients that are about to connect, then to children. */
#include "stop.h"

#include "children.h"
#include "doze.h"
#include "draining.h"
#include "parent_dump.h"
#include "reaper.h"
#include "slots.h"

#include "base/clock.h"
#include "base/last_call.h"
#include "base/log.h"
#include "base/testhook.h"
#include "child/child.h"

#include "apr_portable.h"
#include "http_main.h"
#include "mpm_common.h"

#include <errno.h>
#include <signal.h>
#include <sys/param.h>

/* How often a graceful stop looks whether handshakes are under way, and how long children accept
 * on for them. */
#define LAST_CALL_ROUND_US (20 * CLOCK_US_PER_MS)
#define LAST_CALL_US       (LAST_CALL_MOST_MS * CLOCK_US_PER_MS)
/* Ports whose handshakes are waited for. */
#define LAST_CALL_PORTS    64
/* How long a child may take to obey when GracefulShutdownTimeout is over, and to be killed. */
#define CUT_US (200 * CLOCK_US_PER_MS)

void stop_at_once(generation_t *g, bool remove_pid_file)
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
    return slots_next(g->retained, -1, SLOTS_TAKEN) >= 0;
}

static void drain_all(generation_t *g)
{
    int i;

    for (EACH_SLOT(g->retained, i, SLOTS_TAKEN)) {
        children_order(g, i, CHILD_ORDER_DRAIN);
    }
}

/* Bury children until none is left, or until_us. Only an ungraceful signal ends that early. */
static void await_children(generation_t *g, int64_t until_us)
{
    while (any_child(g) && !generation_is_told_to_hurry(g) && clock_now_us() < until_us) {
        reaper_round(g);
        children_look(g);
        draining_repeat_orders(g);
        slots_show(g->retained, clock_now_us());
        parent_dump_if_asked(g);
        if (any_child(g)) {
            doze_until(g, MIN(until_us, clock_now_us() + CLOCK_US_PER_S),
                       generation_is_told_to_hurry);
        }
    }
}

/* Nobody new begins a connection, where the kernel lets us see to that. Children hold these sockets
 * too, and accept from them. Returns how many ports they have. */
static int close_listeners(const generation_t *g, int ports[LAST_CALL_PORTS])
{
    int b, count = 0;

    for (b = 0; b < g->bucket_count; b++) {
        const ap_listen_rec *lr;

        for (lr = g->buckets[b]; lr; lr = lr->next) {
            int fd = -1;

            if (apr_os_sock_get(&fd, lr->sd) == APR_SUCCESS && last_call(fd) != EBUSY
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
    while (clock_now_us() < until_us && !generation_is_told_to_hurry(g)
           && last_call_pending("", ports, count)) {
        await_children(g, MIN(until_us, clock_now_us() + LAST_CALL_ROUND_US));
    }
}

static void signal_children(const generation_t *g, int signo)
{
    int i;

    for (EACH_SLOT(g->retained, i, SLOTS_TAKEN)) {
        kill(g->retained->slots[i].pid, signo);
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

void stop_gracefully(generation_t *g)
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
    if (!generation_is_told_to_hurry(g)) {
        cut_short(g);
    }
    children_reclaim(g);
}
