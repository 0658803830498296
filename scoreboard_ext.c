#include "scoreboard_ext.h"

#include "src/clock.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

static size_t mapping_size(int slot_count)
{
    return sizeof(scoreboard_ext_t) + (size_t)slot_count * sizeof(ext_child_t);
}

int scoreboard_ext_create(scoreboard_ext_t **ext, int slot_count)
{
    scoreboard_ext_t *created;

    /* mmap(2) and not apr_shm: it needs no file name, and must outlive every pool that a
     * restart clears */
    created = mmap(NULL, mapping_size(slot_count), PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (created == MAP_FAILED) {
        return errno;
    }
    created->slot_count = slot_count;
    *ext = created;
    return 0;
}

void scoreboard_ext_destroy(scoreboard_ext_t *ext)
{
    munmap(ext, mapping_size(ext->slot_count));
}

void scoreboard_ext_reset(ext_child_t *child)
{
    /* nobody else looks: the slot is free */
    memset(child, 0, sizeof(*child));
}

bool scoreboard_ext_may_log(scoreboard_ext_t *ext, log_kind_e kind, int64_t now_us)
{
    int64_t last_us = atomic_load(&ext->logged_us[kind]);

    /* of several that come at the same time one wins the exchange */
    return (last_us == 0 || now_us - last_us >= CLOCK_US_PER_S)
           && atomic_compare_exchange_strong(&ext->logged_us[kind], &last_us, now_us);
}
