/* A child's steward: when it looks, what it sees, what it does. */
#include "adaptive.h"

#include <math.h>
#include <stdio.h>

#define ROUND_US          2000.0
#define LONGEST_ROUND_US 20000.0
#define TELL_PARENT_US   10000.0
#define QUIET_ROUNDS           5
#define FEW_BUSY               4
/* Threads whose state is looked at to estimate how many compute. */
#define SAMPLED_THREADS       16

steward_t *adaptive_steward(model_t *m, const child_t *c)
{
    adaptive_memory_t *memory = m->memory;
    steward_t *s = &memory->stewards[model_index(m, c)];

    if (s->incarnation != c->incarnation) {
        *s = (steward_t){ .incarnation = c->incarnation, .many = FEW_BUSY, .blocked_part = 1,
                          .told_parent_us = -TELL_PARENT_US };
        controller_threads_init(&s->state, (int64_t)m->now_us);
        s->state.without = m->policy->terms_off;
    }
    return s;
}

/* --- what it sees ----------------------------------------------------------------- */

static bool has_ready(const model_t *m, const child_t *c)
{
    return c->queue.length > 0 || (c->state == CHILD_SERVING && m->backlog.length > 0);
}

/* The probe stands behind what was ready when it was sent. The backlog counts as one: when
 * a connection is accepted the listening socket lines up again, behind the probe. */
static bool probe_is_taken(const child_t *c, const steward_t *s)
{
    return model_idle(c) > 0 || c->nobody_idle_us > s->probe_us || c->taken > s->probe_behind;
}

static double follow_probe(const model_t *m, const child_t *c, steward_t *s)
{
    if (s->probe_us > 0 && probe_is_taken(c, s)) {
        s->probe_us = 0;
    }
    if (s->probe_us > 0) {
        return m->now_us - s->probe_us;
    }
    if (has_ready(m, c)) {
        s->probe_us = m->now_us;
        s->probe_behind = c->taken + (uint64_t)c->queue.length
                          + (c->state == CHILD_SERVING && m->backlog.length > 0);
    }
    return 0;
}

/* True: it goes on watching. */
static bool watch(const model_t *m, const child_t *c, steward_t *s, double *waited_us)
{
    *waited_us = 0;
    if (!s->watching) {
        if (model_idle(c) > 0) {
            return false;
        }
        s->watching = true;
        s->quiet_rounds = 0;
    }
    *waited_us = follow_probe(m, c, s);
    s->quiet_rounds = model_idle(c) > 0 && *waited_us <= 0 ? s->quiet_rounds + 1 : 0;
    s->watching = s->quiet_rounds < QUIET_ROUNDS;
    return s->watching;
}

/* Of a few threads one sees whether they compute, and takes them for all. */
static int estimated_runnable(model_t *m, const child_t *c)
{
    int i, hits = 0;

    if (c->busy <= SAMPLED_THREADS) {
        return c->runnable;
    }
    for (i = 0; i < SAMPLED_THREADS; i++) {
        hits += dice_uniform(&m->server_dice) * c->busy < c->runnable;
    }
    return (int)lround((double)hits * c->busy / SAMPLED_THREADS);
}

static ctl_thread_limits_t limits_of(const model_t *m)
{
    return (ctl_thread_limits_t){
        .min_threads = ADAPTIVE_START_THREADS, .max_threads = m->trace->threads_per_child,
        .ceiling = CTL_THREADS_PER_CHILD,
        .cpus = m->trace->cpus / adaptive_most(model_count(m, CHILD_SERVING), 1),
        .wait_target_us = ADAPTIVE_WAIT_TARGET_US, .hold_us = (int64_t)m->options->hold_us
    };
}

static ctl_thread_sample_t take_sample(model_t *m, const child_t *c, const steward_t *s, double waited_us,
                                       const ctl_thread_limits_t *limits)
{
    bool waits = waited_us >= ADAPTIVE_WAIT_TARGET_US;
    ctl_thread_sample_t sample = {
        .now_us = (int64_t)m->now_us, .threads = c->threads,
        .admitted = adaptive_least(c->admit, c->threads), .busy = c->busy, .starting = c->starting,
        .waited_us = (int64_t)waited_us, .runnable = CTL_UNKNOWN, .arrivals = c->taken,
        .completions = c->done, .thread_start_us = (int64_t)model_recent_p95(&m->thread_starts)
    };

    if (waits) {
        sample.waiting = m->policy->knows_waiting
                         ? m->backlog.length / adaptive_most(model_count(m, CHILD_SERVING), 1) + 1
                         : CTL_UNKNOWN;
    }
    if (controller_threads_wants_count(&s->state, &sample, limits)) {
        sample.runnable = estimated_runnable(m, c);
    }
    return sample;
}

