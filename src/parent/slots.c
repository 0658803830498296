/* The parent. The one place where the state of a slot changes. */
#include "slots.h"

#include "base/check.h"

#define BIT(state) (1u << (state))

/* Where each state leads; every child may end. */
static const unsigned leads_to[] = {
    /* a child of another version is draining when its slot is taken over */
    [SLOT_FREE] = BIT(SLOT_STARTING) | BIT(SLOT_DRAINING),
    [SLOT_STARTING] = BIT(SLOT_SERVING) | BIT(SLOT_DRAINING) | BIT(SLOT_FREE),
    [SLOT_SERVING] = BIT(SLOT_PARKED) | BIT(SLOT_DRAINING) | BIT(SLOT_FREE),
    [SLOT_PARKED] = BIT(SLOT_SERVING) | BIT(SLOT_DRAINING) | BIT(SLOT_FREE),
    [SLOT_DRAINING] = BIT(SLOT_FREE)
};

void slots_enter(slot_t *slot, slot_state_e state)
{
    if (state != slot->state) {
        CHECK(leads_to[slot->state] & BIT(state));
        slot->state = state;
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

    for (i = 0; i < retained->slots_used; i++) {
        const slot_t *slot = &retained->slots[i];

        scoreboard_ext_note_slot(retained->board, i, state_of(slot), slot->pid,
                                 slot->generation, now_us);
    }
}
