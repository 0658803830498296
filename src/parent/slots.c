/* The parent. The table of children: who goes through it uses EACH_SLOT(), and here is the one
 * place where the state of a slot changes. */
#include "slots.h"

#include "base/check.h"
#include "base/log.h"

#include "http_main.h"

/* Where each state leads; every child may end. */
static const unsigned leads_to[] = {
    /* a child of another version is draining when its slot is taken over */
    [SLOT_FREE] = SLOT_IN(SLOT_STARTING) | SLOT_IN(SLOT_DRAINING),
    [SLOT_STARTING] = SLOT_IN(SLOT_SERVING) | SLOT_IN(SLOT_DRAINING) | SLOT_IN(SLOT_FREE),
    [SLOT_SERVING] = SLOT_IN(SLOT_PARKED) | SLOT_IN(SLOT_DRAINING) | SLOT_IN(SLOT_FREE),
    [SLOT_PARKED] = SLOT_IN(SLOT_SERVING) | SLOT_IN(SLOT_DRAINING) | SLOT_IN(SLOT_FREE),
    [SLOT_DRAINING] = SLOT_IN(SLOT_FREE)
};

const char *slots_state_name(slot_state_e state)
{
    static const char *const names[] = {
        [SLOT_FREE] = "free", [SLOT_STARTING] = "starting", [SLOT_SERVING] = "serving",
        [SLOT_PARKED] = "parked", [SLOT_DRAINING] = "draining"
    };

    return names[state];
}

void slots_enter(slot_t *slot, slot_state_e state)
{
    if (state != slot->state) {
        CHECK(leads_to[slot->state] & SLOT_IN(state));
        ap_log_error(APLOG_MARK, APLOG_TRACE1, 0, ap_server_conf, "child process %d: %s, was: %s",
                     (int)slot->pid, slots_state_name(state), slots_state_name(slot->state));
        slot->state = state;
    }
}

int slots_next(const retained_t *retained, int after, unsigned states)
{
    int i;

    for (i = after + 1; i < retained->slots_used; i++) {
        if (SLOT_IN(retained->slots[i].state) & states) {
            return i;
        }
    }
    return -1;
}

int slots_count(const retained_t *retained, unsigned states)
{
    int i, count = 0;

    for (EACH_SLOT(retained, i, states)) {
        count++;
    }
    return count;
}

int slots_of_pid(const retained_t *retained, pid_t pid)
{
    int i;

    for (EACH_SLOT(retained, i, SLOTS_TAKEN)) {
        if (retained->slots[i].pid == pid) {
            return i;
        }
    }
    return -1;
}

void slots_clean_row(int slot, int thread_limit)
{
    process_score *score = ap_get_scoreboard_process(slot);
    int i;

    score->pid = 0;
    score->quiescing = score->not_accepting = 0;
    score->connections = score->write_completion = score->lingering_close = 0;
    score->keep_alive = score->suspended = score->wait_io = 0;
    for (i = 0; i < thread_limit; i++) {
        ap_update_child_status_from_indexes(slot, i, SERVER_DEAD, NULL);
    }
}

static ext_slot_state_e state_of(const slot_t *slot)
{
    switch (slot->state) {
    case SLOT_STARTING:
        return EXT_SLOT_STARTING;
    case SLOT_SERVING:
        return EXT_SLOT_SERVING;
    case SLOT_PARKED:
        return EXT_SLOT_PARKED;
    case SLOT_DRAINING:
        return EXT_SLOT_DRAINING;
    case SLOT_FREE:
        break;
    }
    return EXT_SLOT_FREE;
}

void slots_show(const retained_t *retained, int64_t now_us)
{
    int i;

    atomic_store(&retained->board->slots_used, retained->slots_used);
    for (i = 0; i < retained->slots_used; i++) {
        const slot_t *slot = &retained->slots[i];

        scoreboard_ext_note_slot(retained->board, i, state_of(slot), slot->pid,
                                 slot->generation, now_us);
    }
}
