/* Items of one size at addresses that never change and are never given back while the
 * child lives, so that a look at an item that was freed meanwhile is harmless (claim.h
 * tells such a look apart). The last item freed is the first taken: its memory is warm.
 *
 * Pure C and pthreads. Lock: slab_t.lock, a leaf.
 */
#ifndef ADP_SLAB_H
#define ADP_SLAB_H

#include "lock.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define SLAB_CHUNK_ITEMS 64
#define SLAB_MAX_CHUNKS  65536  /* 4 million items: beyond any descriptor limit */

/* Every item begins with this. */
typedef struct slab_item_t slab_item_t;
struct slab_item_t {
    uint32_t index;             /* for life */
    slab_item_t *next_free;     /* guarded by the slab's lock */
};

typedef struct slab_t {
    size_t item_size;
    _Atomic(char *) *chunks;
    _Atomic uint32_t item_count;    /* items that exist, free ones included */
    lock_t lock;
    slab_item_t *free_items;        /* guarded by lock */
} slab_t;

/* item_size includes the slab_item_t. Returns 0 or an errno value. */
int slab_init(slab_t *s, size_t item_size);
void slab_destroy(slab_t *s);

/* An item, zeroed if it is new and as it was left if it is not; NULL: no memory. */
void *slab_take(slab_t *s);
void slab_give(slab_t *s, void *item);

/* The item of an index that slab_take() once returned. Any thread, no lock. */
static inline void *slab_at(slab_t *s, uint32_t index)
{
    char *chunk = atomic_load_explicit(&s->chunks[index / SLAB_CHUNK_ITEMS],
                                       memory_order_acquire);

    return chunk + (index % SLAB_CHUNK_ITEMS) * s->item_size;
}

#endif
