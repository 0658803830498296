/* What the programs that make load and answers share. */
#ifndef TOOL_H
#define TOOL_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

/* Monotonic. */
static inline int64_t now_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * INT64_C(1000000) + ts.tv_nsec / 1000;
}

/* With what errno says. */
static inline void die(const char *what)
{
    perror(what);
    exit(2);
}

/* As many as this process may have: that number; 0: nobody knows. */
static inline rlim_t raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return 0;
    }
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur;
}

/* What a connect() that did not wait has come to: an errno value, 0 if the connection is there. */
static inline int connect_error(int fd)
{
    int error = 0;
    socklen_t length = sizeof(error);

    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
    return error;
}

#endif
