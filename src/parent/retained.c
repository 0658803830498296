/* The parent, at each start of a configuration. Owns the block that outlives the module;
 * children never see it. */
#include "retained.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/wakeup.h"
#include "child/child.h"

#include "http_config.h"

#include <signal.h>
#include <sys/param.h>
#include <sys/wait.h>
#include <unistd.h>

#define RETAINED_KEY     "mpm_adaptive"
#define RETAINED_MAGIC   0x41445032u    /* "ADP2" */
#define RETAINED_MAGIC_1 0x41445031u    /* "ADP1": slots and slot_size are not frozen */

/* Children of another version of this module: what they have, they finish. Their lifelines stay
 * open, or they would take the parent for dead. */
static void dismiss_strangers(const retained_t *old)
{
    static const char order = CHILD_ORDER_DRAIN;
    int i, told = 0;

    for (i = 0; i < old->lifeline_count; i++) {
        if (old->lifelines[i] >= 0) {
            told += write(old->lifelines[i], &order, 1) == 1;
        }
    }
    ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, NULL, ADPNO(0080)
                 "the module was replaced by another version (%u instead of %u): %d child "
                 "processes of the old one finish what they have",
                 (unsigned)ADP_RETAINED_VERSION, old->version, told);
}

/* By what is in the parent's own memory: what lies in the shared memory children can write. */
static bool is_ours(const retained_t *retained)
{
    return retained->magic == RETAINED_MAGIC && retained->version == ADP_RETAINED_VERSION
           && retained->size == sizeof(*retained) && retained->slot_size == sizeof(slot_t)
           && (!retained->board
               || retained->board_size == scoreboard_ext_size(retained->fixed.slot_count));
}

static retained_t *begin_block(void)
{
    retained_t *retained = ap_retained_data_create(RETAINED_KEY, sizeof(*retained));

    retained->magic = RETAINED_MAGIC;
    retained->version = ADP_RETAINED_VERSION;
    retained->size = sizeof(*retained);
    retained->slot_size = sizeof(slot_t);
    retained->mpm = ap_unixd_mpm_get_retained_data();
    return retained;
}

retained_t *retained_get(void)
{
    retained_t *found = ap_retained_data_get(RETAINED_KEY);
    retained_t *retained = found;

    if (!found || (found->magic != RETAINED_MAGIC && found->magic != RETAINED_MAGIC_1)) {
        retained = found = begin_block();
    }
    else if (!is_ours(found)) {
        dismiss_strangers(found);
        retained = begin_block();
        retained->fixed = found->fixed;
        retained->predecessor = found;
    }
    if (retained->mpm->baton != found) {
        /* a first start: there is no scoreboard yet */
        retained->mpm->was_graceful = 0;
    }
    retained->mpm->baton = retained;
    return retained;
}

apr_status_t retained_size_slots(retained_t *retained, apr_pool_t *p)
{
    int count = retained->fixed.slot_count;
    apr_status_t rv;
    int i;

    if (retained->slots) {
        return APR_SUCCESS;
    }
    if ((rv = scoreboard_ext_create(&retained->board, count)) != 0
        || (rv = wakeup_open(&retained->wakeup_fd)) != 0) {
        return rv;
    }
    retained->board_size = scoreboard_ext_size(count);
    retained->slots = apr_pcalloc(p, sizeof(*retained->slots) * count);
    retained->lifelines = apr_pcalloc(p, sizeof(*retained->lifelines) * count);
    for (i = 0; i < count; i++) {
        retained->lifelines[i] = -1;
        retained->slots[i].successor = -1;
    }
    retained->lifeline_count = count;
    return APR_SUCCESS;
}

/* The frozen part of a slot of another version: of other slots only that may be read. */
static const slot_t *slot_of(const retained_t *old, int i)
{
    return (const slot_t *)(const void *)((const char *)old->slots + old->slot_size * i);
}

static bool is_child_of_ours(pid_t pid)
{
    siginfo_t info;

    return pid > 0 && waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

/* Who is in a slot of an older version: pid 0 if nobody, or nobody knows. The oldest did not
 * freeze their slots; of them httpd's scoreboard tells, if what it tells is a child of ours. */
static slot_t stranger_in(const retained_t *old, int i)
{
    const process_score *score = ap_get_scoreboard_process(i);
    slot_t slot = { .state = SLOT_DRAINING, .draining_us = clock_now_us() };

    if (old->magic == RETAINED_MAGIC) {
        slot.pid = slot_of(old, i)->pid;
        slot.generation = slot_of(old, i)->generation;
        slot.bucket = slot_of(old, i)->bucket;
    }
    else {
        slot.pid = *(const volatile pid_t *)&score->pid;
        slot.generation = *(const volatile ap_generation_t *)&score->generation;
        slot.pid = is_child_of_ours(slot.pid) ? slot.pid : 0;
    }
    slot.successor = -1;
    return slot;
}

void retained_adopt_strangers(retained_t *retained)
{
    const retained_t *old = retained->predecessor;
    int i;

    if (!old) {
        return;
    }
    for (i = 0; i < MIN(old->lifeline_count, retained->lifeline_count); i++) {
        slot_t slot = stranger_in(old, i);

        if (old->lifelines[i] < 0 || slot.pid == 0) {
            continue;
        }
        retained->slots[i] = slot;
        retained->lifelines[i] = old->lifelines[i];
        retained->slots_used = MAX(retained->slots_used, i + 1);
    }
    retained->predecessor = NULL;
}
