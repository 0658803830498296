/* Pure; the parent, on each round. Owns the pace of its decisions and how threads are shared out.
 * How many children there should be is controller_children.c's. */
#include "overseer.h"

#include "controller_internal.h"

#include "base/sum.h"

void overseer_init(overseer_t *o, int64_t now_us)
{
    *o = (overseer_t) { .decided_us = now_us - OVERSEER_ROUND_US };
    controller_children_init(&o->control, now_us);
}

void overseer_wake(overseer_t *o)
{
    o->woken = true;
}

/* --- what the children tell ------------------------------------------------------- */

void overseer_add(overseer_t *o, overseer_sums_t *sums, const overseer_child_t *child)
{
    ctl_child_sample_t *sample = &sums->sample;

    o->arrivals += child->taken;
    sums->blocked_permille += child->blocked_permille;
    sample->busy = bounded_sum(sample->busy, child->busy);
    sample->threads = bounded_sum(sample->threads, child->threads);
    sample->waiting = bounded_sum(sample->waiting, ctl_max(child->waiting, 0));
    sample->waited_us = child->waited_us > sample->waited_us ? child->waited_us : sample->waited_us;
    sample->exhausted += child->exhausted;
    sample->out_of_descriptors += child->out_of_descriptors;
}

ctl_child_sample_t overseer_sample(overseer_t *o, const overseer_sums_t *sums)
{
    ctl_child_sample_t sample = sums->sample;
    int64_t blocked = (sums->blocked_permille + 500) / 1000;

    sample.blocked = blocked < sample.busy ? (int)blocked : sample.busy;
    o->completions = ctl_done(o->completions, o->arrivals, sample.busy);
    sample.arrivals = o->arrivals;
    sample.completions = o->completions;
    return sample;
}

/* --- what they may have ----------------------------------------------------------- */

overseer_share_t overseer_share(const ctl_child_limits_t *limits, const ctl_child_sample_t *sample,
                                int sharing, int start_threads)
{
    int64_t children = sharing > 0 ? sharing : 1;
    int64_t starting = (int64_t)sample->starting * start_threads;
    int64_t room = limits->max_threads - sample->threads - starting;

    room = room > 0 ? room : 0;
    return (overseer_share_t) {
        .plenty = (children + sample->starting) * limits->threads_per_child <= limits->max_threads,
        .each = (int)(room / children),
        .rest = (int)(room % children),
        .threads_per_child = limits->threads_per_child
    };
}

int overseer_grant(overseer_share_t *share, const overseer_child_t *child)
{
    int has = ctl_min(child->threads, share->threads_per_child);
    bool needy = child->idle == 0 && share->rest > 0;

    share->rest -= needy;
    return share->plenty ? share->threads_per_child
           : ctl_min(ctl_max(has + share->each + needy, 1), share->threads_per_child);
}

/* --- decisions -------------------------------------------------------------------- */

bool overseer_is_due(const overseer_t *o, int64_t now_us)
{
    return now_us >= o->decided_us + OVERSEER_ROUND_US
           && (o->woken || now_us >= o->plan.look_again_us);
}

int64_t overseer_next_us(const overseer_t *o)
{
    int64_t earliest_us = o->decided_us + OVERSEER_ROUND_US;

    return o->woken || o->plan.look_again_us < earliest_us ? earliest_us : o->plan.look_again_us;
}

/* The controller counts in whole children. The last one need not get all its threads, and
 * those that are always there may have to do with fewer. */
static ctl_child_limits_t in_whole_children(const ctl_child_limits_t *limits)
{
    ctl_child_limits_t whole = *limits;
    int per_child = limits->threads_per_child;
    int children = limits->max_threads / per_child + (limits->max_threads % per_child != 0);

    whole.max_threads = ctl_max(children, limits->min_children) * per_child;
    return whole;
}

ctl_child_plan_t overseer_decide(overseer_t *o, const ctl_child_sample_t *sample,
                                 const ctl_child_limits_t *limits)
{
    ctl_child_limits_t whole = in_whole_children(limits);

    o->woken = false;
    o->decided_us = sample->now_us;
    o->plan = controller_children(&o->control, sample, &whole);
    return o->plan;
}

int overseer_start_threads(const ctl_child_plan_t *plan, const ctl_child_sample_t *sample,
                           const ctl_child_limits_t *limits, int least, int most)
{
    int coming = ctl_max(plan->start + sample->starting, 1);
    int missing = (int)ctl_clamp(plan->demand, 0, SUM_LARGEST) - sample->threads;
    int room = ctl_max(limits->max_threads - sample->threads, 0);
    int each = plan->start > 0 ? ctl_min(missing, room) / coming : 0;

    return ctl_min(ctl_max(each, least), most);
}

bool overseer_parks_before(const overseer_child_t *a, const overseer_child_t *b)
{
    return a->lasting < b->lasting
           || (a->lasting == b->lasting && a->connections < b->connections);
}

bool overseer_retires_before(const overseer_child_t *a, const overseer_child_t *b)
{
    return a->connections < b->connections;
}

bool overseer_resumes_before(const overseer_child_t *a, const overseer_child_t *b)
{
    return a->connections > b->connections;
}
