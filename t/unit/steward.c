/* The steward's loop: when it watches, what a probe tells, when it decides, whom it tells. */

#include "law/steward.h"

#include "tap.h"

#define S INT64_C(1000000)

static const steward_settings_t settings = {
    .start_threads = 2, .thread_limit = 64, .min_spare_threads = CTL_NOT_SET, .cpus = 2,
    .wait_target_us = 2000, .hold_us = 5 * S
};
static const ctl_thread_limits_t limits = {
    .min_threads = 2, .max_threads = 8, .ceiling = CTL_THREADS_PER_CHILD, .cpus = 2,
    .wait_target_us = 2000, .hold_us = 5 * S
};

/* A child with all threads busy, or all but `idle`. */
static steward_facts_t facts_at(int64_t now_us, int idle, int busy, uint64_t events)
{
    return (steward_facts_t) { .now_us = now_us, .events = events, .idle = idle, .busy = busy,
                               .live = idle + busy, .granted = 64, .serving = true };
}

static ctl_thread_sample_t sample_of(const steward_facts_t *f, int64_t waited_us)
{
    return (ctl_thread_sample_t) { .now_us = f->now_us, .threads = f->live, .admitted = f->live,
                                   .busy = f->busy, .starting = f->arriving, .waited_us = waited_us,
                                   .runnable = CTL_UNKNOWN, .arrivals = f->events,
                                   .completions = f->events - (uint64_t)f->busy };
}

static void test_limits(void)
{
    steward_grant_t none = { .max_threads = 0, .serving = 1 };
    steward_grant_t half = { .max_threads = 32, .ceiling = CTL_ADAPTIVE_MEMORY, .serving = 4 };
    steward_settings_t spare = settings;
    ctl_thread_limits_t l = steward_limits(&settings, &none, 0);

    is(l.max_threads, 64, "nothing was granted yet: ThreadsPerChild");
    is(l.ceiling, CTL_THREADS_PER_CHILD, "... which is the ceiling");
    is((int)(10 * l.cpus), 20, "a single child has all processors");
    l = steward_limits(&settings, &half, 0);
    is(l.max_threads, 32, "a grant below it is the limit");
    is(l.ceiling, CTL_ADAPTIVE_MEMORY, "... with the parent's reason");
    is((int)(10 * l.cpus), 5, "four share the processors");
    spare.min_spare_threads = 10;
    l = steward_limits(&spare, &half, 7);
    is(l.min_threads, 7 + 3, "a quarter of MinSpareThreads, rounded up, beside those that serve");
    l = steward_limits(&spare, &half, 31);
    is(l.min_threads, 32, "but not more than there may be");
}

static void test_watch(void)
{
    steward_t s;
    steward_look_t look = { 0 };
    int i;

    steward_init(&s, 0);
    ok(!steward_watches(&s, true), "somebody is idle: it sleeps");
    ok(steward_watches(&s, false), "nobody is: it watches");
    for (i = 0; i < 4; i++) {
        look = steward_look(&s, i * 1000, true, 1, false);
    }
    ok(look.soon && s.watching, "it goes on for a while when somebody is idle again");
    look = steward_look(&s, 5000, false, 1, false);
    for (i = 0; i < 4; i++) {
        look = steward_look(&s, 6000 + i * 1000, true, 1, false);
    }
    ok(look.soon, "... which begins anew if nobody is in between");
    look = steward_look(&s, 10000, true, 1, false);
    ok(!look.soon && !s.watching, "then it sleeps");
}

static void test_probe(void)
{
    steward_t s;
    steward_look_t look;

    steward_init(&s, 0);
    steward_watches(&s, false);
    is(steward_question(&s, 10, false), STEWARD_ASK_READY,
       "no probe is on its way: is something ready?");
    look = steward_look(&s, 1000, false, 10, true);
    ok(look.send_probe, "yes: it sends one");
    is(look.waited_us, 0, "... and does not know yet whether anything waits");
    is(steward_question(&s, 11, false), STEWARD_ASK_NOTHING,
       "something was taken since: the probe stands");
    look = steward_look(&s, 3000, false, 11, true);
    is(look.waited_us, 2000, "work has waited as long as the probe");
    is(steward_question(&s, 11, false), STEWARD_ASK_ALONE,
       "nothing was taken: is the probe alone?");
    look = steward_look(&s, 5000, false, 11, true);
    is(look.waited_us, 4000, "no: work waits on");
    is(steward_question(&s, 11, true), STEWARD_ASK_READY, "the probe was taken");
    look = steward_look(&s, 6000, false, 12, true);
    ok(look.send_probe, "more is ready: another");
    steward_question(&s, 12, false);
    look = steward_look(&s, 8000, false, 12, false);
    is(look.waited_us, 0, "siblings have taken what it stood behind: nothing waits");
    ok(!look.send_probe, "... and nothing is sent");
}

