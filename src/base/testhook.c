/* The module's side of pauses and faults; t/lib/Adaptive/Server.pm has the other. Empty in any
 * other build. */
#include "testhook.h"

#ifdef ADP_TEST_HOOKS

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* How often a paused thread looks, and when it goes on whatever the test says. */
#define LOOK_MS    2
#define LONGEST_MS 60000

/* <dir>/<kind><name> in path. False: there is no directory, or the path is too long. */
static bool path_of(char path[PATH_MAX], const char *kind, const char *name)
{
    const char *dir = getenv("ADP_HOOK_DIR");

    if (!dir || strlen(dir) + strlen(kind) + strlen(name) + 2 > PATH_MAX) {
        return false;
    }
    strcpy(path, dir);
    strcat(path, "/");
    strcat(path, kind);
    strcat(path, name);
    return true;
}

static void announce(const char *name)
{
    char path[PATH_MAX];
    char digits[12];
    int at = sizeof(digits);
    int fd;
    long pid = (long)getpid();

    digits[--at] = '\n';
    do {
        digits[--at] = (char)('0' + pid % 10);
        pid /= 10;
    } while (pid > 0);
    if (!path_of(path, "at.", name)) {
        return;
    }
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd < 0) {
        return;
    }
    if (write(fd, digits + at, sizeof(digits) - (size_t)at) < 0) {
        /* the test sees an empty file, which says as much */
    }
    close(fd);
}

/* Which of the pauses of that name the test asks for: the size of its file tells. -1: none. */
static long pause_of(const char *path)
{
    struct stat file;

    return stat(path, &file) == 0 ? (long)file.st_size : -1;
}

void testhook_pause(const char *name)
{
    char path[PATH_MAX];
    int error = errno;
    int waited_ms = 0;
    long first = path_of(path, "pause.", name) ? pause_of(path) : -1;

    if (first >= 0) {
        announce(name);
        while (waited_ms < LONGEST_MS && pause_of(path) == first) {
            struct timespec look = { 0, LOOK_MS * 1000000L };

            nanosleep(&look, NULL);
            waited_ms += LOOK_MS;
        }
    }
    errno = error;
}

bool testhook_fault(const char *name)
{
    char path[PATH_MAX];
    int error = errno;
    bool there = path_of(path, "fault.", name) && access(path, F_OK) == 0;

    errno = error;
    return there;
}

#else
/* ISO C wants a declaration in each file. */
typedef int testhook_unused_t;
#endif
