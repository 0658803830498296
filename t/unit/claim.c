/* Every transition of a claim, and those that must not happen. What only threads can bring
 * about is played here step by step. */

#include "base/claim.h"

#include "tap.h"

static const claim_state_e all[] = { CLAIM_FREE, CLAIM_OWNED, CLAIM_ARMING, CLAIM_PARKED };

static claim_t claim_in(uint32_t generation, claim_state_e state)
{
    return (claim_t){ claim_word(generation, state) };
}

/* Let the owner go through a whole wait; the generation that its token would carry. */
static uint32_t park(claim_t *c)
{
    uint32_t generation;

    claim_begin_arming(c);
    generation = claim_generation(c);
    claim_finish_arming(c, generation);
    return generation;
}

static void test_life(void)
{
    claim_t c = claim_in(0, CLAIM_FREE);
    uint32_t generation;

    claim_acquire(&c);
    is(claim_state(&c), CLAIM_OWNED, "acquire: owned");
    claim_begin_arming(&c);
    generation = claim_generation(&c);
    is(claim_state(&c), CLAIM_ARMING, "begin_arming: arming");
    claim_finish_arming(&c, generation);
    is(claim_state(&c), CLAIM_PARKED, "finish_arming: parked");
    ok(claim_by_event(&c, generation), "an event takes it");
    is(claim_state(&c), CLAIM_OWNED, "then it is owned");
    ok(!claim_by_event(&c, generation), "a second event does not take it");
    claim_release(&c);
    is(claim_state(&c), CLAIM_FREE, "release: free");
    ok(claim_generation(&c) != generation, "in another generation");
    ok(!claim_by_event(&c, generation), "the old event does not take it");
    claim_acquire(&c);
    ok(!claim_by_event(&c, generation), "nor when it is owned in its next life");
    park(&c);
    ok(!claim_by_event(&c, generation), "nor when it is parked in its next life");
}

static void test_who_may_take(void)
{
    unsigned i;
    int wrong = 0;

    for (i = 0; i < 4; i++) {
        claim_t c = claim_in(5, all[i]);
        bool taken = claim_by_event(&c, 5);
        bool expected = all[i] == CLAIM_PARKED || all[i] == CLAIM_ARMING;

        wrong += taken != expected;
        wrong += claim_state(&c) != (expected ? CLAIM_OWNED : all[i]);
    }
    is(wrong, 0, "an event takes what is parked or being armed, nothing else");
    for (i = 0; i < 4; i++) {
        claim_t c = claim_in(5, all[i]);
        bool taken = claim_by_deadline(&c);
        bool expected = all[i] == CLAIM_PARKED;

        wrong += taken != expected;
        wrong += claim_state(&c) != (expected ? CLAIM_OWNED : all[i]);
    }
    is(wrong, 0, "a deadline takes what is parked, nothing else");
    for (i = 0; i < 4; i++) {
        claim_t c = claim_in(5, all[i]);

        wrong += claim_by_event(&c, 4) || claim_by_event(&c, 6);
        wrong += claim_state(&c) != all[i] || claim_generation(&c) != 5;
    }
    is(wrong, 0, "an event of another generation changes nothing");
}

static void test_cancel(void)
{
    claim_t c = claim_in(9, CLAIM_OWNED);
    uint32_t generation;

    claim_begin_arming(&c);
    generation = claim_generation(&c);
    ok(claim_cancel_arming(&c, generation), "the poller refuses: the owner takes it back");
    is(claim_state(&c), CLAIM_OWNED, "and owns it");

    claim_begin_arming(&c);
    generation = claim_generation(&c);
    claim_by_event(&c, generation);
    ok(!claim_cancel_arming(&c, generation), "unless an event was faster");
    is(claim_state(&c), CLAIM_OWNED, "then it is that worker's");
}

static void test_event_while_arming(void)
{
    claim_t c = claim_in(3, CLAIM_OWNED);
    uint32_t generation;

    claim_begin_arming(&c);
    generation = claim_generation(&c);
    ok(!claim_by_deadline(&c), "no deadline takes it under the poller call");
    ok(claim_by_event(&c, generation), "an event does");
    claim_finish_arming(&c, generation);
    is(claim_state(&c), CLAIM_OWNED, "the former owner does not park it then");
    claim_release(&c);
    claim_finish_arming(&c, generation);
    is(claim_state(&c), CLAIM_FREE, "nor when it is free by then");
}

/* A arms; an event comes before A has returned from the poller; B serves it and is inside
 * its own poller call when A gets on. */
static void test_late_former_owner(void)
{
    claim_t c = claim_in(3, CLAIM_OWNED);
    uint32_t generation_a, generation_b;

    claim_begin_arming(&c);
    generation_a = claim_generation(&c);
    claim_by_event(&c, generation_a);
    claim_begin_arming(&c);
    generation_b = claim_generation(&c);

    claim_finish_arming(&c, generation_a);
    is(claim_state(&c), CLAIM_ARMING, "a former owner does not end the arming of the next");
    ok(!claim_cancel_arming(&c, generation_a), "nor take the connection from it");
    claim_finish_arming(&c, generation_b);
    is(claim_state(&c), CLAIM_PARKED, "which does that by itself");
}

/* A worker has fetched the event of a wait; before it gets on, the deadline ends that wait,
 * and the connection is parked for another. */
static void test_event_of_earlier_wait(void)
{
    claim_t c = claim_in(3, CLAIM_OWNED);
    uint32_t first = park(&c), second;

    ok(claim_by_deadline(&c), "a wait ends by its deadline");
    second = park(&c);
    ok(!claim_by_event(&c, first), "its event does not end the next wait");
    ok(claim_by_event(&c, second), "the event of that one does");
}

static void test_wrap(void)
{
    claim_t c = claim_in(CLAIM_GENERATION_MASK, CLAIM_OWNED);
    uint32_t generation;

    claim_release(&c);
    is(claim_state(&c), CLAIM_FREE, "after the last generation the item is free");
    is(claim_generation(&c), 0, "in the first");
    c = claim_in(CLAIM_GENERATION_MASK, CLAIM_OWNED);
    generation = park(&c);
    is(claim_state(&c), CLAIM_PARKED, "the last generation can wait");
    ok(generation <= CLAIM_GENERATION_MASK && claim_by_event(&c, generation),
       "and gets its event");
}

int main(void)
{
    tap_begin(120);
    test_life();
    test_who_may_take();
    test_cancel();
    test_event_while_arming();
    test_late_former_owner();
    test_event_of_earlier_wait();
    test_wrap();
    return tap_done();
}
