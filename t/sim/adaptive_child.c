/* A child's steward in the model: measures for law/steward.c and carries out what it says. */
#include "adaptive.h"

#include <math.h>
#include <stdio.h>

adaptive_child_t *adaptive_child(model_t *m, const child_t *c)
{
    adaptive_memory_t *memory = m->memory;
    adaptive_child_t *a = &memory->children[model_index(m, c)];

    if (a->incarnation != c->incarnation) {
        *a = (adaptive_child_t){ .incarnation = c->incarnation,
                                 .counted_taken = c->taken,
                                 .summed_taken = c->taken,
                                 .grant = { .serving = adaptive_max(model_count(m, CHILD_SERVING),
                                                                    1) },
                                 .blocked_part = 1 };
        steward_init(&a->steward, (int64_t)m->now_us);
        a->steward.control.without = m->policy->terms_off;
    }
    return a;
}

/* --- what it sees ----------------------------------------------------------------- */

static bool has_ready(const model_t *m, const child_t *c)
{
    return c->queue.length > 0 || (c->state == CHILD_SERVING && m->backlog.length > 0);
}

/* The probe stands behind what was ready when it was sent. The backlog counts as one: when
 * a connection is accepted the listening socket lines up again, behind the probe. */
static void send_probe(const model_t *m, const child_t *c, adaptive_child_t *a)
{
    a->probe_us = m->now_us;
    a->probe_behind = c->taken + (uint64_t)c->queue.length
                      + (c->state == CHILD_SERVING && m->backlog.length > 0);
}

static bool probe_is_taken(const child_t *c, adaptive_child_t *a)
{
    bool taken = a->probe_us > 0 && (model_idle(c) > 0 || c->nobody_idle_us > a->probe_us
                                     || c->taken > a->probe_behind);

    if (taken) {
        a->probe_us = 0;
    }
    return taken;
}

static bool answer(const model_t *m, const child_t *c, adaptive_child_t *a,
                   steward_question_e question)
{
    bool ready = question == STEWARD_ASK_NOTHING || has_ready(m, c);

    if (question == STEWARD_ASK_ALONE) {
        if (ready) {
            send_probe(m, c, a);
        }
        else {
            a->probe_us = 0;
        }
    }
    return ready;
}

static steward_look_t watch(model_t *m, child_t *c, adaptive_child_t *a)
{
    bool idle = model_idle(c) > 0;
    steward_question_e question;
    steward_look_t look;

    if (!steward_watches(&a->steward, idle)) {
        return (steward_look_t) { .soon = false };
    }
    question = steward_question(&a->steward, c->taken, probe_is_taken(c, a));
    look = steward_look(&a->steward, (int64_t)m->now_us, idle, c->taken, answer(m, c, a, question));
    if (look.send_probe) {
        send_probe(m, c, a);
    }
    return look;
}

static steward_facts_t see(const model_t *m, const child_t *c, const adaptive_child_t *a)
{
    return (steward_facts_t){ .now_us = (int64_t)m->now_us,
                              .events = c->taken,
                              .idle = model_idle(c),
                              .busy = c->busy,
                              .live = c->threads + c->starting,
                              .arriving = c->starting,
                              .granted = a->grant.max_threads,
                              .serving = true };
}

/* Of a few threads one sees whether they compute, and takes them for all. */
static int estimated_runnable(model_t *m, const child_t *c, int counted)
{
    int light = c->busy - c->lowered;
    int i, hits = 0;

    if (light <= counted) {
        return c->runnable;
    }
    for (i = 0; i < counted; i++) {
        hits += dice_uniform(&m->server_dice) * light < c->runnable;
    }
    return (int)lround((double)hits * light / counted);
}

static ctl_thread_limits_t limits_of(const model_t *m, const child_t *c, const adaptive_child_t *a)
{
    steward_settings_t settings = { .start_threads = ADAPTIVE_START_THREADS,
                                    .thread_limit = m->trace->threads_per_child,
                                    .min_spare_threads = CTL_NOT_SET,
                                    .cpus = m->trace->cpus,
                                    .wait_target_us = ADAPTIVE_WAIT_TARGET_US,
                                    .hold_us = (int64_t)m->options->hold_us };

    return steward_limits(&settings, &a->grant, c->busy);
}

static int idle_processors(const model_t *m)
{
    double idle = m->trace->cpus - (double)m->processors.jobs.count - (double)m->behind.jobs.count;

    return idle > 0 ? (int)ceil(idle) : 0;
}

