/* Events by time. */
#include "heap.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* four children a node: fewer cache misses than two */
#define BRANCHES 4

static bool before(const heap_item_t *a, const heap_item_t *b)
{
    return a->key < b->key || (a->key == b->key && a->order < b->order);
}

static void make_room(heap_t *h)
{
    if (h->count < h->room) {
        return;
    }
    h->room = h->room ? 2 * h->room : 1024;
    h->items = realloc(h->items, h->room * sizeof(*h->items));
    if (!h->items) {
        perror("sim");
        exit(2);
    }
}

void heap_add(heap_t *h, heap_item_t item)
{
    size_t at;

    make_room(h);
    item.order = h->order++;
    for (at = h->count++; at > 0; ) {
        size_t above = (at - 1) / BRANCHES;

        if (!before(&item, &h->items[above])) {
            break;
        }
        h->items[at] = h->items[above];
        at = above;
    }
    h->items[at] = item;
}

const heap_item_t *heap_first(const heap_t *h)
{
    return h->count ? &h->items[0] : NULL;
}

heap_item_t heap_take(heap_t *h)
{
    heap_item_t first = h->items[0], last = h->items[--h->count];
    size_t at = 0;

    for (;;) {
        size_t below = at * BRANCHES + 1, least = below, i;

        if (below >= h->count) {
            break;
        }
        for (i = below + 1; i < below + BRANCHES && i < h->count; i++) {
            if (before(&h->items[i], &h->items[least])) {
                least = i;
            }
        }
        if (!before(&h->items[least], &last)) {
            break;
        }
        h->items[at] = h->items[least];
        at = least;
    }
    h->items[at] = last;
    return first;
}

void heap_free(heap_t *h)
{
    free(h->items);
    *h = (heap_t){ 0 };
}
