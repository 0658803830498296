/* The shared memory: layout, and the reads and writes of it that are more than one atomic.
 * Parent and children map it; it owns no thread and no lock: records are written by one process
 * and read with a sequence number (EXT_RECORD). */
#include "scoreboard_ext.h"

#include "base/clock.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

/* The largest record, and how often a reader tries one that is being rewritten. */
#define MOST_WORDS     128
#define READ_ATTEMPTS  100
/* No count in here is larger: what is, a child made up. */
#define LARGEST_COUNT  (1 << 24)
#define LARGEST_NUMBER 1e15
/* A message that was logged so far in the future was not. */
#define NONSENSE_US    (86400 * CLOCK_US_PER_S)

_Static_assert(sizeof(ext_limits_t) % 8 == 0 && sizeof(ext_limits_t) / 8 < MOST_WORDS, "limits");
_Static_assert(sizeof(ext_ceilings_t) % 8 == 0 && sizeof(ext_ceilings_t) / 8 < MOST_WORDS,
               "ceilings");
_Static_assert(sizeof(ext_plan_t) % 8 == 0 && sizeof(ext_plan_t) / 8 < MOST_WORDS, "plan");
_Static_assert(sizeof(ext_decision_t) % 8 == 0, "decision");
_Static_assert(sizeof(ext_second_t) == 56, "a second is a cache line with its sum");
_Static_assert(sizeof(ext_class_name_t) % 8 == 0, "class");
_Static_assert(sizeof(ext_slot_t) % 8 == 0, "slot");
_Static_assert((EXT_DECISIONS & (EXT_DECISIONS - 1)) == 0, "a power of two");

/* --- records ------------------------------------------------------------------------ */

/* Not against forgery (a child could write the right sum): against mixtures of two writes.
 * Each step is a bijection of the state, so that any change of one word changes the sum. */
static uint64_t checksum(const uint64_t *words, size_t count)
{
    uint64_t sum = UINT64_C(0x9e3779b97f4a7c15) + count;
    size_t i;

    for (i = 0; i < count; i++) {
        sum = (sum ^ words[i]) * UINT64_C(0xd6e8feb86659fd93);
        sum ^= sum >> 32;
    }
    return sum;
}

/* size: of the data, without the sum. No order is needed between the words: the sum vouches
 * for them all. */
static void record_write(_Atomic uint64_t *words, const void *data, size_t size)
{
    uint64_t copy[MOST_WORDS];
    size_t count = size / 8, i;

    memcpy(copy, data, size);
    for (i = 0; i < count; i++) {
        atomic_store_explicit(&words[i], copy[i], memory_order_relaxed);
    }
    atomic_store_explicit(&words[count], checksum(copy, count), memory_order_relaxed);
}

/* False: empty, torn, or unfinished; data is as it was then. */
static bool record_read(const _Atomic uint64_t *words, void *data, size_t size)
{
    uint64_t copy[MOST_WORDS];
    size_t count = size / 8, i;

    for (i = 0; i < count; i++) {
        copy[i] = atomic_load_explicit(&words[i], memory_order_relaxed);
    }
    if (atomic_load_explicit(&words[count], memory_order_relaxed) != checksum(copy, count)) {
        return false;
    }
    memcpy(data, copy, size);
    return true;
}

/* For what is rewritten in place: a look at the wrong moment is repeated. */
static bool record_read_again(const _Atomic uint64_t *words, void *data, size_t size)
{
    int i;

    for (i = 0; i < READ_ATTEMPTS; i++) {
        if (record_read(words, data, size)) {
            return true;
        }
        if (atomic_load_explicit(&words[size / 8], memory_order_relaxed) == 0) {
            return false;
        }
    }
    return false;
}

#define WRITE(record, data) record_write((record)->words, (data), sizeof(*(data)))
#define READ(record, data)  record_read((record)->words, (data), sizeof(*(data)))
#define READ_AGAIN(record, data) record_read_again((record)->words, (data), sizeof(*(data)))

/* --- what a reader may rely on ------------------------------------------------------ */

static void tame(int32_t *count)
{
    if (*count < CTL_UNKNOWN || *count > LARGEST_COUNT) {
        *count = 0;
    }
}

static void tame_int(int *count)
{
    if (*count < CTL_UNKNOWN || *count > LARGEST_COUNT) {
        *count = 0;
    }
}

static void tame_enum(int32_t *value, int32_t count)
{
    if (*value < 0 || *value >= count) {
        *value = 0;
    }
}

static void tame_time(int64_t *us)
{
    if (*us < 0) {
        *us = 0;
    }
}

