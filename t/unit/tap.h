/* Test Anything Protocol for the C unit tests. Call it from the main thread only. */
#ifndef TAP_H
#define TAP_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

static int tap_run, tap_failed;

/* First of all: a test that hangs is killed, which prove reports. */
static inline void tap_begin(unsigned most_seconds)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    alarm(most_seconds);
}

static inline bool tap_result(bool passed, const char *file, int line, const char *name)
{
    printf("%sok %d - %s\n", passed ? "" : "not ", ++tap_run, name);
    if (!passed) {
        tap_failed++;
        printf("#   failed at %s line %d\n", file, line);
    }
    return passed;
}

static inline bool tap_equal(int64_t got, int64_t expected, const char *file, int line,
                             const char *name)
{
    bool passed = tap_result(got == expected, file, line, name);

    if (!passed) {
        printf("#        got: %" PRId64 "\n#   expected: %" PRId64 "\n", got, expected);
    }
    return passed;
}

__attribute__((format(printf, 1, 2)))
static inline void diag(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    printf("# ");
    vprintf(format, args);
    printf("\n");
    va_end(args);
}

#define ok(condition, name) tap_result(condition, __FILE__, __LINE__, name)
#define is(got, expected, name) \
    tap_equal((int64_t)(got), (int64_t)(expected), __FILE__, __LINE__, name)

/* Print the plan; what main() returns. */
static inline int tap_done(void)
{
    printf("1..%d\n", tap_run);
    return tap_failed ? 1 : 0;
}

#endif