static void test_listens(void)
{
    steward_t s;
    int64_t until_us = CTL_NEVER_US;
    int i;

    steward_init(&s, 0);
    ok(!steward_listens(&s, 0, true, &until_us), "a steward that sleeps is woken by workers");
    is(until_us, CTL_NEVER_US, "... at any time");
    steward_watches(&s, false);
    ok(steward_listens(&s, 0, false, &until_us), "one that watches by the poller");
    ok(!steward_listens(&s, 0, true, &until_us), "not while somebody is idle: a worker takes it");
    is(until_us, 20000, "... but no worker tells when nobody is");
    steward_look(&s, 1000, false, 1, true);
    until_us = CTL_NEVER_US;
    ok(!steward_listens(&s, 1000, false, &until_us), "a probe would wake it itself");

    steward_init(&s, 0);
    steward_watches(&s, false);
    for (i = 0; i < 8; i++) {
        steward_rang(&s);
        steward_look(&s, i * S, false, 1, false);
        until_us = CTL_NEVER_US;
        ok(!steward_listens(&s, i * S, false, &until_us), "woken for nothing: it does not listen");
        is(until_us, i * S + (i < 6 ? 2000 << i : 100000),
           "... for twice as long each time, up to 0.1 s");
    }
    ok(steward_listens(&s, 8 * S, false, &until_us), "then it does again");
    steward_look(&s, 8 * S, false, 1, true);
    steward_look(&s, 8 * S + 2000, false, 2, true);
    steward_question(&s, 3, true);
    steward_rang(&s);
    steward_look(&s, 9 * S, false, 3, false);
    until_us = CTL_NEVER_US;
    steward_listens(&s, 9 * S, false, &until_us);
    is(until_us, 9 * S + 2000, "work that did wait: it begins with the shortest again");
}

/* One round with a decision; returns when the next is due. */
static int64_t decide(steward_t *s, const steward_facts_t *f, const steward_look_t *look,
                      steward_orders_t *orders)
{
    ctl_thread_sample_t sample = sample_of(f, look->waited_us);

    *orders = steward_decide(s, &sample, &limits, f);
    return steward_settle(s, f, look, &orders->plan);
}

static void test_due(void)
{
    steward_t s;
    steward_look_t calm = { .soon = false }, soon = { .soon = true };
    steward_facts_t f = facts_at(1 * S, 2, 1, 1);
    steward_orders_t orders;
    int64_t next_us;

    steward_init(&s, 0);
    ok(steward_is_due(&s, &f, &calm), "the first decision is due");
    next_us = decide(&s, &f, &calm, &orders);
    ok(next_us >= f.now_us + STEWARD_ROUND_US, "two are not one after the other");
    is(s.many, 4, "few busy workers are no reason to look");
    f.now_us += 1000;
    ok(!steward_is_due(&s, &f, &calm), "nothing has happened: no decision");
    f.busy = 4;
    ok(steward_is_due(&s, &f, &calm), "many are busy: one");
    decide(&s, &f, &calm, &orders);
    is(s.many, 6, "what would be a surprise grows with those that are");
    f.busy = 1;
    f.now_us += 1000;
    ok(steward_is_due(&s, &f, &soon), "nobody is idle, or nobody was a moment ago: one");
    steward_decide_soon(&s);
    ok(steward_is_due(&s, &f, &calm), "the parent has changed something: one");
}

/* Nothing is taken, nothing ends, nobody is idle: pauses get longer. */
static void test_still(void)
{
    steward_t s;
    steward_look_t soon = { .soon = true };
    steward_facts_t f = facts_at(1 * S, 0, 4, 10);
    steward_orders_t orders;
    int64_t longest_us = 0, shorter = 0, before_us = 0;
    int i;

    steward_init(&s, 0);
    for (i = 0; i < 20; i++) {
        int64_t next_us, pause_us;

        if (!steward_is_due(&s, &f, &soon)) {
            f.now_us = steward_next_us(&s);
            continue;
        }
        next_us = decide(&s, &f, &soon, &orders);
        pause_us = next_us - f.now_us;
        shorter += pause_us < before_us;
        before_us = pause_us;
        longest_us = pause_us > longest_us ? pause_us : longest_us;
        f.now_us = next_us;
    }
    is(shorter, 0, "while all is still pauses only get longer");
    is(longest_us, 2 * S, "... up to two seconds");
    f.events++;
    f.now_us -= S;
    ok(steward_is_due(&s, &f, &soon), "something was taken: a decision");
    ok(decide(&s, &f, &soon, &orders) - f.now_us <= 20000, "and pauses are short again");
}