static double tamed(double number)
{
    return number >= 0 && number < LARGEST_NUMBER ? number : 0;
}

static void tame_limits(ext_limits_t *limits)
{
    limits->text[sizeof(limits->text) - 1] = '\0';
    tame(&limits->max_threads);
    tame(&limits->max_children);
    tame(&limits->threads_per_child);
    tame_enum(&limits->ceiling, CTL_CEILINGS);
    limits->cpus = tamed(limits->cpus);
}

static void tame_sample(ctl_child_sample_t *sample)
{
    tame_int(&sample->serving);
    tame_int(&sample->starting);
    tame_int(&sample->parked);
    tame_int(&sample->threads);
    tame_int(&sample->busy);
    tame_int(&sample->blocked);
    tame_int(&sample->waiting);
    tame_int(&sample->exhausted);
    tame_time(&sample->waited_us);
    tame_time(&sample->child_start_us);
}

static void tame_child_limits(ctl_child_limits_t *limits)
{
    tame_int(&limits->threads_per_child);
    tame_int(&limits->min_children);
    tame_int(&limits->max_children);
    tame_int(&limits->max_threads);
    tame_int(&limits->min_spare_threads);
    tame_int(&limits->max_spare_threads);
    if ((int)limits->ceiling < 0 || limits->ceiling >= CTL_CEILINGS) {
        limits->ceiling = CTL_NO_CEILING;
    }
    limits->cpus = tamed(limits->cpus);
    tame_time(&limits->wait_target_us);
    tame_time(&limits->hold_us);
}

static void tame_child_plan(ctl_child_plan_t *plan)
{
    tame_int(&plan->target);
    tame_int(&plan->resurrect);
    tame_int(&plan->start);
    tame_int(&plan->park);
    tame_int(&plan->retire);
    if ((int)plan->reason < 0 || plan->reason >= CTL_REASONS) {
        plan->reason = CTL_STEADY;
    }
    if ((int)plan->ceiling < 0 || plan->ceiling >= CTL_CEILINGS) {
        plan->ceiling = CTL_NO_CEILING;
    }
    plan->demand = tamed(plan->demand);
    plan->spare = tamed(plan->spare);
    plan->arrivals_per_s = tamed(plan->arrivals_per_s);
    plan->service_us = tamed(plan->service_us);
}

static void tame_plan(ext_plan_t *plan)
{
    tame_time(&plan->wall_us);
    tame_enum(&plan->mode, EXT_MODES);
    tame(&plan->draining);
    tame_time(&plan->waited_most_us);
    tame(&plan->busy_most);
    tame_sample(&plan->sample);
    tame_child_limits(&plan->limits);
    tame_child_plan(&plan->plan);
}

static void tame_decision(ext_decision_t *decision)
{
    tame_time(&decision->wall_us);
    tame_time(&decision->now_us);
    tame_time(&decision->waited_us);
    tame_enum(&decision->kind, EXT_KINDS);
    tame(&decision->slot);
    tame_enum(&decision->mode, EXT_MODES);
    tame_enum(&decision->reason, CTL_REASONS);
    tame_enum(&decision->ceiling, CTL_CEILINGS);
    tame(&decision->children_before);
    tame(&decision->children_after);
    tame(&decision->threads_before);
    tame(&decision->threads_after);
    tame(&decision->busy);
    decision->demand = tamed(decision->demand);
    decision->spare = tamed(decision->spare);
    decision->arrivals_per_s = tamed(decision->arrivals_per_s);
    decision->service_us = tamed(decision->service_us);
}

static void tame_ceilings(ext_ceilings_t *ceilings)
{
    int i;

    ceilings->count = ceilings->count < 0 || ceilings->count > CTL_CEILINGS ? 0 : ceilings->count;
    for (i = 0; i < ceilings->count; i++) {
        ext_ceiling_t *row = &ceilings->row[i];

        tame_enum(&row->ceiling, CTL_CEILINGS);
        tame_enum(&row->unit, EXT_UNITS);
        tame_time(&row->most);
        tame_time(&row->used);
        row->threads = tamed(row->threads);
        row->source[sizeof(row->source) - 1] = '\0';
    }
}

static void tame_second(ext_second_t *second)
{
    tame(&second->threads);
    tame(&second->serving);
    tame(&second->parked);
    tame(&second->starting);
    tame(&second->draining);
    tame(&second->target);
    tame(&second->busy);
    tame(&second->max_threads);
    if (second->waited_us < 0) {
        second->waited_us = 0;
    }
    second->demand = (float)tamed(second->demand);
    second->spare = (float)tamed(second->spare);
}

/* --- the memory --------------------------------------------------------------------- */

