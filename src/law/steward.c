/* Pure; a child's steward, on each round. Owns the watch, the pace of decisions and what the parent
 * is told. How many threads there should be is controller_threads.c's. */
#include "steward.h"

#include "controller_internal.h"

/* --- the watch -------------------------------------------------------------------- */

/* Looks with somebody idle after which it goes back to sleep. With fewer it falls asleep between
 * two requests of one client, and each worker has to wake it again. */
#define QUIET_ROUNDS 5
/* The poller wakes the stewards of all children that have no idle worker for a connection that one
 * child takes. Whoever was woken for nothing does not listen for a while, twice as long each time:
 * with 64 children the first of these is one wake-up per child and round, the last is noise. */
#define FIRST_DEAF_US   (2 * US_PER_MS)
#define LONGEST_DEAF_US (100 * US_PER_MS)
/* A worker has become idle since the last look: the next is due then, whatever that decided. */
#define IDLE_ROUND_US   (20 * US_PER_MS)

/* --- the pace --------------------------------------------------------------------- */

/* While nobody is idle the controller says how often to look, but at least every: */
#define LONGEST_ROUND_US (20 * US_PER_MS)
/* The parent is not woken for more children more often than: */
#define RING_PARENT_US   (10 * US_PER_MS)
/* While nothing is taken, nothing ends and nothing waits, pauses get twice as long, from
 * STEWARD_ROUND_US up to the first of these; while all threads are busy that may be, up to the
 * others. */
#define LONGEST_PAUSE_US (2 * US_PER_S)
#define WAITING_PAUSE_US (100 * US_PER_MS)
#define FULL_PAUSE_US    (20 * US_PER_MS)
/* Threads whose state is read at a look, and at one of a child in which nothing changes. After a
 * while in which nothing did it is known. */
#define COUNTED          16
#define COUNTED_AT_REST  4
#define COUNTED_UNTIL_US (200 * US_PER_MS)
/* Memory is given back when no more than this part of the threads is left: threads go by a third
 * a second. */
#define KEPT_PART        (2.0 / 3)
/* Busy workers that are no reason to look while a look is not planned anyway. */
#define FEW_BUSY         4

