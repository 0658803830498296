/* The parent, at the end of a run that a reload has ended. Changes nothing but what child processes
 * are told; belongings.c finds what there is. */
#include "old_config.h"

#include "census.h"
#include "children.h"
#include "desk.h"
#include "reaper.h"
#include "signals.h"
#include "slots.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/sum.h"
#include "board/board_view.h"

#include "apr_thread_proc.h"

#include <poll.h>
#include <sys/param.h>

/* How long old children may take to end what they are doing, before a configuration that has what
 * they need goes; and after what time without change what is left goes on for longer. */
#define SETTLE_US           (3 * CLOCK_US_PER_S)
#define SETTLED_US          (500 * CLOCK_US_PER_MS)
#define SETTLE_ROUND_MS     2
#define SETTLE_MOST_COUNTED 1000000
/* Programs that logs are piped to, and that outlive the configuration. */
#define MOST_LOG_READERS    256

/* What this process has of its own, for belongings.h. */
static belongings_own_t own_things(const generation_t *g)
{
    const retained_t *r = g->retained;
    pid_t *pids = apr_palloc(g->pconf, sizeof(*pids) * (size_t)(r->slots_used + DESK_MOST));
    int i, count = desk_pids(pids, DESK_MOST);

    for (EACH_SLOT(r, i, SLOTS_TAKEN)) {
        pids[count++] = r->slots[i].pid;
    }
    return (belongings_own_t) { pids, count, r->lifelines, r->lifeline_count };
}

bool old_config_takes_away(const generation_t *g, int semaphore)
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

    for (EACH_SLOT(g->retained, i, SLOT_IN(SLOT_DRAINING))) {
        const process_score *score = ap_get_scoreboard_process(i);
        board_view_t view = census_view(g, i);

        count = bounded_sum(count, view.busy + !view.closed);
        count = bounded_sum(count, board_count(&score->wait_io, SETTLE_MOST_COUNTED));
        count = bounded_sum(count, board_count(&score->keep_alive, SETTLE_MOST_COUNTED));
    }
    return count;
}

void old_config_settle(generation_t *g)
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
        reaper_round(g);
        children_look(g);
        signals_let_in();
        now_us = clock_now_us();
    }
    ap_log_error(APLOG_MARK, APLOG_DEBUG, 0, g->server, ADPNO(0045)
                 "waited %d ms for requests of the old configuration, %d left",
                 (int)((now_us - began_us) / CLOCK_US_PER_MS), count);
}

void old_config_release_log_readers(const generation_t *g)
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
