/* Whichever worker needs memory for a connection looks, one at a time. One for the process; it
 * refuses, and frees nothing but what the C library keeps. */
#include "memory_guard.h"

#include "child_internal.h"
#include "conn.h"

#include "base/clock.h"
#include "config/config.h"

#include <malloc.h>
#include <sys/mman.h>
#include <sys/param.h>

/* Connections that may take new memory between two looks: a look costs as much as one. */
#define CONNECTIONS_A_LOOK 8
/* While memory is short. */
#define SHORT_LOOK_US      (100 * CLOCK_US_PER_MS)
/* What stays free of the address space: for each thread what a request takes beyond what is there,
 * and at least as much as several connections begin with between two looks. */
#define ROOM_A_THREAD      (64 * 1024)
#define LEAST_ROOM         (1024 * 1024)

typedef struct guard_t {
    _Atomic int until_look;     /* connections */
    _Atomic bool is_short;
    _Atomic int64_t looked_us;
    _Atomic bool looking;       /* some thread does */
    limits_usage_t usage;       /* of the thread that is looking */
    int64_t groups_us;          /* likewise: when the limits themselves were looked at */
} guard_t;

/* One for the process: what it guards is of the process. */
static guard_t guard;

/* Nobody tells how much of an address space is left; asking for it does. */
static bool has_address_space(const child_t *child)
{
    size_t size = MAX((size_t)child->config->threads_per_child * ROOM_A_THREAD, LEAST_ROOM);
    void *room = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (room == MAP_FAILED) {
        return false;
    }
    munmap(room, size);
    return true;
}

static bool is_short(const child_t *child)
{
    return limits_is_short(config_limits(), &guard.usage) || !has_address_space(child);
}

static void look_at_usage(const child_t *child, int64_t now_us)
{
    bool now_short;

    config_look_at_groups(&guard.groups_us, now_us);
    limits_refresh_usage(config_limits(), &guard.usage, now_us);
    now_short = is_short(child);
    if (now_short) {
        /* what connections have freed the C library keeps, each arena for itself */
        malloc_trim(0);
        limits_refresh_usage(config_limits(), &guard.usage, now_us);
        now_short = is_short(child);
    }
    atomic_store(&guard.is_short, now_short);
    atomic_store(&guard.looked_us, now_us);
    atomic_store(&guard.until_look, CONNECTIONS_A_LOOK);
}

static bool is_time(int64_t now_us)
{
    return atomic_fetch_sub(&guard.until_look, 1) <= 0
           || (atomic_load(&guard.is_short)
               && now_us - atomic_load(&guard.looked_us) >= SHORT_LOOK_US);
}

bool memory_guard_is_short(const child_t *child, bool anew)
{
    int64_t now_us;

    if (!anew && !atomic_load_explicit(&guard.is_short, memory_order_relaxed)) {
        return false;
    }
    now_us = clock_now_us();
    if (is_time(now_us) && !atomic_exchange(&guard.looking, true)) {
        look_at_usage(child, now_us);
        atomic_store(&guard.looking, false);
    }
    return atomic_load(&guard.is_short)
           && child_connections(child) >= (unsigned)child->config->threads_per_child;
}
