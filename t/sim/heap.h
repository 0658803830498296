/* A priority queue of (key, payload); equal keys come out in the order they went in. */
#ifndef SIM_HEAP_H
#define SIM_HEAP_H

#include <stddef.h>
#include <stdint.h>

typedef struct heap_item_t {
    double key;
    uint64_t order;             /* given by the heap */
    uint32_t kind;
    uint32_t who;
    uint64_t version;
} heap_item_t;

typedef struct heap_t {
    heap_item_t *items;
    size_t count, room;
    uint64_t order;
} heap_t;

void heap_add(heap_t *h, heap_item_t item);

/* NULL if there is none. Valid until the next change. */
const heap_item_t *heap_first(const heap_t *h);

heap_item_t heap_take(heap_t *h);

void heap_free(heap_t *h);

#endif
