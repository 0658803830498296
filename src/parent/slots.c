#include "slots.h"

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

    for (i = 0; i < retained->slots_used; i++) {
        const slot_t *slot = &retained->slots[i];

        scoreboard_ext_note_slot(retained->board, i, state_of(slot), slot->pid,
                                 slot->generation, now_us);
    }
}
