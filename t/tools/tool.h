/* What the programs that make load and answers share. */
#ifndef TOOL_H
#define TOOL_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
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

#endif
