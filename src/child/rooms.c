/* The steward shares out, workers ask before they accept. Which shares there are says
 * law/attained.c; what follows from it do listeners.c and put_off.c. */
#include "rooms.h"

#include "child_internal.h"

#include "law/attained.h"

#include <limits.h>
#include <sys/param.h>

void rooms_init(child_t *child)
{
    rooms_t *r = &child->rooms;

    ON_STEWARD();
    atomic_init(&r->computing, INT_MAX);
    atomic_init(&r->lowered, INT_MAX);
    atomic_init(&r->most, INT_MAX);
    atomic_init(&r->reserved, 0);
}

void rooms_share_out(child_t *child, int most, int admitted)
{
    rooms_t *r = &child->rooms;
    attained_rooms_t rooms = attained_rooms(most, admitted, child_cpus(child));

    ON_STEWARD();
    atomic_store(&r->computing, rooms.computing);
    atomic_store(&r->lowered, rooms.lowered);
    atomic_store(&r->most, rooms.most);
    atomic_store(&r->reserved, rooms.reserved);
}

static int load(const _Atomic int *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

bool rooms_for_new(const child_t *child)
{
    const rooms_t *r = &child->rooms;
    int connected = (int)MIN(apr_atomic_read32(&child->score->keep_alive), INT_MAX);

    return ext_busy(child->ext) <= attained_most_busy(load(&r->most), load(&r->reserved), connected)
           && load(&child->ext->lowered) < load(&r->lowered);
}

bool rooms_computing_is_full(const child_t *child)
{
    return load(&child->ext->lowered) >= load(&child->rooms.computing);
}
