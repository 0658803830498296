#include "retained.h"

#include "child.h"
#include "wakeup.h"

#include "http_config.h"

#include <unistd.h>

#define RETAINED_KEY   "mpm_adaptive"
#define RETAINED_MAGIC 0x41445031u      /* "ADP1" */

/* Children of another version of this module: what they have, they finish. */
static void dismiss_strangers(const retained_t *old)
{
    static const char order = CHILD_ORDER_DRAIN;
    int i, told = 0;

    for (i = 0; i < old->lifeline_count; i++) {
        if (old->lifelines[i] >= 0) {
            told += write(old->lifelines[i], &order, 1) == 1;
            close(old->lifelines[i]);
        }
    }
    ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, NULL, ADPNO(0080)
                 "the module was replaced by another version (%u instead of %u): %d child "
                 "processes of the old one finish what they have",
                 (unsigned)ADP_RETAINED_VERSION, old->version, told);
}

static bool is_ours(const retained_t *retained)
{
    return retained->version == ADP_RETAINED_VERSION && retained->size == sizeof(*retained)
           && (!retained->board
               || scoreboard_ext_is_ours(retained->board, retained->fixed.slot_count));
}

static retained_t *begin(void)
{
    retained_t *retained = ap_retained_data_create(RETAINED_KEY, sizeof(*retained));

    retained->magic = RETAINED_MAGIC;
    retained->version = ADP_RETAINED_VERSION;
    retained->size = sizeof(*retained);
    retained->mpm = ap_unixd_mpm_get_retained_data();
    return retained;
}

retained_t *retained_get(void)
{
    retained_t *found = ap_retained_data_get(RETAINED_KEY);
    retained_t *retained = found;

    if (!found || found->magic != RETAINED_MAGIC) {
        retained = found = begin();
    }
    else if (!is_ours(found)) {
        dismiss_strangers(found);
        retained = begin();
        retained->fixed = found->fixed;
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
    retained->slots = apr_pcalloc(p, sizeof(*retained->slots) * count);
    retained->lifelines = apr_pcalloc(p, sizeof(*retained->lifelines) * count);
    for (i = 0; i < count; i++) {
        retained->lifelines[i] = -1;
        retained->slots[i].successor = -1;
    }
    retained->lifeline_count = count;
    return APR_SUCCESS;
}

void retained_adopt_strangers(retained_t *retained)
{
    int i;

    for (i = 0; i < retained->fixed.slot_count; i++) {
        const process_score *score = ap_get_scoreboard_process(i);

        if (score->pid != 0 && retained->slots[i].state == SLOT_FREE) {
            retained->slots[i].state = SLOT_GOING;
            retained->slots[i].pid = score->pid;
            retained->slots[i].generation = score->generation;
            retained->slots_used = i + 1;
        }
    }
}
