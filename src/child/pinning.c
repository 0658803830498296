/* The steward, but for the word that the child is busy. Samples /proc/stat, and moves all threads
 * of the process, those of modules as well. When, says law/affinity.c. */
#include "pinning.h"

#include "bell.h"
#include "child_internal.h"

#include "base/clock.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A sample reads a line for each processor: on large machines it is taken less often. */
#define CHEAP_PROCESSORS 8
/* Threads may start while the others are moved. */
#define MOST_WALKS 4

/* The counters of this many processors fit in; a longer file is read in part. */
#define STAT_BYTES 65536

void pinning_init(child_t *child)
{
    pinning_t *p = &child->pinning;

    ON_STEWARD();
    p->sample_us = CLOCK_NEVER;
    p->stat_fd = -1;
    atomic_store(&child->ext->processor, 0);
    CPU_ZERO(&p->given);
    if (child->config->adaptive_mode != EXT_MODE_ON || !child->config->affinity
        || child->one_process || sched_getaffinity(0, sizeof(p->given), &p->given)) {
        return;
    }
    p->processors = CPU_COUNT(&p->given);
    if (p->processors < 2) {
        return;
    }
    p->stat_fd = open("/proc/stat", O_RDONLY | O_CLOEXEC);
    p->idle_ticks = apr_pcalloc(child->pool, sizeof(*p->idle_ticks) * CPU_SETSIZE);
    p->works = p->stat_fd >= 0;
}

void pinning_busy(child_t *child)
{
    pinning_t *p = &child->pinning;

    if (p->works && !atomic_load_explicit(&p->samples, memory_order_relaxed)
        && !atomic_exchange(&p->wanted, true)) {
        bell_steward(child);
    }
}

/* --- which processor ---------------------------------------------------------------- */

/* It has not ended yet, is no successor that starts, and is not parked, as the parent counts it. */
static bool takes_part(const child_t *child, int slot)
{
    ext_slot_t record;

    return child_has_kin(child, slot) && !ap_get_scoreboard_process(slot)->quiescing
           && scoreboard_ext_read_slot(child->board, slot, &record)
           && record.state == EXT_SLOT_SERVING;
}

/* The child's place among the siblings that accept, in the order of their slots. */
static int place_among_siblings(const child_t *child)
{
    int i, place = 0;

    for (i = 0; i < child->slot; i++) {
        place += takes_part(child, i);
    }
    return place;
}

/* They are dealt out to the processors in turn: each finds its own without being told. */
static int processor_at(const pinning_t *p, int place)
{
    int cpu;

    place %= p->processors;
    for (cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &p->given) && place-- == 0) {
            return cpu;
        }
    }
    return 0;
}

/* Move every thread of this process; returns how many had to be. Threads that start meanwhile have
 * the set of whoever started them. */
static int move_once(const cpu_set_t *set)
{
    DIR *tasks = opendir("/proc/self/task");
    const struct dirent *task;
    cpu_set_t now;
    int moved = 0;

    while (tasks && (task = readdir(tasks)) != NULL) {
        int tid = atoi(task->d_name);

        if (tid > 0 && !sched_getaffinity(tid, sizeof(now), &now) && !CPU_EQUAL(&now, set)
            && !sched_setaffinity(tid, sizeof(*set), set)) {
            moved++;
        }
    }
    if (tasks) {
        closedir(tasks);
    }
    return moved;
}

static void move_all(const cpu_set_t *set)
{
    int walks = 0;

    while (walks++ < MOST_WALKS && move_once(set) > 0) {
        continue;
    }
}

static void hold(child_t *child, bool holds, int cpu)
{
    cpu_set_t own;

    CPU_ZERO(&own);
    CPU_SET(cpu, &own);
    move_all(holds ? &own : &child->pinning.given);
    atomic_store(&child->ext->processor, holds ? cpu + 1 : 0);
    ap_log_error(APLOG_MARK, APLOG_DEBUG, 0, child->server, ADPNO(0065)
                 "child %d: %s processor %d", child->slot, holds ? "stays on" : "lets go of", cpu);
}

