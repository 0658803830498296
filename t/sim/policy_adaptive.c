/* The project's own law, src/controller.c, called as the server calls it.
 *
 * A child's steward looks when nobody is idle any more, every 2 ms (10 ms when requests
 * compute) while that lasts, and else when the plan says so. The parent looks when a child
 * wants one more, when one is ready, and when its plan says so.
 */
#include "policy.h"

#include "controller.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define NOBODY_IDLE_US   2000.0
#define CPU_BOUND_US    10000.0
#define WAKE_US            30.0 /* until a steward runs that was woken */
#define PARENT_WAKE_US    100.0
#define WAIT_TARGET_US     2000
#define HOLD_US       15000000
#define CHILD_HOLD_US 60000000
#define START_THREADS         2
/* Threads whose state a child looks at to estimate how many compute. */
#define SAMPLED_THREADS      16
/* Scoreboard rows: a third more than children may accept, for those that finish. */
#define SLOTS_FOR(children) ((children) + (children) / 3 + 8)

typedef struct steward_t {
    ctl_thread_state_t state;
    uint32_t incarnation;
    int seen_busy;
    bool watching;              /* nobody was idle at its last look: it looks again by itself */
    bool wants_child;
} steward_t;

typedef struct adaptive_memory_t {
    ctl_child_state_t state;
    steward_t stewards[MODEL_CHILDREN];
    int max_children;
} adaptive_memory_t;

static int least(int a, int b)
{
    return a < b ? a : b;
}

static int most(int a, int b)
{
    return a > b ? a : b;
}

static steward_t *steward_of(model_t *m, const child_t *c)
{
    adaptive_memory_t *memory = m->memory;
    steward_t *s = &memory->stewards[model_index(m, c)];

    if (s->incarnation != c->incarnation) {
        controller_threads_init(&s->state, (int64_t)m->now_us);
        s->state.without = m->policy->terms_off;
        s->incarnation = c->incarnation;
        s->seen_busy = 0;
        s->wants_child = s->watching = false;
    }
    return s;
}

static int start_children(const trace_t *t)
{
    return most(2, least(16, (int)t->cpus));
}

static void begin(model_t *m)
{
    adaptive_memory_t *memory = calloc(1, sizeof(*memory));
    int i;

    if (!memory) {
        abort();
    }
    m->memory = memory;
    memory->max_children = m->trace->max_threads / m->trace->threads_per_child;
    controller_children_init(&memory->state, 0);
    memory->state.without = m->policy->terms_off;
    for (i = 0; i < start_children(m->trace); i++) {
        model_look_at(m, model_first_child(m, START_THREADS), 0);
    }
    model_parent_at(m, 0);
}

/* --- a child's steward ------------------------------------------------------------ */

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

static int waiting_for(model_t *m, const child_t *c)
{
    int serving = most(model_count(m, CHILD_SERVING), 1);
    int shared = c->state == CHILD_SERVING ? (m->backlog.length + serving - 1) / serving : 0;

    if (!m->policy->knows_waiting) {
        return CTL_UNKNOWN;
    }
    return c->queue.length + shared;
}

static void carry_out_threads(model_t *m, child_t *c, const ctl_thread_plan_t *plan)
{
    uint32_t incarnation = c->incarnation;

    if (plan->start > 0) {
        model_start_threads(m, c, least(plan->start, m->trace->threads_per_child - c->threads - c->starting));
    }
    if (plan->retire > 0) {
        model_retire_threads(m, c, plan->retire);
    }
    if (c->incarnation == incarnation) {
        model_admit(m, c, plan->admit);
    }
}

static void log_threads(const model_t *m, const child_t *c, const ctl_thread_sample_t *s, const ctl_thread_plan_t *p)
{
    if (m->options->log && (p->start || p->retire || p->wants_child || (p->admit < s->admitted))) {
        printf("%.6f child %d: threads %d+%d admitted %d busy %d runnable %d waiting %d for %.1f ms: start %d retire %d "
               "admit %d%s, demand %.1f spare %.1f, %s, again in %.1f ms\n", m->now_us / 1e6, model_index(m, c), s->threads,
               s->starting, s->admitted, s->busy, s->runnable, s->waiting, (double)s->waited_us / 1e3, p->start, p->retire,
               p->admit, p->wants_child ? " wants child" : "", p->demand, p->spare, controller_reason_text(p->reason),
               ((double)p->look_again_us - m->now_us) / 1e3);
    }
}

