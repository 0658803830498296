/* Modules' timed callbacks, by due time. Any thread adds, the steward takes what is due,
 * workers run it. */
#include "timers.h"

#include "clock.h"

#include <errno.h>
#include <stdlib.h>

#define FIRST_ROOM 16

static bool earlier(const adp_timer_t *a, const adp_timer_t *b)
{
    return a->due_us != b->due_us ? a->due_us < b->due_us : a->order < b->order;
}

static void sift_up(timers_t *t, size_t at)
{
    adp_timer_t *moving = t->heap[at];

    while (at > 0 && earlier(moving, t->heap[(at - 1) / 2])) {
        t->heap[at] = t->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    t->heap[at] = moving;
}

static void sift_down(timers_t *t, size_t at)
{
    adp_timer_t *moving = t->heap[at];

    for (;;) {
        size_t child = 2 * at + 1;

        if (child >= t->count) {
            break;
        }
        if (child + 1 < t->count && earlier(t->heap[child + 1], t->heap[child])) {
            child++;
        }
        if (!earlier(t->heap[child], moving)) {
            break;
        }
        t->heap[at] = t->heap[child];
        at = child;
    }
    t->heap[at] = moving;
}

static bool grow_heap(timers_t *t)
{
    size_t room = t->room ? 2 * t->room : FIRST_ROOM;
    adp_timer_t **heap;

    if (t->count < t->room) {
        return true;
    }
    heap = realloc(t->heap, room * sizeof(*heap));
    if (!heap) {
        return false;
    }
    t->heap = heap;
    t->room = room;
    return true;
}

int timers_init(timers_t *t)
{
    t->heap = NULL;
    t->count = t->room = 0;
    t->registered = 0;
    t->sleeping_until_us = CLOCK_NEVER;
    return lock_init(&t->lock, LOCK_INNER);
}

void timers_destroy(timers_t *t)
{
    size_t i;

    for (i = 0; i < t->count; i++) {
        free(t->heap[i]);
    }
    free(t->heap);
    lock_destroy(&t->lock);
}

int timers_add(timers_t *t, int64_t due_us, timer_callback_fn *callback, void *baton,
               bool *wake)
{
    adp_timer_t *timer = calloc(1, sizeof(*timer));
    int rc = ENOMEM;

    *wake = false;
    if (!timer) {
        return ENOMEM;
    }
    timer->due_us = due_us;
    timer->callback = callback;
    timer->baton = baton;
    lock_take(&t->lock);
    if (grow_heap(t)) {
        timer->order = t->registered++;
        t->heap[t->count++] = timer;
        sift_up(t, t->count - 1);
        *wake = due_us < t->sleeping_until_us;
        if (*wake) {
            t->sleeping_until_us = due_us;
        }
        rc = 0;
    }
    lock_give(&t->lock);
    if (rc) {
        free(timer);
    }
    return rc;
}

adp_timer_t *timers_take_due(timers_t *t, int64_t now_us)
{
    adp_timer_t *timer = NULL;

    lock_take(&t->lock);
    if (t->count && t->heap[0]->due_us <= now_us) {
        timer = t->heap[0];
        t->heap[0] = t->heap[--t->count];
        if (t->count) {
            sift_down(t, 0);
        }
    }
    lock_give(&t->lock);
    return timer;
}

int64_t timers_next(timers_t *t)
{
    int64_t next_us;

    lock_take(&t->lock);
    next_us = t->count ? t->heap[0]->due_us : CLOCK_NEVER;
    t->sleeping_until_us = next_us;
    lock_give(&t->lock);
    return next_us;
}
