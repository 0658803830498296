#include "runnable.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/param.h>

#define LARGEST_SAMPLE 16

/* proc(5), /proc/PID/stat: the state letter follows the command's closing parenthesis. */
static bool is_runnable(int tid)
{
    char path[48], text[128];
    const char *end;
    ssize_t n;
    int fd;

    snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    n = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (n <= 0) {
        return false;
    }
    text[n] = '\0';
    end = strrchr(text, ')');
    return end && end[1] == ' ' && end[2] == 'R';
}

int runnable_count(worker_t *workers, int count)
{
    int live = 0, sampled = 0, runnable = 0, step, i;

    for (i = 0; i < count; i++) {
        live += atomic_load(&workers[i].tid) != 0;
    }
    step = live / LARGEST_SAMPLE + 1;
    live = 0;
    for (i = 0; i < count; i++) {
        int tid = atomic_load(&workers[i].tid);

        if (tid && live++ % step == 0) {
            sampled++;
            runnable += is_runnable(tid);
        }
    }
    return sampled ? runnable * step : 0;
}