static int64_t later_us(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

void steward_init(steward_t *s, int64_t now_us)
{
    *s = (steward_t) { .many = FEW_BUSY, .told_parent_us = now_us - RING_PARENT_US };
    controller_threads_init(&s->control, now_us);
}

ctl_thread_limits_t steward_limits(const steward_settings_t *settings,
                                   const steward_grant_t *grant, int busy)
{
    ctl_thread_limits_t limits = {
        .min_threads = settings->start_threads,
        .max_threads = settings->thread_limit,
        .ceiling = CTL_THREADS_PER_CHILD,
        .cpus = settings->cpus / grant->serving,
        .wait_target_us = settings->wait_target_us,
        .hold_us = settings->hold_us
    };

    if (grant->max_threads > 0 && grant->max_threads < limits.max_threads) {
        limits.max_threads = grant->max_threads;
        limits.ceiling = grant->ceiling;
    }
    if (settings->min_spare_threads != CTL_NOT_SET) {
        /* this child's part of them, beside those that serve */
        limits.min_threads = ctl_max(limits.min_threads, busy
                                     + (settings->min_spare_threads + grant->serving - 1)
                                       / grant->serving);
    }
    limits.min_threads = ctl_min(limits.min_threads, limits.max_threads);
    return limits;
}

/* --- watching --------------------------------------------------------------------- */

bool steward_watches(steward_t *s, bool idle)
{
    if (!s->watching && !idle) {
        s->watching = true;
        s->quiet_rounds = 0;
    }
    return s->watching;
}

steward_question_e steward_question(steward_t *s, uint64_t events, bool probe_taken)
{
    if (probe_taken) {
        s->probe_sent_us = 0;
    }
    return s->probe_sent_us == 0 ? STEWARD_ASK_READY
           : events == s->looked_events ? STEWARD_ASK_ALONE : STEWARD_ASK_NOTHING;
}

static void false_alarm(steward_t *s, int64_t now_us)
{
    s->deaf_us = s->deaf_us == 0 ? FIRST_DEAF_US : ctl_sooner_us(2 * s->deaf_us, LONGEST_DEAF_US);
    s->deaf_until_us = now_us + s->deaf_us;
}

/* How long the oldest event has waited; 0: none does, or that is not known yet. */
static int64_t follow_probe(steward_t *s, int64_t now_us, bool stands, bool ready, bool *send)
{
    bool rang = s->rang;

    s->rang = false;
    *send = false;
    if (s->probe_sent_us && stands && !ready) {
        /* siblings have taken what it stood behind */
        s->probe_sent_us = 0;
        false_alarm(s, now_us);
        return 0;
    }
    if (s->probe_sent_us) {
        s->deaf_us = 0;
        return now_us - s->probe_sent_us;
    }
    if (ready) {
        s->probe_sent_us = now_us;
        *send = true;
    }
    else if (rang) {
        false_alarm(s, now_us);
    }
    return 0;
}

steward_look_t steward_look(steward_t *s, int64_t now_us, bool idle, uint64_t events, bool ready)
{
    steward_look_t look;
    bool stands = events == s->looked_events;

    s->looked_events = events;
    look.waited_us = follow_probe(s, now_us, stands, ready, &look.send_probe);
    s->quiet_rounds = idle && look.waited_us == 0 ? s->quiet_rounds + 1 : 0;
    s->watching = s->quiet_rounds < QUIET_ROUNDS;
    look.soon = s->watching;
    return look;
}

bool steward_listens(const steward_t *s, int64_t now_us, bool idle, int64_t *until_us)
{
    /* a probe is ready itself */
    if (!s->watching || s->probe_sent_us) {
        return false;
    }
    if (idle) {
        /* when nobody is any more no worker tells: they believe that the watch goes on */
        *until_us = ctl_sooner_us(*until_us, now_us + IDLE_ROUND_US);
        return false;
    }
    if (now_us < s->deaf_until_us) {
        *until_us = ctl_sooner_us(*until_us, s->deaf_until_us);
        return false;
    }
    return true;
}

void steward_rang(steward_t *s)
{
    s->rang = true;
}

/* --- deciding --------------------------------------------------------------------- */

/* Work waits, no thread can be started for it, and the parent knows. */
static bool is_told(const steward_t *s)
{
    return s->full && s->exhausted;
}

/* Nobody is idle, and it is all as the last decision saw it. */
static bool is_still(const steward_t *s, const steward_facts_t *f, const steward_look_t *look)
{
    return f->idle == 0 && f->arriving == 0 && s->seen.events == f->events
           && s->seen.busy == f->busy && s->seen.live == f->live && s->seen.granted == f->granted
           && s->seen.waits == (look->waited_us > 0) && (!s->probe_sent_us || is_told(s));
}

bool steward_is_due(steward_t *s, const steward_facts_t *f, const steward_look_t *look)
{
    bool woken = look->soon || f->busy >= s->many;

    s->still = is_still(s, f, look);
    return f->now_us >= s->look_us || (woken && !s->still);
}

int64_t steward_next_us(const steward_t *s)
{
    return s->look_us;
}

void steward_decide_soon(steward_t *s)
{
    s->look_us = 0;
}

void steward_count(steward_t *s, uint64_t taken, ctl_thread_sample_t *sample)
{
    s->arrivals += taken;
    s->completions = ctl_done(s->completions, s->arrivals, sample->busy);
    sample->arrivals = s->arrivals;
    sample->completions = s->completions;
}

int steward_threads_to_count(const steward_t *s, const ctl_thread_sample_t *sample,
                             const ctl_thread_limits_t *limits)
{
    if (s->pause_us > COUNTED_UNTIL_US
        || !controller_threads_wants_count(&s->control, sample, limits)) {
        return 0;
    }
    return s->pause_us > 0 ? COUNTED_AT_REST : COUNTED;
}

/* At edges: once told, the parent looks by itself as long as anything goes on. */
static bool rings_parent(steward_t *s, bool wants_siblings, bool exhausted, int busy,
                         int64_t now_us)
{
    bool news = s->exhausted != exhausted;

    s->exhausted = exhausted;
    if (!wants_siblings) {
        s->told_busy = 0;
    }
    if (!news && !(wants_siblings && busy > s->told_busy
                   && now_us - s->told_parent_us >= RING_PARENT_US)) {
        return false;
    }
    s->told_parent_us = now_us;
    s->told_busy = wants_siblings ? ctl_max(busy, s->told_busy) : 0;
    return true;
}

steward_orders_t steward_decide(steward_t *s, const ctl_thread_sample_t *sample,
                                const ctl_thread_limits_t *limits, const steward_facts_t *f)
{
    steward_orders_t o = { .plan = controller_threads(&s->control, sample, limits) };
    bool refused = f->now_us < f->retry_us;
    /* it has all threads that it may have, or that the system lets it have */
    bool full = f->shut || sample->busy >= limits->max_threads
                || (refused && sample->busy >= sample->threads);

    o.admit = ctl_max(o.plan.admit, 1);
    /* A child that drains lets idle threads go at once: it starts none ahead of demand, or the two
     * would undo each other's work. */
    if (o.plan.start > 0 && (f->serving || f->idle == 0) && !refused) {
        o.start = o.plan.start;
    }
    else if (f->serving) {
        o.retire = o.plan.retire;
    }
    o.exhausted = full && sample->waited_us >= limits->wait_target_us;
    o.ring_parent = rings_parent(s, o.plan.wants_child, o.exhausted, sample->busy, sample->now_us);
    s->full = full && o.plan.start == 0;
    return o;
}

/* How long the next decision can wait, 0: as long as the controller says. If something is to be
 * done earlier the poller, a worker or the parent wakes the steward. */
static int64_t still_pause_us(steward_t *s, int64_t waited_us)
{
    s->pause_us = !s->still ? 0
                  : ctl_sooner_us(later_us(2 * s->pause_us, 2 * STEWARD_ROUND_US),
                                  waited_us == 0 ? LONGEST_PAUSE_US : WAITING_PAUSE_US);
    return is_told(s) ? later_us(s->pause_us, FULL_PAUSE_US) : s->pause_us;
}

static void note_seen(steward_t *s, const steward_facts_t *f, const steward_look_t *look)
{
    s->seen.events = f->events;
    s->seen.busy = f->busy;
    s->seen.live = f->live;
    s->seen.granted = f->granted;
    s->seen.waits = look->waited_us > 0;
    s->most = ctl_max(s->most, f->live);
}

int64_t steward_settle(steward_t *s, const steward_facts_t *f, const steward_look_t *look,
                       const ctl_thread_plan_t *plan)
{
    int64_t pause_us = still_pause_us(s, look->waited_us);
    int64_t next_us;

    note_seen(s, f, look);
    s->look_us = pause_us ? f->now_us + pause_us : plan->look_again_us;
    s->target = plan->target;
    s->shrunk = s->shrunk || plan->retire > 0;
    /* what would be a surprise until then */
    s->many = ctl_max(FEW_BUSY, f->busy * 5 / 4 + 1);
    next_us = s->look_us;
    if (look->soon && !pause_us) {
        next_us = ctl_sooner_us(next_us, f->now_us + LONGEST_ROUND_US);
    }
    if (plan->start > 0 && f->retry_us > f->now_us) {
        next_us = later_us(next_us, f->retry_us);
    }
    return later_us(next_us, f->now_us + STEWARD_ROUND_US);
}

bool steward_gives_memory_back(steward_t *s, int live)
{
    bool fewer = live <= s->most * KEPT_PART;
    bool rests = s->shrunk && s->look_us == CTL_NEVER_US;

    if (s->watching || s->still || live > s->target || !(fewer || rests)) {
        return false;
    }
    s->shrunk = false;
    s->most = live;
    return true;
}
