/* Pure; a child's steward. Knows nothing of which processor is whose. */
#include "affinity.h"

/* Weight of the newest sample: what is so at two in a row counts. */
#define NEWEST        0.4
/* All processors are busy, or nearly so, in this many samples: a child takes hold. */
#define BUSY_IDLE     0.3
#define EVEN_SAMPLES  5
/* The child's processor has this little to spare while another one has that much: it lets go. */
#define SCARCE_IDLE   0.1
#define PLENTY_IDLE   0.4
/* There is time enough for everybody: what it pays to hold is not missed. */
#define CALM_IDLE     0.7
#define CALM_SAMPLES  10
/* ... and of a child that holds none, which has nothing to give up. */
#define FREE_CALM_SAMPLES 3
/* A child that uses so little of a processor is at rest, whoever keeps that busy. */
#define RESTING_USE   0.05
/* How long it waits after it had to let go, at first and at most; one that held for as long as the
 * last before it had to begins anew. */
#define FIRST_PENALTY_US INT64_C(500000)
#define MOST_PENALTY_US  INT64_C(30000000)
#define FORGIVEN_US      INT64_C(10000000)

/* Each processor has as many of the children that keep to one; what is left over of them stays
 * free, and the kernel puts it where there is room. */
static bool is_among_the_even(const affinity_sample_t *s)
{
    return s->place < s->children - s->children % s->processors;
}

/* The kernel counts idle time in hundredths of a second, half of a sample. */
static void smooth_idle(affinity_t *a, const affinity_sample_t *s)
{
    a->own_idle += NEWEST * (s->own_idle - a->own_idle);
    a->most_idle += NEWEST * (s->most_idle - a->most_idle);
}

static bool is_uneven(const affinity_t *a)
{
    return a->own_idle < SCARCE_IDLE && a->most_idle > PLENTY_IDLE;
}

static void take_hold(affinity_t *a, const affinity_sample_t *s)
{
    a->holds = true;
    a->held_us = s->now_us;
}

static void let_go(affinity_t *a, const affinity_sample_t *s)
{
    if (s->now_us - a->held_us >= FORGIVEN_US) {
        a->penalty_us = 0;
    }
    a->penalty_us = a->penalty_us == 0 ? FIRST_PENALTY_US : 2 * a->penalty_us;
    if (a->penalty_us > MOST_PENALTY_US) {
        a->penalty_us = MOST_PENALTY_US;
    }
    a->holds = false;
    a->even = 0;
    a->not_before_us = s->now_us + a->penalty_us;
}

/* Samples until the next that tells something. */
static int worth_again(const affinity_t *a)
{
    if (a->calm >= (a->holds ? CALM_SAMPLES : FREE_CALM_SAMPLES)) {
        return 0;
    }
    return a->holds || a->even > 0 ? 1 : AFFINITY_SELDOM;
}

bool affinity_decide(affinity_t *a, const affinity_sample_t *s, int *again)
{
    bool possible = s->processors > 1 && is_among_the_even(s);

    smooth_idle(a, s);
    a->even = a->most_idle < BUSY_IDLE && s->used >= RESTING_USE ? a->even + 1 : 0;
    a->calm = s->mean_idle > CALM_IDLE || s->used < RESTING_USE ? a->calm + 1 : 0;
    if (a->holds && (!possible || is_uneven(a))) {
        let_go(a, s);
    }
    else if (a->holds && a->calm >= CALM_SAMPLES) {
        a->holds = false;
    }
    else if (!a->holds && possible && a->even >= EVEN_SAMPLES && s->now_us >= a->not_before_us) {
        take_hold(a, s);
    }
    *again = worth_again(a);
    if (*again == 0) {
        a->even = a->calm = 0;
    }
    return a->holds;
}
