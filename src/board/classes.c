/* Workers of any child, at each request. Knows nothing of requests: child/bulkhead.c names them. */
#include "classes.h"

#include "base/clock.h"
#include "base/fnv.h"
#include "base/sum.h"

#include <string.h>

/* Places where a class may be, from that which its hash says. */
#define PROBES 8
/* A class that has had no request for so long may lose its place. */
#define QUIET_S 2
/* No child has more threads: what is more, somebody made up. */
#define MOST_HELD 100000
/* Marks are so far apart, at least. */
#define MARK_MS 250
/* A class that has held no thread for so long begins anew. */
#define ANEW_MS 1000

#define BEGUN (UINT64_C(1) << EXT_IDLE_BITS)

_Static_assert((EXT_CLASSES & (EXT_CLASSES - 1)) == 0, "a power of two");

/* --- the table ---------------------------------------------------------------------- */

uint64_t classes_hash(bool is_backend, const char *text, size_t length)
{
    uint64_t hash = fnv_add(FNV_BASIS + is_backend, text, length);

    return hash ? hash : 1;
}

static int probe(uint64_t hash, int i)
{
    return (int)((hash ^ hash >> 32) + (uint64_t)i) & (EXT_CLASSES - 1);
}

int classes_find(const scoreboard_ext_t *board, uint64_t hash)
{
    int i;

    for (i = 0; i < PROBES; i++) {
        int place = probe(hash, i);

        if (atomic_load_explicit(&board->classes[place].hash, memory_order_relaxed) == hash) {
            return place;
        }
    }
    return CLASSES_NO_PLACE;
}

static bool is_unused(const scoreboard_ext_t *board, int place, int64_t now_us)
{
    int i;

    if (now_us / CLOCK_US_PER_S - atomic_load(&board->classes[place].seen_s) < QUIET_S) {
        return false;
    }
    for (i = 0; i < board->slot_count; i++) {
        if (classes_held(&board->children[i], place) > 0) {
            return false;
        }
    }
    return true;
}

/* False: somebody else was faster. */
static bool take_place(ext_class_t *class, uint64_t before, uint64_t hash,
                       const ext_class_name_t *name, int64_t now_us)
{
    if (!atomic_compare_exchange_strong(&class->hash, &before, hash)) {
        return before == hash;
    }
    /* after it: who finds the place in use because of this finds out by whom (classes_add) */
    atomic_store(&class->seen_s, now_us / CLOCK_US_PER_S);
    atomic_store(&class->refused, 0);
    scoreboard_ext_name_class(class, name);
    return true;
}

int classes_add(scoreboard_ext_t *board, uint64_t hash, bool is_backend, const char *text,
                size_t length, int64_t now_us)
{
    ext_class_name_t name = { .is_backend = is_backend };
    int i, place = classes_find(board, hash);

    if (place != CLASSES_NO_PLACE) {
        return place;
    }
    memcpy(name.text, text, length < sizeof(name.text) ? length : sizeof(name.text) - 1);
    for (i = 0; i < PROBES; i++) {
        uint64_t before;

        place = probe(hash, i);
        before = atomic_load(&board->classes[place].hash);
        if ((before == 0 || is_unused(board, place, now_us))
            && take_place(&board->classes[place], before, hash, &name, now_us)) {
            return place;
        }
        /* another thread may have added it meanwhile, and is why the place is in use */
        if (atomic_load(&board->classes[place].hash) == hash) {
            return place;
        }
    }
    return CLASSES_NO_PLACE;
}

void classes_note_seen(scoreboard_ext_t *board, int place, int64_t now_us)
{
    _Atomic int64_t *seen_s = &board->classes[place].seen_s;
    int64_t now_s = now_us / CLOCK_US_PER_S;

    if (atomic_load_explicit(seen_s, memory_order_relaxed) != now_s) {
        atomic_store_explicit(seen_s, now_s, memory_order_relaxed);
    }
}

bool classes_has_others(const scoreboard_ext_t *board, int place, int64_t now_us)
{
    int64_t since_s = now_us / CLOCK_US_PER_S - SHARE_LATELY_S;
    int i;

    for (i = 0; i < EXT_CLASSES; i++) {
        const ext_class_t *class = &board->classes[i];

        if (i != place && atomic_load_explicit(&class->hash, memory_order_relaxed) != 0
            && atomic_load_explicit(&class->seen_s, memory_order_relaxed) >= since_s) {
            return true;
        }
    }
    return false;
}

/* --- what a child has of a class ------------------------------------------------------ */

static int held_of(uint64_t work)
{
    int held = ext_idle_of(work);

    return held < MOST_HELD ? held : MOST_HELD;
}