static ctl_thread_sample_t take_sample(model_t *m, const child_t *c, adaptive_child_t *a,
                                       int64_t waited_us, const ctl_thread_limits_t *limits)
{
    ctl_thread_sample_t sample = { .now_us = (int64_t)m->now_us,
                                   .threads = c->threads,
                                   .admitted = c->lowered
                                               + adaptive_min(c->admit,
                                                              c->threads - c->lowered),
                                   .busy = c->busy,
                                   .lowered = c->lowered,
                                   .starting = c->starting,
                                   .waited_us = waited_us,
                                   .runnable = CTL_UNKNOWN,
                                   .idle_processors = CTL_UNKNOWN,
                                   .thread_start_us = (int64_t)model_recent_p95(
                                       &m->thread_starts) };
    int counted;

    if (waited_us >= ADAPTIVE_WAIT_TARGET_US) {
        sample.waiting = m->policy->knows_waiting ? m->backlog.length / a->grant.serving + 1
                                                  : CTL_UNKNOWN;
    }
    steward_count(&a->steward, c->taken - a->counted_taken, &sample);
    a->counted_taken = c->taken;
    counted = steward_threads_to_count(&a->steward, &sample, limits);
    if (counted > 0) {
        sample.runnable = estimated_runnable(m, c, counted);
        sample.idle_processors = idle_processors(m);
    }
    return sample;
}

/* --- what it does ----------------------------------------------------------------- */

static void log_plan(const model_t *m, const child_t *c, const ctl_thread_sample_t *s,
                     const ctl_thread_plan_t *p)
{
    if (m->options->log && (p->start || p->retire || p->wants_child || p->admit < s->admitted)) {
        printf(
            "%.6f child %d: threads %d+%d admitted %d busy %d runnable %d waiting %d for %.1f ms: "
            "start %d retire %d admit %d%s, demand %.1f spare %.1f blocked %.2f, %s, again in %.1f "
            "ms\n",
            m->now_us / 1e6, model_index(m, c), s->threads, s->starting, s->admitted, s->busy,
            s->runnable, s->waiting, (double)s->waited_us / 1e3, p->start, p->retire, p->admit,
            p->wants_child ? " wants child" : "", p->demand, p->spare, p->blocked_part,
            controller_reason_text(p->reason), ((double)p->look_again_us - m->now_us) / 1e3);
    }
}

static void carry_out(model_t *m, child_t *c, const steward_orders_t *orders)
{
    int room = m->trace->threads_per_child - c->threads - c->starting;

    if (orders->start > 0) {
        model_start_threads(m, c, adaptive_min(orders->start, room));
    }
    else if (orders->retire > 0) {
        model_retire_threads(m, c, orders->retire);
    }
    model_admit(m, c, adaptive_max(orders->admit - c->lowered, 1));
    if (orders->ring_parent) {
        adaptive_wake_parent(m);
    }
}

static ctl_thread_plan_t decide(model_t *m, child_t *c, adaptive_child_t *a, int64_t waited_us)
{
    steward_facts_t facts = see(m, c, a);
    ctl_thread_limits_t limits = limits_of(m, c, a);
    ctl_thread_sample_t sample = take_sample(m, c, a, waited_us, &limits);
    steward_orders_t orders = steward_decide(&a->steward, &sample, &limits, &facts);

    m->result->decisions++;
    log_plan(m, c, &sample, &orders.plan);
    a->waiting = sample.waiting;
    a->waited_us = (double)waited_us;
    a->blocked_part = orders.plan.blocked_part;
    a->exhausted = orders.exhausted;
    carry_out(m, c, &orders);
    return orders.plan;
}

/* Until something wakes it. */
static void sleep_until(model_t *m, child_t *c, adaptive_child_t *a, int64_t next_us)
{
    a->listening = steward_listens(&a->steward, (int64_t)m->now_us, model_idle(c) > 0, &next_us);
    if (next_us != CTL_NEVER_US) {
        model_look_at(m, c, fmax((double)next_us, m->now_us) + model_stall_us(m));
    }
}

void adaptive_look(model_t *m, child_t *c)
{
    adaptive_child_t *a = adaptive_child(m, c);
    steward_look_t look = watch(m, c, a);
    steward_facts_t facts = see(m, c, a);
    ctl_thread_plan_t plan;

    if (!steward_is_due(&a->steward, &facts, &look)) {
        sleep_until(m, c, a, steward_next_us(&a->steward));
        return;
    }
    plan = decide(m, c, a, look.waited_us);
    facts = see(m, c, a);
    sleep_until(m, c, a, steward_settle(&a->steward, &facts, &look, &plan));
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
    if (!adaptive_child(m, c)->steward.watching && c->busy > 0) {
        wake(m, c);
    }
}

void adaptive_busier(model_t *m, child_t *c)
{
    const steward_t *s = &adaptive_child(m, c)->steward;

    if (!s->watching && c->busy >= s->many) {
        wake(m, c);
    }
}

/* Something is ready that no worker takes. */
void adaptive_ready(model_t *m, child_t *c)
{
    adaptive_child_t *a = adaptive_child(m, c);

    if (a->listening && model_idle(c) == 0) {
        a->listening = false;
        steward_rang(&a->steward);
        wake(m, c);
    }
}
