/* Requests that are told that there is too much. */
#include "excess.h"

#include <math.h>

#define MAX_WAIT_US     10e6    /* AdaptiveMaxWait */
/* Where a queue stands nobody waits longer than this part of it. */
#define STANDING_PART   10
/* As in src/board/classes.c: an interval is no shorter, and begins anew after such a pause. */
#define MARK_US         200e3
#define ANEW_US         1e6
#define LEARNED_PART    8
#define S_US            1e6

/* --- shares ----------------------------------------------------------------------- */

static void set_mark(holding_t *h, double now_us)
{
    double elapsed_us = now_us - h->mark_us[1];
    bool anew = h->mark_us[1] <= 0 || (h->held == 0 && elapsed_us >= ANEW_US);

    if (!anew && (elapsed_us < MARK_US || h->done == h->mark_done[1])) {
        return;
    }
    h->mark_us[0] = anew ? now_us : h->mark_us[1];
    h->mark_done[0] = anew ? h->done : h->mark_done[1];
    h->mark_us[1] = now_us;
    h->mark_done[1] = h->done;
}

void excess_begin(model_t *m, child_t *c, const request_t *r)
{
    holding_t *h = &c->holdings[r->class];

    set_mark(h, m->now_us);
    h->held++;
}

void excess_end(model_t *m, child_t *c, const request_t *r)
{
    holding_t *h = &c->holdings[r->class];
    double held_us = m->now_us - r->begun_us;

    h->held--;
    h->done++;
    h->usual_us = h->usual_us > 0 ? h->usual_us + (held_us - h->usual_us) / LEARNED_PART : held_us;
}

static share_pace_t pace_of(const model_t *m, int class)
{
    share_pace_t pace = { 0 };
    int i, k;

    for (i = 0; i < m->slots; i++) {
        const holding_t *h = &m->children[i].holdings[class];
        share_seen_t seen = { .held = h->held, .usual_us = (int64_t)h->usual_us };

        if (m->children[i].state == CHILD_NONE || h->mark_us[1] <= 0) {
            continue;
        }
        for (k = 0; k < SHARE_INTERVALS; k++) {
            seen.elapsed_us[k] = (int64_t)(m->now_us - h->mark_us[k]);
            seen.done[k] = h->done - h->mark_done[k];
        }
        share_pace_add(&pace, &seen);
    }
    return pace;
}

static bool has_others(const model_t *m, int class)
{
    int i;

    for (i = 0; i < CLASSES; i++) {
        if (i != class && m->now_us - m->seen_us[i] <= SHARE_LATELY_S * S_US) {
            return true;
        }
    }
    return false;
}

/* The request that asks counts. */
bool excess_is_refused(const model_t *m, const child_t *c, const request_t *r)
{
    share_room_t own = { .ceiling = m->trace->threads_per_child, .busy = c->busy + 1,
                         .held = c->holdings[r->class].held + 1 };
    share_room_t all = { .ceiling = m->trace->max_threads, .busy = m->busy + 1 };
    share_pace_t pace;

    if (!m->shares || !share_is_near(&all)) {
        return false;
    }
    pace = pace_of(m, r->class);
    all.held = (int)pace.held + 1;
    return share_is_over(&all, &own) && share_is_slow(&pace) && has_others(m, r->class);
}

/* --- waiting too long --------------------------------------------------------------- */

static double most_wait_us(const child_t *c)
{
    return c->stands ? MAX_WAIT_US / STANDING_PART : MAX_WAIT_US;
}

void excess_put_off(model_t *m, const child_t *c)
{
    if (m->tells) {
        model_tell_at(m, c, m->now_us + most_wait_us(c));
    }
}

bool excess_is_late(const model_t *m, const child_t *c)
{
    return c->put_off.length > 0
           && m->now_us - m->requests[c->put_off.first].arrived_us >= most_wait_us(c);
}