static void look(model_t *m, child_t *c)
{
    steward_t *s = steward_of(m, c);
    double waited_us = model_waited_us(m, c);
    int admitted = least(c->admit, c->threads);
    double cpus = m->trace->cpus / most(model_count(m, CHILD_SERVING), 1);
    ctl_thread_limits_t limits = { .min_threads = START_THREADS, .max_threads = m->trace->threads_per_child,
                                   .ceiling = CTL_THREADS_PER_CHILD, .cpus = cpus,
                                   .wait_target_us = WAIT_TARGET_US, .hold_us = HOLD_US };
    bool counts = waited_us >= WAIT_TARGET_US || c->busy > 2 * cpus;
    ctl_thread_sample_t sample = {
        .now_us = (int64_t)m->now_us, .threads = c->threads, .admitted = admitted, .busy = c->busy,
        .starting = c->starting, .waiting = waiting_for(m, c), .waited_us = (int64_t)waited_us,
        .runnable = counts ? estimated_runnable(m, c) : CTL_UNKNOWN,
        .arrivals = c->taken, .completions = c->done,
        .thread_start_us = (int64_t)model_recent_p95(&m->thread_starts)
    };
    ctl_thread_plan_t plan = controller_threads(&s->state, &sample, &limits);

    log_threads(m, c, &sample, &plan);
    m->result->decisions++;
    s->seen_busy = c->busy;
    if (plan.wants_child && !s->wants_child) {
        model_parent_at(m, m->now_us + PARENT_WAKE_US + model_stall_us(m));
    }
    s->wants_child = plan.wants_child;
    carry_out_threads(m, c, &plan);
    if (c->state != CHILD_SERVING && c->state != CHILD_PARKED) {
        return;
    }
    s->watching = model_idle(c) == 0;
    if (s->watching) {
        model_look_at(m, c, m->now_us + model_stall_us(m)
                            + (plan.reason == CTL_CPU_BOUND ? CPU_BOUND_US : NOBODY_IDLE_US));
    }
    if (plan.look_again_us != CTL_NEVER_US) {
        model_look_at(m, c, fmax((double)plan.look_again_us, m->now_us + 1));
    }
}

/* The worker that leaves none idle wakes the steward, unless it looks again soon anyway. */
static void nobody_idle(model_t *m, child_t *c)
{
    steward_t *s = steward_of(m, c);

    if (!s->watching && c->busy > 0
        && (c->state == CHILD_SERVING || c->state == CHILD_PARKED)) {
        model_look_at(m, c, m->now_us + WAKE_US + model_stall_us(m));
    }
    s->seen_busy = most(s->seen_busy, c->busy);
}

static void busier(model_t *m, child_t *c)
{
    steward_t *s = steward_of(m, c);

    if (c->busy >= 2 * s->seen_busy + 4) {
        s->seen_busy = c->busy;
        model_look_at(m, c, m->now_us + WAKE_US + model_stall_us(m));
    }
}

/* --- the parent ------------------------------------------------------------------- */

static ctl_child_sample_t children_sample(model_t *m)
{
    ctl_child_sample_t sample = { .now_us = (int64_t)m->now_us, .waiting = m->backlog.length,
                                  .child_start_us = (int64_t)model_recent_p95(&m->child_starts) };
    double waited_us = 0;
    int i;

    for (i = 0; i < m->slots; i++) {
        const child_t *c = &m->children[i];
        double child_waited_us = model_waited_us(m, c);

        switch (c->state) {
        case CHILD_STARTING:
            sample.starting++;
            continue;
        case CHILD_SERVING:
            sample.serving++;
            break;
        case CHILD_PARKED:
            sample.parked++;
            break;
        default:
            continue;
        }
        sample.threads += c->threads;
        sample.busy += c->busy;
        sample.blocked += c->busy - c->runnable;
        sample.waiting += c->queue.length;
        sample.exhausted += c->state == CHILD_SERVING && c->threads >= m->trace->threads_per_child
                            && c->busy >= c->threads && child_waited_us > 0;
        waited_us = fmax(waited_us, child_waited_us);
    }
    sample.waited_us = (int64_t)waited_us;
    sample.arrivals = m->result->begun;
    sample.completions = m->result->ended[CLASS_OPEN] + m->result->ended[CLASS_CLIENTS];
    if (!m->policy->knows_waiting) {
        sample.waiting = CTL_UNKNOWN;
    }
    return sample;
}

