/* The parent in the model: measures for law/overseer.c and carries out what it says. */
#include "adaptive.h"

#include <math.h>
#include <stdio.h>

/* Scoreboard rows: a third more than children may accept, for those that finish. */
#define SLOTS_FOR(children) ((children) + (children) / 3 + 8)

int adaptive_start_children(const trace_t *t)
{
    return adaptive_max(2, adaptive_min(16, (int)t->cpus));
}

void adaptive_wake_parent(model_t *m)
{
    adaptive_memory_t *memory = m->memory;

    overseer_wake(&memory->overseer);
    model_parent_at(m, m->now_us + ADAPTIVE_WAKE_US + model_stall_us(m));
}

static int slots_of(const model_t *m)
{
    const adaptive_memory_t *memory = m->memory;

    return adaptive_min(SLOTS_FOR(memory->max_children), MODEL_CHILDREN);
}

static bool is_sharing(const child_t *c)
{
    return c->state == CHILD_SERVING || c->state == CHILD_PARKED;
}

/* What a child has told last; how many threads are busy is always up to date. */
static overseer_child_t see_child(model_t *m, const child_t *c)
{
    const adaptive_child_t *a = adaptive_child(m, c);
    int lasting = c->busy + c->queue.length + c->stays;

    return (
        overseer_child_t){ .threads = c->threads + c->starting,
                           .busy = c->busy,
                           .idle = model_idle(c),
                           .blocked_permille = (int64_t)lround(1000 * c->busy * a->blocked_part),
                           .waiting = a->waiting,
                           .waited_us = (int64_t)a->waited_us,
                           .exhausted = a->exhausted,
                           .taken = c->taken - a->summed_taken,
                           .connections = lasting,
                           .lasting = lasting };
}

static ctl_child_sample_t take_sample(model_t *m)
{
    adaptive_memory_t *memory = m->memory;
    overseer_sums_t sums = { .sample = {
        .now_us = (int64_t)m->now_us, .serving = model_count(m, CHILD_SERVING),
        .starting = model_count(m, CHILD_STARTING), .parked = model_count(m, CHILD_PARKED),
        .draining = model_count(m, CHILD_DRAINING), .slots = slots_of(m),
        .child_start_us = (int64_t)model_recent_p95(&m->child_starts)
    } };
    int i;

    for (i = 0; i < m->slots; i++) {
        const child_t *c = &m->children[i];

        if (is_sharing(c)) {
            overseer_child_t child = see_child(m, c);

            adaptive_child(m, c)->summed_taken = c->taken;
            sums.sample.lasting += c->state == CHILD_PARKED && child.lasting > 0;
            overseer_add(&memory->overseer, &sums, &child);
        }
    }
    return overseer_sample(&memory->overseer, &sums);
}

static ctl_child_limits_t limits_of(const model_t *m)
{
    const adaptive_memory_t *memory = m->memory;

    return (ctl_child_limits_t){ .threads_per_child = m->trace->threads_per_child,
                                 .min_children = adaptive_start_children(m->trace),
                                 .max_children = memory->max_children,
                                 .max_threads = m->trace->max_threads,
                                 .ceiling = CTL_SERVER_LIMIT,
                                 .min_spare_threads = CTL_NOT_SET,
                                 .max_spare_threads = CTL_NOT_SET,
                                 .cpus = m->trace->cpus,
                                 .wait_target_us = ADAPTIVE_WAIT_TARGET_US,
                                 .hold_us = (int64_t)m->options->child_hold_us };
}

static void share_out(model_t *m, const ctl_child_limits_t *limits,
                      const ctl_child_sample_t *sample)
{
    const adaptive_memory_t *memory = m->memory;
    overseer_share_t share = overseer_share(limits, sample, sample->serving + sample->parked,
                                            memory->start_threads);
    int i;

    for (i = 0; i < m->slots; i++) {
        const child_t *c = &m->children[i];

        if (is_sharing(c)) {
            overseer_child_t child = see_child(m, c);

            adaptive_child(m, c)->grant = (steward_grant_t) {
                .max_threads = overseer_grant(&share, &child), .ceiling = limits->ceiling,
                .serving = adaptive_max(sample->serving, 1)
            };
        }
    }
}

/* The child in this state that comes first; ending: only one that would end soon. */
static child_t *first(model_t *m, child_state_e state, bool ending,
                      bool (*before)(const overseer_child_t *a, const overseer_child_t *b))
{
    overseer_child_t best_seen = { 0 };
    child_t *best = NULL;
    int i;

    for (i = 0; i < m->slots; i++) {
        child_t *c = &m->children[i];

        if (c->state == state) {
            overseer_child_t seen = see_child(m, c);

            if ((!ending || seen.lasting == 0) && (!best || before(&seen, &best_seen))) {
                best = c;
                best_seen = seen;
            }
        }
    }
    return best;
}

static void carry_out(model_t *m, const ctl_child_plan_t *plan, const ctl_child_sample_t *sample,
                      const ctl_child_limits_t *limits)
{
    adaptive_memory_t *memory = m->memory;
    child_t *c;
    int i;

    memory->start_threads = overseer_start_threads(plan, sample, limits, ADAPTIVE_START_THREADS,
                                                   m->trace->threads_per_child);
    for (i = 0; i < plan->resurrect && (c = first(m, CHILD_PARKED, false, overseer_resumes_before));
         i++) {
        model_resurrect(m, c);
    }
    for (i = 0; i < plan->start && m->alive < slots_of(m); i++) {
        model_fork(m, memory->start_threads);
    }
    for (i = 0; i < plan->park && model_count(m, CHILD_SERVING) > 1; i++) {
        model_park(m, first(m, CHILD_SERVING, false, overseer_parks_before));
    }
    for (i = 0; i < plan->retire && (c = first(m, CHILD_PARKED, true, overseer_retires_before));
         i++) {
        model_stop_child(m, c);
    }
}

static void log_plan(const model_t *m, const ctl_child_sample_t *s, const ctl_child_plan_t *p)
{
    if (m->options->log) {
        printf("%.6f parent: serving %d+%d parked %d threads %d busy %d blocked %d waiting %d for "
               "%.1f ms exhausted %d: "
               "start %d resurrect %d park %d retire %d, target %d demand %.1f spare %.1f, %.0f/s "
               "of %.1f ms, %s\n",
               m->now_us / 1e6, s->serving, s->starting, s->parked, s->threads, s->busy, s->blocked,
               s->waiting, (double)s->waited_us / 1e3, s->exhausted, p->start, p->resurrect,
               p->park, p->retire, p->target, p->demand, p->spare, p->arrivals_per_s,
               p->service_us / 1e3, controller_reason_text(p->reason));
    }
}

void adaptive_parent(model_t *m)
{
    adaptive_memory_t *memory = m->memory;
    ctl_child_sample_t sample = take_sample(m);
    ctl_child_limits_t limits = limits_of(m);
    int64_t next_us;

    share_out(m, &limits, &sample);
    if (overseer_is_due(&memory->overseer, (int64_t)m->now_us)) {
        ctl_child_plan_t plan = overseer_decide(&memory->overseer, &sample, &limits);

        m->result->decisions++;
        log_plan(m, &sample, &plan);
        carry_out(m, &plan, &sample, &limits);
    }
    next_us = overseer_next_us(&memory->overseer);
    if (next_us != CTL_NEVER_US) {
        model_parent_at(m, fmax((double)next_us, m->now_us + 1));
    }
}
