/* The steward looks, workers only wake it. Owns the probe and what workers see of the watch. When
 * to look and what follows from it is law/steward.c's. */
#include "watch.h"

#include "bell.h"
#include "child.h"
#include "child_internal.h"
#include "listeners.h"

#include "base/wakeup.h"

#include <sys/param.h>

void watch_wanted(child_t *child)
{
    if (!atomic_load(&child->watch.on)) {
        bell_steward(child);
    }
}

void watch_probe_taken(child_t *child)
{
    atomic_store(&child->watch.probe_taken, true);
}

/* Siblings may have taken what the probe stood behind. Then it is alone in the queue, and nothing
 * waits; otherwise it is queued again, behind the same. */
static bool is_ready_beside_probe(child_t *child)
{
    wakeup_receive(child->probe_fd);
    if (!poller_has_ready(&child->poller)) {
        return false;
    }
    wakeup_send(child->probe_fd);
    return true;
}

static bool answer(child_t *child, steward_question_e question)
{
    if (question != STEWARD_ASK_NOTHING) {
        jobs_settle(&child->jobs);
    }
    switch (question) {
    case STEWARD_ASK_READY:
        return poller_has_ready(&child->poller);
    case STEWARD_ASK_ALONE:
        return is_ready_beside_probe(child);
    case STEWARD_ASK_NOTHING:
        break;
    }
    return true;
}

static bool somebody_idle(const child_t *child)
{
    /* sequentially consistent: the worker changes this word, then reads watch.on; the steward
     * has changed that, and now reads the word */
    return ext_idle_of(atomic_load(&child->ext->work)) > 0;
}

static steward_look_t look_inside(child_t *child, int64_t now_us)
{
    watch_t *w = &child->watch;
    steward_t *steward = &child->steer.steward;
    uint64_t events;
    steward_question_e question;
    steward_look_t look;
    bool ready;

    ON_STEWARD();
    if (!steward_watches(steward, somebody_idle(child))) {
        return (steward_look_t) { .soon = false };
    }
    atomic_store(&w->on, true);
    events = ext_events(child->ext);
    question = steward_question(steward, events, atomic_exchange(&w->probe_taken, false));
    ready = answer(child, question);
    /* who has become idle since is not yet a reason to be quiet */
    look = steward_look(steward, now_us, somebody_idle(child), events, ready);
    if (look.send_probe) {
        /* a worker may have taken the one before at the last moment */
        atomic_store(&w->probe_taken, false);
        wakeup_send(child->probe_fd);
    }
    if (!steward->watching) {
        atomic_store(&w->on, false);
        /* the last idle worker may have become busy, and found the watch still on */
        look.soon = !somebody_idle(child);
    }
    return look;
}

/* Somebody may be idle, for those who are connected, while new connections wait outside. */
steward_look_t watch_look(child_t *child, int64_t now_us)
{
    steward_look_t look = look_inside(child, now_us);
    int64_t outside_us = listeners_waited_outside_us(child, now_us);

    look.soon = look.soon || outside_us > 0;
    look.waited_us = MAX(look.waited_us, outside_us);
    return look;
}

void watch_expect(child_t *child)
{
    ON_STEWARD();
    atomic_store(&child->watch.many, child->steer.steward.many);
}

int watch_fd(const child_t *child, int64_t now_us, int64_t *until_us)
{
    ON_STEWARD();
    /* the event by which workers leave is ready itself */
    return atomic_load(&child->phase) != CHILD_STOPPING
           && steward_listens(&child->steer.steward, now_us, somebody_idle(child), until_us)
           ? poller_fd(&child->poller) : -1;
}

void watch_rang(child_t *child)
{
    ON_STEWARD();
    steward_rang(&child->steer.steward);
}
