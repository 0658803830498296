/* Any thread of a child. Nobody waits here: an eventfd takes any number of wake-ups. */
#include "bell.h"

#include "child_internal.h"

#include "base/wakeup.h"

void bell_steward(child_t *child)
{
    wakeup_send(child->steward_fd);
}

void bell_parent(child_t *child)
{
    if (child->parent_fd >= 0) {
        wakeup_send(child->parent_fd);
    }
}

void bell_drain(child_t *child)
{
    atomic_store(&child->told_to_drain, DRAIN_TAKE_BACKLOG);
    bell_steward(child);
}