static void test_refused(void)
{
    steward_t s;
    steward_look_t waits = { .soon = true, .waited_us = 10000 };
    steward_facts_t f = facts_at(1 * S, 0, 4, 10);
    steward_orders_t orders;
    int64_t next_us;

    steward_init(&s, 0);
    f.retry_us = f.now_us + 50000;
    next_us = decide(&s, &f, &waits, &orders);
    ok(orders.plan.start > 0, "work waits: the controller wants threads");
    is(orders.start, 0, "the system refuses them for a while: none is started");
    is(orders.retire, orders.plan.retire, "... and none has to go for that");
    ok(orders.exhausted, "it has all that it can have");
    is(next_us, f.retry_us, "it comes again when that is over");
}

static void test_draining(void)
{
    steward_t s;
    steward_look_t soon = { .soon = true };
    steward_facts_t f = facts_at(1 * S, 1, 2, 10);
    ctl_thread_sample_t sample = sample_of(&f, 0);
    steward_orders_t orders;

    sample.busy = 7;        /* the law asks for more */
    sample.threads = sample.admitted = 3;
    steward_init(&s, 0);
    f.serving = false;
    orders = steward_decide(&s, &sample, &limits, &f);
    ok(orders.plan.start > 0 && orders.start == 0,
       "a child that drains starts no thread ahead of demand");
    steward_init(&s, 0);
    f.idle = 0;
    orders = steward_decide(&s, &sample, &limits, &f);
    is(orders.start, orders.plan.start, "... but does if nobody is idle");
    steward_settle(&s, &f, &soon, &orders.plan);
}

/* The parent is told of edges, and of more threads that are busy; not of the same twice. */
static void test_rings(void)
{
    steward_t s;
    steward_look_t waits = { .soon = true, .waited_us = 10000 };
    steward_facts_t f = facts_at(1 * S, 0, 8, 10);
    steward_orders_t orders;

    steward_init(&s, 0);
    decide(&s, &f, &waits, &orders);
    ok(orders.exhausted && orders.ring_parent, "exhausted: the parent hears of it");
    f.now_us += 3000;
    decide(&s, &f, &waits, &orders);
    ok(orders.exhausted && !orders.ring_parent, "once");
    f.now_us += S;
    decide(&s, &f, &waits, &orders);
    ok(!orders.ring_parent, "... also later: it looks by itself as long as anything goes on");
    waits.waited_us = 0;
    f.now_us += 3000;
    decide(&s, &f, &waits, &orders);
    ok(!orders.exhausted && orders.ring_parent, "no longer exhausted: it hears of that, too");
}

static void test_count(void)
{
    steward_t s;
    ctl_thread_sample_t sample = { .busy = 3 };

    steward_init(&s, 0);
    steward_count(&s, 10, &sample);
    is(sample.arrivals, 10, "what was taken adds up");
    is(sample.completions, 7, "what is not done any more is done");
    sample.busy = 9;
    steward_count(&s, 2, &sample);
    is(sample.completions, 7, "more busy than were taken since: nothing becomes undone");
    sample.busy = 0;
    steward_count(&s, 0, &sample);
    is(sample.completions, 12, "all is done");
}

static void test_memory(void)
{
    steward_t s;

    steward_init(&s, 0);
    s.target = 4;
    s.look_us = CTL_NEVER_US;
    ok(!steward_gives_memory_back(&s, 4), "no thread has left: nothing to give back");
    s.shrunk = true;
    ok(!steward_gives_memory_back(&s, 5), "more threads than planned are still there");
    ok(steward_gives_memory_back(&s, 4), "at rest: once");
    ok(!steward_gives_memory_back(&s, 4), "and not again");
    s.shrunk = true;
    s.look_us = 17;
    ok(!steward_gives_memory_back(&s, 4), "not while decisions are planned");
}

/* A child that has a little to do always has a decision planned. */
static void test_memory_of_many(void)
{
    steward_t s;

    steward_init(&s, 0);
    s.most = 64;
    s.target = 64;
    s.look_us = 17;
    ok(!steward_gives_memory_back(&s, 43), "nearly all threads are there");
    ok(steward_gives_memory_back(&s, 42), "a third of them has left: once");
    ok(!steward_gives_memory_back(&s, 41), "and not for each that follows");
    s.watching = true;
    ok(!steward_gives_memory_back(&s, 28), "not while nobody is idle");
    s.watching = false;
    ok(steward_gives_memory_back(&s, 28), "a third of those");
}

int main(void)
{
    tap_begin(20);
    test_limits();
    test_watch();
    test_probe();
    test_listens();
    test_due();
    test_still();
    test_refused();
    test_draining();
    test_rings();
    test_count();
    test_memory();
    test_memory_of_many();
    return tap_done();
}
