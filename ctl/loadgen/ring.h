/* Rings of connections: each is in one of those of its state. */
#ifndef LOADGEN_RING_H
#define LOADGEN_RING_H

#include <stddef.h>

/* Members of a ring; the ring itself has one of them as its head. */
typedef struct ring_link {
    struct ring_link *next, *previous;
} ring_link;

/* The structure that has this link as that member. */
#define RING_MEMBER(link, type, member) ((type *)(void *)((char *)(link) - offsetof(type, member)))

static inline void ring_init(ring_link *ring)
{
    ring->next = ring->previous = ring;
}

static inline int ring_is_empty(const ring_link *ring)
{
    return ring->next == ring;
}

static inline void ring_take_out(ring_link *l)
{
    l->previous->next = l->next;
    l->next->previous = l->previous;
}

static inline void ring_append(ring_link *ring, ring_link *l)
{
    l->next = ring;
    l->previous = ring->previous;
    ring->previous->next = l;
    ring->previous = l;
}

#endif
