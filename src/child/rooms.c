/* The steward shares out, workers ask before they accept. Which shares there are says
 * law/attained.c; what follows from it do listeners.c and put_off.c. */
#include "rooms.h"

#include "child_internal.h"

#include "base/clock.h"
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
    if (child->config->adaptive_mode == EXT_MODE_ON) {
        rooms_share_out(child, child->workers.limit, child->workers.limit);
    }
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

static int connected_now(const child_t *child)
{
    return (int)MIN(apr_atomic_read32(&child->score->keep_alive), INT_MAX);
}

void rooms_round(child_t *child, int64_t now_us)
{
    rooms_t *r = &child->rooms;

    ON_STEWARD();
    if (now_us - r->turned_us >= CLOCK_US_PER_S) {
        r->turned_us = now_us;
        atomic_store(&r->connected_before, load(&r->connected));
        atomic_store(&r->connected, connected_now(child));
    }
}

static bool has_room(child_t *child, int more)
{
    rooms_t *r = &child->rooms;
    int connected = connected_now(child);

    if (connected > load(&r->connected)) {
        atomic_store_explicit(&r->connected, connected, memory_order_relaxed);
    }
    connected = MAX(load(&r->connected), load(&r->connected_before));
    if (child->put_off.new.stands) {
        /* by somebody they have to be told */
        connected = MAX(connected, 1);
    }
    return ext_busy(child->ext) <= attained_most_busy(load(&r->most), load(&r->reserved), connected)
                                   - more
           && load(&child->ext->lowered) < load(&r->lowered);
}

bool rooms_for_new(child_t *child)
{
    return has_room(child, 0);
}

bool rooms_for_another(child_t *child)
{
    return has_room(child, 1);
}

bool rooms_computing_is_full(const child_t *child)
{
    return load(&child->ext->lowered) >= load(&child->rooms.computing);
}