size_t scoreboard_ext_size(int slot_count)
{
    return sizeof(scoreboard_ext_t)
           + (size_t)slot_count * sizeof(ext_child_t);
}

int scoreboard_ext_create(scoreboard_ext_t **ext, int slot_count)
{
    scoreboard_ext_t *created;

    /* mmap(2) and not apr_shm: it needs no file name, and must outlive every pool that a
     * restart clears */
    created = mmap(NULL, scoreboard_ext_size(slot_count), PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (created == MAP_FAILED) {
        return errno;
    }
    created->slot_count = slot_count;
    *ext = created;
    return 0;
}

void scoreboard_ext_destroy(scoreboard_ext_t *ext)
{
    munmap(ext, scoreboard_ext_size(ext->slot_count));
}

void scoreboard_ext_reset(scoreboard_ext_t *ext, int slot)
{
    ext_child_t *child = &ext->children[slot];

    atomic_fetch_add(&ext->counters[EXT_REQUESTS_OF_THE_GONE], atomic_load(&child->requests));
    /* nobody else looks: the slot is free */
    memset(child, 0, sizeof(*child));
}

bool scoreboard_ext_may_log(scoreboard_ext_t *ext, log_kind_e kind, int64_t now_us)
{
    int64_t last_us = atomic_load(&ext->logged_us[kind]);
    int64_t pause_us = kind >= LOG_SHED ? 60 * CLOCK_US_PER_S : CLOCK_US_PER_S;

    /* of several that come at the same time one wins the exchange */
    return (last_us == 0 || last_us <= now_us - pause_us
            || last_us > now_us + NONSENSE_US)
           && atomic_compare_exchange_strong(&ext->logged_us[kind], &last_us, now_us);
}

/* --- limits, plan, slots ------------------------------------------------------------ */

/* For people: what the clock on the wall says. Nothing is computed with it. */
static int64_t wall_now_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * CLOCK_US_PER_S + ts.tv_nsec / 1000;
}

void scoreboard_ext_write_ceilings(scoreboard_ext_t *ext, const ext_ceilings_t *ceilings)
{
    WRITE(&ext->ceilings, ceilings);
}

void scoreboard_ext_write_limits(scoreboard_ext_t *ext, const ext_limits_t *limits)
{
    WRITE(&ext->limits, limits);
}

bool scoreboard_ext_read_limits(const scoreboard_ext_t *ext, ext_limits_t *limits)
{
    if (!READ_AGAIN(&ext->limits, limits)) {
        return false;
    }
    tame_limits(limits);
    return true;
}

void scoreboard_ext_write_plan(scoreboard_ext_t *ext, const ext_plan_t *plan)
{
    ext_plan_t stamped = *plan;

    stamped.wall_us = wall_now_us();
    WRITE(&ext->plan, &stamped);
}

bool scoreboard_ext_read_ceilings(const scoreboard_ext_t *ext, ext_ceilings_t *ceilings)
{
    if (!READ_AGAIN(&ext->ceilings, ceilings)) {
        return false;
    }
    tame_ceilings(ceilings);
    return true;
}

bool scoreboard_ext_read_plan(const scoreboard_ext_t *ext, ext_plan_t *plan)
{
    if (!READ_AGAIN(&ext->plan, plan)) {
        return false;
    }
    tame_plan(plan);
    return true;
}

void scoreboard_ext_note_slot(scoreboard_ext_t *ext, int slot, ext_slot_state_e state, int pid,
                              int generation, int64_t now_us)
{
    ext_slot_t before = { .state = EXT_SLOT_FREE };
    ext_slot_t after = {
        .since_us = now_us, .state = (int32_t)state, .pid = pid, .generation = generation
    };

    if (slot < 0 || slot >= ext->slot_count) {
        return;
    }
    if (READ(&ext->children[slot].slot, &before) && before.state == after.state
        && before.pid == after.pid && before.generation == after.generation) {
        return;
    }
    if (before.state == EXT_SLOT_FREE && state == EXT_SLOT_FREE) {
        return;
    }
    WRITE(&ext->children[slot].slot, &after);
}

bool scoreboard_ext_read_slot(const scoreboard_ext_t *ext, int slot, ext_slot_t *state)
{
    if (slot < 0 || slot >= ext->slot_count || !READ_AGAIN(&ext->children[slot].slot, state)) {
        return false;
    }
    tame_time(&state->since_us);
    tame_enum(&state->state, EXT_SLOT_STATES);
    return true;
}

void scoreboard_ext_name_class(ext_class_t *class, const ext_class_name_t *name)
{
    WRITE(&class->name, name);
}

