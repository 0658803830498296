/* The parent's main thread, which has no other: one run from the first child to the restart or
 * the stop. Nothing here waits for a child without a bound. */
#include "parent.h"

#include "belongings.h"
#include "census.h"
#include "children.h"
#include "desk.h"
#include "doze.h"
#include "draining.h"
#include "handover.h"
#include "latecomers.h"
#include "old_config.h"
#include "parent_dump.h"
#include "reaper.h"
#include "replenish.h"
#include "signals.h"
#include "slots.h"
#include "steer_children.h"
#include "stop.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/testhook.h"
#include "board/board_view.h"
#include "child/child.h"
#include "config/config.h"

#include "http_main.h"
#include "mpm_common.h"

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

/* What one run of the loop remembers. */
typedef struct run_t {
    generation_t *g;
    spare_rule_t rule;
    handover_t handover;
    int semaphore;              /* of System V, that the configuration has made; -1: none */
} run_t;

/* A child was woken for connections that it cannot take, or has ended: its siblings look for
 * them. */
static void relieve(generation_t *g)
{
    retained_t *r = g->retained;
    int i;

    for (EACH_SLOT(r, i, SLOTS_TAKEN)) {
        if (board_take_relief(&r->board->children[i])) {
            children_need_look(g, r->slots[i].bucket);
        }
    }
    children_look(g);
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
    if (run->handover.under_way) {
        handover_round(&run->handover, g, now_us);
    }
    next_us = clock_earlier(steer_children_round(g, &run->rule, now_us), draining_round(g, now_us));
    next_us = clock_earlier(next_us, latecomers_round(g, now_us));
    replenish_replace_used_up(g, now_us);
    replenish_start_missing(g, now_us);
    relieve(g);
    slots_show(g->retained, now_us);
    next_us = clock_earlier(next_us, desk_round(g, now_us));
    atomic_store(&g->retained->board->failures_in_a_row, g->retained->start_pace.failures);
    publish_times(g->retained, now_us);
    run_monitor(run, now_us);
    if (g->retained->start_pace.failures) {
        next_us = clock_earlier(next_us, now_us + DOZE_RETRY_US);
    }
    if (g->retained->start_pace.next_us > now_us) {
        next_us = clock_earlier(next_us, g->retained->start_pace.next_us);
    }
    if (g->next_successor_us > now_us) {
        next_us = clock_earlier(next_us, g->next_successor_us);
    }
    if (run->handover.under_way) {
        next_us = clock_earlier(next_us, run->handover.began_us + run->handover.late_us);
        next_us = MAX(next_us, now_us + DOZE_RETRY_US);
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
    while ((healthy = reaper_round(run->g)) && !rehearsal_lets_end(run->g)) {
        if (signals_take_resize()) {
            ap_log_error(APLOG_MARK, APLOG_DEBUG, 0, run->g->server, ADPNO(0047)
                         "the terminal was resized; its SIGWINCH is no reason to stop");
        }
        parent_dump_if_asked(run->g);
        doze_until(run->g, clock_earlier(round_of(run), rehearsal_look_us(run->g)),
                   generation_is_told_to_end);
    }
    if (!healthy) {
        ap_log_error(APLOG_MARK, APLOG_ALERT, 0, run->g->server, ADPNO(0090)
                     "no child process can run (see the messages above): the server ends");
    }
    return healthy;
}

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
    ext_count(r->board, EXT_RESTARTS);
    ADP_PAUSE(generation_ends);
    /* old children accept until new ones are ready, see handover.h, if they can */
    if (!r->mpm->is_ungraceful && old_config_takes_away(g, run->semaphore)) {
        handover_retire_old(g, -1);
        old_config_settle(g);
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
        old_config_release_log_readers(g);
    }
}

/* Restart or stop, as the signals said that ended the run; a stop that comes during a restart wins.
 * Returns the value of the mpm hook: OK, with signals held, until the configuration is gone. */
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
        desk_end_generation();
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
        old_config_release_log_readers(g);
    }
    desk_close();
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
    atomic_store(&r->board->slots_used, 1);
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

static void log_start(const generation_t *g)
{
    ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, g->server, ADPNO(0099)
                 "%s configured -- resuming normal operations", ap_get_server_description());
    ap_log_error(APLOG_MARK, APLOG_INFO, 0, g->server, ADPNO(0100)
                 "Server built: %s", ap_get_server_built());
    ap_log_command_line(g->pconf, g->server);
    ap_log_mpm_common(g->server);
    config_log_limits(g->server);
    ap_log_error(
        APLOG_MARK, APLOG_INFO, 0, g->server,
        ADPNO(0101) "up to %d request workers: %d child%s of up to %d threads; at start %d "
                    "child%s of %d threads; %.2g processors",
        g->config->max_request_workers, g->config->max_children,
        g->config->max_children == 1 ? "" : "ren", g->config->threads_per_child,
        g->retained->wanted_children, g->retained->wanted_children == 1 ? "" : "ren",
        g->config->start_threads, g->cpus);
}

/* Start, serve, and end as told. Returns the value of the mpm hook. */
static int run_children(run_t *run)
{
    generation_t *g = run->g;
    retained_t *r = g->retained;
    int64_t now_us = clock_now_us();

    run->semaphore = belongings_semaphore();
    if (!r->monitor_us) {
        r->monitor_us = now_us + MONITOR_INTERVAL_US;
    }
    /* reading the configuration may have taken longer than their start */
    children_note_ready(g, now_us);
    run->handover = handover_begin(g, now_us);
    g->carried = census_old_serving(g);
    steer_children_begin(g, &run->rule, now_us);
    r->start_pace.next_us = 0;
    r->mpm->mpm_state = AP_MPMQ_RUNNING;
    ADP_PAUSE(run_begins);
    replenish_start_missing(g, now_us);
    ADP_PAUSE(run_serves);
    log_start(g);
    ADP_PAUSE(run_began);
    if (!serve(run)) {
        r->mpm->mpm_state = AP_MPMQ_STOPPING;
        stop_at_once(g, false);
        desk_close();
        return !OK;
    }
    return end_run(run);
}

/* For status pages. */
static void note_times(scoreboard_ext_t *board)
{
    int64_t now_us = clock_now_us();

    if (!atomic_load(&board->started_us)) {
        atomic_store(&board->started_us, now_us);
    }
    atomic_store(&board->generation_us, now_us);
    atomic_store(&board->restart_refused_us, 0);
}

int parent_run(generation_t *g, bool one_process)
{
    retained_t *r = g->retained;
    run_t run = { .g = g };
    int rc;

    ap_log_pid(g->pconf, ap_pid_fname);
    ADP_PAUSE(pid_file);
    atomic_store(&r->board->drain_timeout_us, g->config->drain_timeout_us);
    note_times(r->board);
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
    desk_open(g);
    reaper_begin();
    rc = run_children(&run);
    reaper_end();
    return rc;
}