/* Requests that have ended; wraps. */
static uint32_t done_of(uint64_t work)
{
    return (uint32_t)(work >> EXT_IDLE_BITS) - (uint32_t)ext_idle_of(work);
}

static uint64_t mark_of(uint32_t now_ms, uint32_t done)
{
    return (uint64_t)now_ms << 32 | done;
}

/* While none ends there is no new mark, so that the interval shows for how long. One of those that
 * come at the same time sets it. work: as it was before. */
static void set_mark(ext_holding_t *h, uint64_t work, uint32_t now_ms)
{
    uint64_t newer = atomic_load_explicit(&h->marks[1], memory_order_relaxed);
    uint32_t elapsed_ms = now_ms - (uint32_t)(newer >> 32);
    uint32_t done = done_of(work) - (uint32_t)newer;
    bool anew = newer == 0 || (held_of(work) == 0 && elapsed_ms >= ANEW_MS);
    uint64_t mark = mark_of(now_ms, done_of(work));

    if (!anew && (elapsed_ms < MARK_MS || done == 0)) {
        return;
    }
    if (atomic_compare_exchange_strong(&h->marks[1], &newer, mark)) {
        atomic_store_explicit(&h->marks[0], anew ? mark : newer, memory_order_relaxed);
    }
}

void classes_begin(ext_child_t *child, int place, int64_t now_us)
{
    ext_holding_t *h = &child->holdings[place];
    uint64_t before = atomic_fetch_add_explicit(&h->work, BEGUN + 1, memory_order_relaxed);

    set_mark(h, before, (uint32_t)(now_us / CLOCK_US_PER_MS));
}

/* A mean of the last few. Of two that end at the same time one may be lost. */
static void learn_usual(ext_holding_t *h, int64_t held_us)
{
    uint64_t us = held_us > 0 ? (uint64_t)held_us + 1 : 1;
    uint64_t before_us = atomic_load_explicit(&h->usual_us, memory_order_relaxed);
    uint64_t after_us = before_us ? before_us - before_us / 8 + us / 8 : us;

    if (after_us != before_us) {
        atomic_store_explicit(&h->usual_us, after_us, memory_order_relaxed);
    }
}

void classes_end(ext_child_t *child, int place, int64_t held_us)
{
    ext_holding_t *h = &child->holdings[place];

    learn_usual(h, held_us);
    atomic_fetch_sub_explicit(&h->work, 1, memory_order_relaxed);
}

void classes_take_back(ext_child_t *child, int place)
{
    atomic_fetch_sub_explicit(&child->holdings[place].work, BEGUN + 1, memory_order_relaxed);
}

int classes_held(const ext_child_t *child, int place)
{
    return held_of(atomic_load_explicit(&child->holdings[place].work, memory_order_relaxed));
}

void classes_begin_nameless(ext_child_t *child)
{
    atomic_fetch_add_explicit(&child->nameless, 1, memory_order_relaxed);
}

void classes_end_nameless(ext_child_t *child)
{
    atomic_fetch_sub_explicit(&child->nameless, 1, memory_order_relaxed);
}

int classes_serving(const ext_child_t *child)
{
    int nameless = atomic_load_explicit(&child->nameless, memory_order_relaxed);
    int carrying = atomic_load_explicit(&child->carrying, memory_order_relaxed);
    int serving = bounded_sum(bounded_count(nameless), bounded_count(carrying));
    int i;

    for (i = 0; i < EXT_CLASSES; i++) {
        serving = bounded_sum(serving, classes_held(child, i));
    }
    return serving;
}

share_seen_t classes_seen(const ext_child_t *child, int place, int64_t now_us)
{
    const ext_holding_t *h = &child->holdings[place];
    uint64_t work = atomic_load_explicit(&h->work, memory_order_relaxed);
    uint64_t usual_us = atomic_load_explicit(&h->usual_us, memory_order_relaxed);
    uint32_t now_ms = (uint32_t)(now_us / CLOCK_US_PER_MS);
    share_seen_t seen = {
        .held = held_of(work), .usual_us = usual_us < INT64_MAX ? (int64_t)usual_us : INT64_MAX
    };
    int i;

    for (i = 0; i < SHARE_INTERVALS; i++) {
        uint64_t mark = atomic_load_explicit(&h->marks[i], memory_order_relaxed);

        seen.elapsed_us[i] = (int64_t)(now_ms - (uint32_t)(mark >> 32)) * CLOCK_US_PER_MS;
        seen.done[i] = done_of(work) - (uint32_t)mark;
    }
    return seen;
}