bool scoreboard_ext_read_class_name(const ext_class_t *class, ext_class_name_t *name)
{
    if (!READ_AGAIN(&class->name, name)) {
        return false;
    }
    name->text[sizeof(name->text) - 1] = '\0';
    return true;
}

/* --- decisions ---------------------------------------------------------------------- */

void scoreboard_ext_note_decision(scoreboard_ext_t *ext, const ext_decision_t *decision)
{
    ext_decision_t numbered = *decision;
    uint64_t place;

    tame_enum(&numbered.kind, EXT_KINDS);
    place = atomic_fetch_add_explicit(&ext->noted[numbered.kind], 1, memory_order_relaxed);
    numbered.number = 1 + atomic_fetch_add_explicit(&ext->decisions_noted, 1,
                                                    memory_order_relaxed);
    numbered.wall_us = wall_now_us();
    WRITE(&ext->decisions[numbered.kind][place % EXT_DECISIONS], &numbered);
}

int scoreboard_ext_read_decisions(const scoreboard_ext_t *ext,
                                  ext_decision_t decisions[EXT_MOST_DECISIONS])
{
    int i, j, count = 0;

    for (i = 0; i < EXT_MOST_DECISIONS; i++) {
        ext_decision_t found;

        if (!READ(&ext->decisions[i / EXT_DECISIONS][i % EXT_DECISIONS], &found)) {
            continue;
        }
        tame_decision(&found);
        for (j = count++; j > 0 && decisions[j - 1].number < found.number; j--) {
            decisions[j] = decisions[j - 1];
        }
        decisions[j] = found;
    }
    return count;
}

/* --- history ------------------------------------------------------------------------ */

static void write_one_second(scoreboard_ext_t *ext, ext_second_t *entry, int64_t second,
                             uint64_t arrivals)
{
    entry->second = second;
    entry->arrivals = arrivals < UINT32_MAX ? (uint32_t)arrivals : UINT32_MAX;
    WRITE(&ext->seconds[second % EXT_SECONDS], entry);
}

static bool read_one_second(const scoreboard_ext_t *ext, int64_t second, ext_second_t *entry)
{
    if (!READ(&ext->seconds[second % EXT_SECONDS], entry) || entry->second != second) {
        return false;
    }
    tame_second(entry);
    return true;
}

/* The seconds between two entries: the levels of the last one, and each its share of what
 * arrived; nobody waited, or the parent would have been woken. */
static void fill_gap(scoreboard_ext_t *ext, const ext_second_t *last, int64_t second,
                     uint64_t share)
{
    int64_t from = second - last->second >= EXT_SECONDS ? second - EXT_SECONDS + 1
                                                        : last->second + 1;
    ext_second_t entry = *last;

    entry.waited_us = 0;
    for (; from < second; from++) {
        write_one_second(ext, &entry, from, share);
    }
}

void scoreboard_ext_write_second(scoreboard_ext_t *ext, ext_history_t *history,
                                 const ext_second_t *now, uint64_t arrivals, int64_t now_us)
{
    int64_t second = now_us / CLOCK_US_PER_S;
    const ext_second_t *before = &history->last;
    int64_t last = before->second;
    uint64_t arrived = arrivals - history->arrivals;
    ext_second_t entry = *now;

    if (second < 0) {
        return;
    }
    /* the first one, or a counter that began anew */
    if (last <= 0 || arrived > UINT64_MAX / 2) {
        arrived = 0;
    }
    if (last == second) {
        entry.busy = before->busy > entry.busy ? before->busy : entry.busy;
        entry.waited_us = before->waited_us > entry.waited_us ? before->waited_us
                                                              : entry.waited_us;
        arrived += before->arrivals;
    }
    else if (last > 0 && last < second) {
        uint64_t share = arrived / (uint64_t)(second - last);

        fill_gap(ext, before, second, share);
        arrived -= share * (uint64_t)(second - last - 1);
    }
    write_one_second(ext, &entry, second, arrived);
    history->last = entry;
    history->arrivals = arrivals;
}

int scoreboard_ext_read_seconds(const scoreboard_ext_t *ext, int64_t now_us,
                                ext_second_t seconds[EXT_SECONDS])
{
    int64_t until = now_us / CLOCK_US_PER_S, second;
    int count = 0;

    for (second = until - EXT_SECONDS + 1; second <= until; second++) {
        if (second < 0) {
            continue;
        }
        if (read_one_second(ext, second, &seconds[count])) {
            count++;
        }
        else if (count > 0) {
            seconds[count] = seconds[count - 1];
            seconds[count].second = second;
            seconds[count].waited_us = 0;
            seconds[count].arrivals = 0;
            count++;
        }
    }
    return count;
}
