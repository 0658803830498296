#include "runnable.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/param.h>

#define LARGEST_SAMPLE 16

/* proc(5), /proc/PID/stat: the state letter follows the command's closing parenthesis. */
/* 1: it is; 0: it is not; CTL_UNKNOWN: that cannot be read, or it has gone. */
static int is_runnable(int tid)
{
    char path[48], text[128];
    const char *end;
    ssize_t n;
    int fd;

    snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return CTL_UNKNOWN;
    }
    n = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (n <= 0) {
        return CTL_UNKNOWN;
    }
    text[n] = '\0';
    end = strrchr(text, ')');
    return end && end[1] == ' ' && end[2] == 'R';
}

/* Every step-th of those that serve. */
static int count_sample(worker_t *workers, int count, int step, int *sampled)
{
    int serving = 0, runnable = 0, i;

    *sampled = 0;
    for (i = 0; i < count; i++) {
        worker_t *worker = &workers[i];

        if (atomic_load_explicit(&worker->serving, memory_order_relaxed)
            && serving++ % step == 0) {
            int state = is_runnable(atomic_load(&worker->tid));

            *sampled += state >= 0;
            runnable += state > 0;
        }
    }
    return runnable;
}

int runnable_count(worker_t *workers, int count, int serving)
{
    int sampled;
    int runnable = count_sample(workers, count, serving / LARGEST_SAMPLE + 1, &sampled);

    return sampled ? MIN((runnable * serving + sampled / 2) / sampled, serving) : CTL_UNKNOWN;
}
