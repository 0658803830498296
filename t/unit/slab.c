/* Items that keep their place. */

#include "base/slab.h"

#include "tap.h"

#include <string.h>

typedef struct thing_t {
    slab_item_t item;           /* first */
    char payload[100];
} thing_t;

#define COUNT (3 * SLAB_CHUNK_ITEMS - 5)

static bool is_zero(const char *bytes, size_t size)
{
    size_t i;

    for (i = 0; i < size && !bytes[i]; i++) {
        continue;
    }
    return i == size;
}

static void test_growth(slab_t *s)
{
    static thing_t *things[COUNT];
    static bool seen[4 * SLAB_CHUNK_ITEMS];
    int i, missing = 0, dirty = 0, twice = 0, elsewhere = 0, overwritten = 0;

    for (i = 0; i < COUNT; i++) {
        things[i] = slab_take(s);
        if (!things[i]) {
            missing++;
            continue;
        }
        dirty += !is_zero(things[i]->payload, sizeof(things[i]->payload));
        twice += seen[things[i]->item.index];
        seen[things[i]->item.index] = true;
        memset(things[i]->payload, i & 0x7f, sizeof(things[i]->payload));
    }
    is(missing, 0, "more items than fit into one chunk");
    is(dirty, 0, "all of them zeroed");
    is(twice, 0, "each with an index of its own");
    is(atomic_load(&s->item_count), 3 * SLAB_CHUNK_ITEMS, "whole chunks exist");
    for (i = 0; i < COUNT; i++) {
        elsewhere += slab_at(s, things[i]->item.index) != things[i];
        overwritten += things[i]->payload[0] != (i & 0x7f) || things[i]->payload[99] != (i & 0x7f);
    }
    is(elsewhere, 0, "the index leads to the item, wherever the slab grew");
    is(overwritten, 0, "no item overlaps another");
    for (i = 0; i < COUNT; i++) {
        slab_give(s, things[i]);
    }
    for (i = COUNT; i-- > 0; ) {
        missing += slab_take(s) != things[i];
    }
    is(missing, 0, "the last item given is the first taken");
    is(atomic_load(&s->item_count), 3 * SLAB_CHUNK_ITEMS, "and the slab does not grow for that");
}

static void test_reuse(slab_t *s)
{
    thing_t *thing = slab_take(s);
    uint32_t index = thing->item.index;

    strcpy(thing->payload, "as it was left");
    slab_give(s, thing);
    ok(slab_at(s, index) == thing, "a free item can be looked at");
    ok(slab_take(s) == thing && thing->item.index == index, "it comes back, its index too");
    ok(!strcmp(thing->payload, "as it was left"), "with what was in it");
}

int main(void)
{
    slab_t s;

    tap_begin(120);
    is(slab_init(&s, sizeof(thing_t)), 0, "a slab");
    test_growth(&s);
    test_reuse(&s);
    slab_destroy(&s);
    return tap_done();
}