/* --- how busy they are ---------------------------------------------------------------- */

static int64_t idle_ticks_of(const char *line)
{
    long long user, nice, kernel, idle, iowait = 0;

    return sscanf(line, "cpu%*d %lld %lld %lld %lld %lld", &user, &nice, &kernel, &idle, &iowait)
           >= 4 ? idle + iowait : -1;
}

/* False: that was the first sample, or nothing can be read. */
static bool sample_idle(pinning_t *p, int own, int64_t elapsed_us, affinity_sample_t *sample)
{
    static const double ticks_per_us = 100.0 / CLOCK_US_PER_S;  /* USER_HZ: proc(5) */
    char text[STAT_BYTES];
    ssize_t n = pread(p->stat_fd, text, sizeof(text) - 1, 0);
    char *line = text;
    double sum = 0, ticks = (double)elapsed_us * ticks_per_us;
    int seen = 0;

    if (n <= 0 || ticks <= 0) {
        return false;
    }
    text[n] = '\0';
    sample->most_idle = sample->own_idle = 0;
    while ((line = strstr(line, "\ncpu")) != NULL) {
        int cpu = atoi(++line + strlen("cpu"));
        int64_t idle = idle_ticks_of(line);
        double part;

        if (cpu < 0 || cpu >= CPU_SETSIZE || idle < 0 || !CPU_ISSET(cpu, &p->given)) {
            continue;
        }
        part = (double)(idle - p->idle_ticks[cpu]) / ticks;
        part = part < 0 ? 0 : part > 1 ? 1 : part;
        p->idle_ticks[cpu] = idle;
        sample->most_idle = part > sample->most_idle ? part : sample->most_idle;
        sample->own_idle = cpu == own ? part : sample->own_idle;
        sum += part;
        seen++;
    }
    sample->mean_idle = seen > 0 ? sum / seen : 0;
    return seen == p->processors;
}

/* What this process has used of processors since the last sample. */
static double sample_use(pinning_t *p, int64_t elapsed_us)
{
    struct timespec ts = { 0, 0 };
    int64_t before_us = p->cpu_us;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    p->cpu_us = (int64_t)ts.tv_sec * CLOCK_US_PER_S + ts.tv_nsec / 1000;
    return elapsed_us > 0 ? (double)(p->cpu_us - before_us) / (double)elapsed_us : 0.0;
}

static int64_t sample_pause_us(const pinning_t *p)
{
    return AFFINITY_SAMPLE_US
           * ((p->processors + CHEAP_PROCESSORS - 1) / CHEAP_PROCESSORS);
}

int64_t pinning_round(child_t *child, int64_t now_us)
{
    pinning_t *p = &child->pinning;
    affinity_sample_t sample = {
        .now_us = now_us, .processors = p->processors,
        .children = atomic_load(&child->ext->serving)
    };
    bool held = p->affinity.holds;
    int cpu, again = 1;

    ON_STEWARD();
    if (!p->works) {
        return CLOCK_NEVER;
    }
    if (atomic_exchange(&p->wanted, false) && p->sample_us == CLOCK_NEVER) {
        p->sampled_us = 0;
        p->sample_us = now_us;
        atomic_store(&p->samples, true);
    }
    if (now_us < p->sample_us) {
        return p->sample_us;
    }
    sample.place = place_among_siblings(child);
    cpu = processor_at(p, sample.place);
    sample.used = sample_use(p, now_us - p->sampled_us);
    if (sample_idle(p, held ? atomic_load(&child->ext->processor) - 1 : cpu,
                    now_us - p->sampled_us, &sample) && p->sampled_us > 0
        && (affinity_decide(&p->affinity, &sample, &again) != held
            || (held && atomic_load(&child->ext->processor) != cpu + 1))) {
        /* a sibling may have gone, so that its place is another */
        hold(child, p->affinity.holds, cpu);
    }
    p->sampled_us = now_us;
    p->sample_us = again > 0 ? now_us + again * sample_pause_us(p) : CLOCK_NEVER;
    atomic_store(&p->samples, again > 0);
    return p->sample_us;
}