/* The one to park, retire or bring back: the least, or the most busy in that state. */
static child_t *pick(model_t *m, child_state_e state, bool busiest)
{
    child_t *best = NULL;
    int i;

    for (i = 0; i < m->slots; i++) {
        child_t *c = &m->children[i];

        if (c->state == state && (!best || (busiest ? c->threads > best->threads : c->busy <= best->busy))) {
            best = c;
        }
    }
    return best;
}

/* Threads that are missing are shared out among the new children. */
static int threads_for_new(model_t *m, const ctl_child_plan_t *plan, const ctl_child_sample_t *sample)
{
    int missing = (int)ceil(plan->demand + plan->spare) - sample->threads;
    int i;

    for (i = 0; i < m->slots; i++) {
        missing -= m->children[i].starting;
    }
    return least(most(START_THREADS, missing / most(plan->start, 1)), m->trace->threads_per_child);
}

static void carry_out_children(model_t *m, const ctl_child_plan_t *plan, const ctl_child_sample_t *sample)
{
    adaptive_memory_t *memory = m->memory;
    int threads = threads_for_new(m, plan, sample), i;
    child_t *c;

    for (i = 0; i < plan->resurrect && (c = pick(m, CHILD_PARKED, true)); i++) {
        model_resurrect(m, c);
        model_look_at(m, c, m->now_us + WAKE_US + model_stall_us(m));
    }
    for (i = 0; i < plan->start && m->alive < least(SLOTS_FOR(memory->max_children), MODEL_CHILDREN); i++) {
        model_fork(m, threads);
    }
    for (i = 0; i < plan->park && (c = pick(m, CHILD_SERVING, false)); i++) {
        model_park(m, c);
    }
    for (i = 0; i < plan->retire && (c = pick(m, CHILD_PARKED, false)); i++) {
        model_stop_child(m, c);
    }
}

static void log_children(const model_t *m, const ctl_child_sample_t *s, const ctl_child_plan_t *p)
{
    if (m->options->log && (p->start || p->park || p->resurrect || p->retire)) {
        printf("%.6f parent: serving %d+%d parked %d threads %d busy %d blocked %d waiting %d for %.1f ms exhausted %d: "
               "start %d resurrect %d park %d retire %d, target %d demand %.1f spare %.1f, %.0f/s of %.1f ms, %s\n",
               m->now_us / 1e6, s->serving, s->starting, s->parked, s->threads, s->busy, s->blocked, s->waiting,
               (double)s->waited_us / 1e3, s->exhausted, p->start, p->resurrect, p->park, p->retire, p->target, p->demand,
               p->spare, p->arrivals_per_s, p->service_us / 1e3, controller_reason_text(p->reason));
    }
}

static void parent(model_t *m)
{
    adaptive_memory_t *memory = m->memory;
    ctl_child_sample_t sample = children_sample(m);
    ctl_child_limits_t limits = {
        .threads_per_child = m->trace->threads_per_child, .min_children = start_children(m->trace),
        .max_children = memory->max_children, .max_threads = m->trace->max_threads,
        .ceiling = CTL_SERVER_LIMIT, .min_spare_threads = CTL_NOT_SET, .max_spare_threads = CTL_NOT_SET,
        .cpus = m->trace->cpus, .wait_target_us = WAIT_TARGET_US, .hold_us = CHILD_HOLD_US
    };
    ctl_child_plan_t plan = controller_children(&memory->state, &sample, &limits);

    log_children(m, &sample, &plan);
    m->result->decisions++;
    carry_out_children(m, &plan, &sample);
    if (plan.look_again_us != CTL_NEVER_US) {
        model_parent_at(m, fmax((double)plan.look_again_us, m->now_us + 1));
    }
}

static void child_ready(model_t *m, child_t *c)
{
    model_look_at(m, c, m->now_us + WAKE_US + model_stall_us(m));
    model_parent_at(m, m->now_us + PARENT_WAKE_US + model_stall_us(m));
}

const policy_ops_t policy_adaptive_ops = { .begin = begin, .nobody_idle = nobody_idle, .busier = busier,
                                           .child_ready = child_ready, .look = look, .parent = parent };
