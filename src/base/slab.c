/* A stack of free items per child. Items are never given back to the system and never move: a
 * stale look at one is harmless. */
#include "slab.h"

#include <errno.h>
#include <stdlib.h>

int slab_init(slab_t *s, size_t item_size)
{
    /* calloc(3) of this size maps zero pages; they cost nothing until they are used */
    s->chunks = calloc(SLAB_MAX_CHUNKS, sizeof(*s->chunks));
    if (!s->chunks) {
        return ENOMEM;
    }
    s->item_size = item_size;
    atomic_init(&s->item_count, 0);
    s->free_items = NULL;
    return lock_init(&s->lock, LOCK_INNER);
}

void slab_destroy(slab_t *s)
{
    uint32_t i;

    for (i = 0; i < SLAB_MAX_CHUNKS && s->chunks[i]; i++) {
        free(s->chunks[i]);
    }
    free(s->chunks);
    lock_destroy(&s->lock);
}

/* Called with the lock held. */
static void add_chunk(slab_t *s)
{
    uint32_t first = atomic_load_explicit(&s->item_count, memory_order_relaxed);
    uint32_t i;
    char *chunk;

    if (first / SLAB_CHUNK_ITEMS >= SLAB_MAX_CHUNKS) {
        return;
    }
    chunk = calloc(SLAB_CHUNK_ITEMS, s->item_size);
    if (!chunk) {
        return;
    }
    for (i = SLAB_CHUNK_ITEMS; i-- > 0; ) {
        slab_item_t *item = (slab_item_t *)(void *)(chunk + i * s->item_size);

        item->index = first + i;
        item->next_free = s->free_items;
        s->free_items = item;
    }
    atomic_store_explicit(&s->chunks[first / SLAB_CHUNK_ITEMS], chunk, memory_order_release);
    atomic_store_explicit(&s->item_count, first + SLAB_CHUNK_ITEMS, memory_order_release);
}

void *slab_take(slab_t *s)
{
    slab_item_t *item;

    lock_take(&s->lock);
    if (!s->free_items) {
        add_chunk(s);
    }
    item = s->free_items;
    if (item) {
        s->free_items = item->next_free;
    }
    lock_give(&s->lock);
    return item;
}

void slab_give(slab_t *s, void *item)
{
    slab_item_t *free_item = item;

    lock_take(&s->lock);
    free_item->next_free = s->free_items;
    s->free_items = free_item;
    lock_give(&s->lock);
}
