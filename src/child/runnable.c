/* The steward, a few threads per look: a read of /proc per thread costs some microseconds. */
#include "runnable.h"

#include "law/controller.h"
#include "limits/procfile.h"

#include <stdio.h>
#include <string.h>
#include <sys/param.h>

/* 1: it is; 0: it is not; CTL_UNKNOWN: that cannot be read, or it has gone. In /proc/PID/stat
 * (proc(5)) the state letter follows the command's closing parenthesis. */
static int is_runnable(int tid)
{
    char path[48], text[128];
    const char *end;

    snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
    if (!procfile_read("", path, text, sizeof(text))) {
        return CTL_UNKNOWN;
    }
    end = strrchr(text, ')');
    return end && end[1] == ' ' && end[2] == 'R';
}

/* The same; idle: processors are. */
static int uses_processor(const worker_t *worker, bool idle, int64_t now_us)
{
    uint32_t event = atomic_load_explicit(&worker->event, memory_order_relaxed);

    return idle && attained_rests(&worker->attained, event, now_us)
           ? 0 : is_runnable(atomic_load(&worker->tid));
}

/* The next of those that serve, beginning where the last look ended. */
static int count_sample(workers_t *workers, int looks, bool idle, int64_t now_us, int *sampled)
{
    int runnable = 0, left = workers->used;

    *sampled = 0;
    while (left-- > 0 && *sampled < looks) {
        const worker_t *worker = &workers->list[workers->next_counted++ % workers->used];

        if (worker_serves(worker) && worker_is_light(worker)) {
            int state = uses_processor(worker, idle, now_us);

            *sampled += state >= 0;
            runnable += state > 0;
        }
    }
    workers->next_counted %= MAX(workers->used, 1);
    return runnable;
}

int runnable_count(workers_t *workers, int serving, int looks, int idle_processors, int64_t now_us)
{
    int sampled;
    int runnable = count_sample(workers, looks, idle_processors > 0, now_us, &sampled);

    return sampled ? MIN((runnable * serving + sampled / 2) / sampled, serving) : CTL_UNKNOWN;
}

int idle_processors(int online)
{
    char text[128];
    int running;

    /* proc(5): three averages, then threads that run or could, a slash, and all threads */
    if (online <= 0 || !procfile_read("", "/proc/loadavg", text, sizeof(text))
        || sscanf(text, "%*s %*s %*s %d/", &running) != 1) {
        return CTL_UNKNOWN;
    }
    /* this one runs, too */
    return MAX(online - (running - 1), 0);
}
