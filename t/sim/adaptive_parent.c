/* The parent: how many children. */
#include "adaptive.h"

#include <math.h>
#include <stdio.h>

#define SHORTEST_ROUND_US 5000.0
/* Scoreboard rows: a third more than children may accept, for those that finish. */
#define SLOTS_FOR(children) ((children) + (children) / 3 + 8)

int adaptive_start_children(const trace_t *t)
{
    return adaptive_most(2, adaptive_least(16, (int)t->cpus));
}

void adaptive_wake_parent(model_t *m)
{
    model_parent_at(m, m->now_us + ADAPTIVE_WAKE_US + model_stall_us(m));
}

static int slots_of(const model_t *m)
{
    const adaptive_memory_t *memory = m->memory;

    return adaptive_least(SLOTS_FOR(memory->max_children), MODEL_CHILDREN);
}

/* What the children have told it last; how many threads are busy is always up to date. */
static ctl_child_sample_t take_sample(model_t *m)
{
    ctl_child_sample_t sample = {
        .now_us = (int64_t)m->now_us, .serving = model_count(m, CHILD_SERVING),
        .starting = model_count(m, CHILD_STARTING), .parked = model_count(m, CHILD_PARKED),
        .draining = model_count(m, CHILD_DRAINING), .slots = slots_of(m),
        .child_start_us = (int64_t)model_recent_p95(&m->child_starts)
    };
    double waited_us = 0, blocked = 0;
    int i;

    for (i = 0; i < m->slots; i++) {
        const child_t *c = &m->children[i];
        const steward_t *s;

        if (c->state != CHILD_SERVING && c->state != CHILD_PARKED) {
            continue;
        }
        sample.lasting += c->state == CHILD_PARKED && !model_may_end(c);
        s = adaptive_steward(m, c);
        sample.threads += c->threads + c->starting;
        sample.busy += c->busy;
        blocked += c->busy * s->blocked_part;
        sample.waiting += adaptive_most(s->waiting, 0);
        sample.exhausted += s->exhausted;
        waited_us = fmax(waited_us, s->waited_us);
    }
    sample.blocked = (int)lround(blocked);
    sample.waited_us = (int64_t)waited_us;
    sample.arrivals = m->result->begun;
    sample.completions = m->result->ended[CLASS_OPEN] + m->result->ended[CLASS_CLIENTS];
    return sample;
}

static ctl_child_limits_t limits_of(const model_t *m)
{
    const adaptive_memory_t *memory = m->memory;

    return (ctl_child_limits_t){
        .threads_per_child = m->trace->threads_per_child, .min_children = adaptive_start_children(m->trace),
        .max_children = memory->max_children, .max_threads = m->trace->max_threads, .ceiling = CTL_SERVER_LIMIT,
        .min_spare_threads = CTL_NOT_SET, .max_spare_threads = CTL_NOT_SET, .cpus = m->trace->cpus,
        .wait_target_us = ADAPTIVE_WAIT_TARGET_US, .hold_us = (int64_t)m->options->child_hold_us
    };
}

/* The one to park, retire or bring back: with the fewest busy threads, or with the most threads. */
static child_t *pick(model_t *m, child_state_e state, bool largest)
{
    child_t *best = NULL;
    int i;

    for (i = 0; i < m->slots; i++) {
        child_t *c = &m->children[i];

        if (c->state == state && (!best || (largest ? c->threads > best->threads : c->busy <= best->busy))) {
            best = c;
        }
    }
    return best;
}

/* The parked one with the fewest busy threads that would end soon. */
static child_t *pick_ending(model_t *m)
{
    child_t *best = NULL;
    int i;

    for (i = 0; i < m->slots; i++) {
        child_t *c = &m->children[i];

        if (c->state == CHILD_PARKED && model_may_end(c) && (!best || c->busy <= best->busy)) {
            best = c;
        }
    }
    return best;
}

/* Threads that a new child starts with: its part of those that are missing. */
static int threads_for_new(const model_t *m, const ctl_child_plan_t *plan, const ctl_child_sample_t *sample)
{
    int missing = (int)fmin(plan->demand, 1e9) - sample->threads;
    int each = plan->start > 0 ? missing / (plan->start + sample->starting) : 0;

    return adaptive_least(adaptive_most(each, ADAPTIVE_START_THREADS), m->trace->threads_per_child);
}

static void carry_out(model_t *m, const ctl_child_plan_t *plan, const ctl_child_sample_t *sample)
{
    child_t *c;
    int i;

    for (i = 0; i < plan->resurrect && (c = pick(m, CHILD_PARKED, true)); i++) {
        model_resurrect(m, c);
    }
    for (i = 0; i < plan->start && m->alive < slots_of(m); i++) {
        model_fork(m, threads_for_new(m, plan, sample));
    }
    for (i = 0; i < plan->park && (c = pick(m, CHILD_SERVING, false)); i++) {
        model_park(m, c);
    }
    for (i = 0; i < plan->retire && (c = pick_ending(m)); i++) {
        model_stop_child(m, c);
    }
}

static void log_plan(const model_t *m, const ctl_child_sample_t *s, const ctl_child_plan_t *p)
{
    if (m->options->log) {
        printf("%.6f parent: serving %d+%d parked %d threads %d busy %d blocked %d waiting %d for %.1f ms exhausted %d: "
               "start %d resurrect %d park %d retire %d, target %d demand %.1f spare %.1f, %.0f/s of %.1f ms, %s\n",
               m->now_us / 1e6, s->serving, s->starting, s->parked, s->threads, s->busy, s->blocked, s->waiting,
               (double)s->waited_us / 1e3, s->exhausted, p->start, p->resurrect, p->park, p->retire, p->target, p->demand,
               p->spare, p->arrivals_per_s, p->service_us / 1e3, controller_reason_text(p->reason));
    }
}

void adaptive_parent(model_t *m)
{
    adaptive_memory_t *memory = m->memory;
    ctl_child_sample_t sample = take_sample(m);
    ctl_child_limits_t limits = limits_of(m);
    ctl_child_plan_t plan = controller_children(&memory->state, &sample, &limits);

    m->result->decisions++;
    log_plan(m, &sample, &plan);
    carry_out(m, &plan, &sample);
    if (plan.look_again_us != CTL_NEVER_US) {
        model_parent_at(m, fmax((double)plan.look_again_us, m->now_us + SHORTEST_ROUND_US));
    }
}
