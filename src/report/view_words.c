/* Pure: names of what is in a view, and figures that follow from it. */
#include "view.h"

#include <math.h>

const char *view_state_name(ext_slot_state_e state)
{
    static const char *const names[EXT_SLOT_STATES] = {
        [EXT_SLOT_FREE] = "free", [EXT_SLOT_STARTING] = "starting", [EXT_SLOT_SERVING] = "serving",
        [EXT_SLOT_PARKED] = "parked", [EXT_SLOT_DRAINING] = "draining"
    };

    return names[state];
}

const char *view_unit_name(ext_unit_e unit)
{
    static const char *const names[EXT_UNITS] = {
        [EXT_UNIT_THREADS] = "threads", [EXT_UNIT_CHILDREN] = "children",
        [EXT_UNIT_BYTES] = "bytes", [EXT_UNIT_TASKS] = "tasks",
        [EXT_UNIT_DESCRIPTORS] = "descriptors"
    };

    return names[unit];
}

const char *view_holder_kind(view_holder_kind_e kind)
{
    static const char *const names[VIEW_HOLDER_KINDS] = {
        [VIEW_BACKEND] = "backend", [VIEW_VHOST] = "virtual-host", [VIEW_URL] = "url"
    };

    return names[kind];
}

const char *view_counter_name(ext_counter_e counter)
{
    static const char *const names[EXT_COUNTERS] = {
        [EXT_CHILDREN_STARTED] = "children_started",
        [EXT_CHILDREN_ENDED] = "children_ended",
        [EXT_CHILDREN_CRASHED] = "children_crashed",
        [EXT_CHILDREN_DIED_YOUNG] = "children_died_young",
        [EXT_FORKS_REFUSED] = "forks_refused",
        [EXT_THREADS_STARTED] = "threads_started",
        [EXT_THREADS_REFUSED] = "threads_refused",
        [EXT_RESTARTS] = "restarts",
        [EXT_RESTARTS_REFUSED] = "restarts_refused"
    };

    return names[counter];
}

int64_t view_plan_age_us(const view_t *view)
{
    int64_t age_us = view->now_us - view->plan.sample.now_us;

    return view->has_plan && age_us > 0 ? age_us : 0;
}

int view_most_threads(const view_t *view)
{
    int now = view->has_plan ? view->plan.limits.max_threads : 0;
    int expected = view->has_limits ? view->limits.max_threads : 0;

    return now > expected ? now : expected;
}

double view_utilisation(const view_t *view)
{
    int most = view_most_threads(view);
    double demand = view->has_plan ? view->plan.plan.demand : 0.0;

    /* the parent sleeps while nothing changes: its plan may be older than what is busy now */
    demand = demand > view->busy ? demand : view->busy;
    return most > 0 ? demand / most : (double)NAN;
}