/* --- what it does ----------------------------------------------------------------- */

static void log_plan(const model_t *m, const child_t *c, const ctl_thread_sample_t *s,
                     const ctl_thread_plan_t *p)
{
    if (m->options->log && (p->start || p->retire || p->wants_child || p->admit < s->admitted)) {
        printf("%.6f child %d: threads %d+%d admitted %d busy %d runnable %d waiting %d for %.1f ms: "
               "start %d retire %d admit %d%s, demand %.1f spare %.1f blocked %.2f, %s, again in %.1f ms\n",
               m->now_us / 1e6, model_index(m, c), s->threads, s->starting, s->admitted, s->busy, s->runnable,
               s->waiting, (double)s->waited_us / 1e3, p->start, p->retire, p->admit,
               p->wants_child ? " wants child" : "", p->demand, p->spare, p->blocked_part,
               controller_reason_text(p->reason), ((double)p->look_again_us - m->now_us) / 1e3);
    }
}

static void tell_parent(model_t *m, steward_t *s, bool wants_child, bool exhausted)
{
    bool news = s->exhausted != exhausted;

    s->exhausted = exhausted;
    if (news || (wants_child && m->now_us - s->told_parent_us >= TELL_PARENT_US)) {
        s->told_parent_us = m->now_us;
        adaptive_wake_parent(m);
    }
}

static void carry_out(model_t *m, child_t *c, const ctl_thread_plan_t *plan)
{
    int room = m->trace->threads_per_child - c->threads - c->starting;

    if (plan->start > 0) {
        model_start_threads(m, c, adaptive_least(plan->start, room));
    }
    else if (plan->retire > 0) {
        model_retire_threads(m, c, plan->retire);
    }
    model_admit(m, c, adaptive_most(plan->admit, 1));
}

void adaptive_look(model_t *m, child_t *c)
{
    steward_t *s = adaptive_steward(m, c);
    double waited_us, next_us;
    bool soon = watch(m, c, s, &waited_us);
    ctl_thread_limits_t limits = limits_of(m);
    ctl_thread_sample_t sample = take_sample(m, c, s, waited_us, &limits);
    ctl_thread_plan_t plan = controller_threads(&s->state, &sample, &limits);

    m->result->decisions++;
    log_plan(m, c, &sample, &plan);
    s->waiting = sample.waiting;
    s->waited_us = waited_us;
    s->blocked_part = plan.blocked_part;
    s->many = adaptive_most(FEW_BUSY, c->busy * 5 / 4 + 1);
    tell_parent(m, s, plan.wants_child, waited_us >= ADAPTIVE_WAIT_TARGET_US && c->busy >= limits.max_threads);
    next_us = plan.look_again_us == CTL_NEVER_US ? HUGE_VAL : (double)plan.look_again_us;
    next_us = fmax(soon ? fmin(next_us, m->now_us + LONGEST_ROUND_US) : next_us, m->now_us + ROUND_US);
    model_look_at(m, c, next_us + model_stall_us(m));
    carry_out(m, c, &plan);
}

static void wake(model_t *m, child_t *c)
{
    if (c->state == CHILD_SERVING || c->state == CHILD_PARKED) {
        model_look_at(m, c, m->now_us + ADAPTIVE_WAKE_US + model_stall_us(m));
    }
}

/* The worker that leaves none idle wakes the steward, unless it watches already. */
void adaptive_nobody_idle(model_t *m, child_t *c)
{
    if (!adaptive_steward(m, c)->watching && c->busy > 0) {
        wake(m, c);
    }
}

void adaptive_busier(model_t *m, child_t *c)
{
    steward_t *s = adaptive_steward(m, c);

    if (!s->watching && c->busy >= s->many) {
        wake(m, c);
    }
}
