/* What ranks are made of in test builds: each thread knows which locks it has. */
#include "lock.h"

#ifdef ADP_CHECKS

#include <stddef.h>

/* An outer lock and an inner one. */
#define MOST_HELD 2

/* Of the calling thread, the outermost first. Of this model, because the usual one of a shared
 * object would need another library than libc. */
static _Thread_local const lock_t *held[MOST_HELD] __attribute__((tls_model("initial-exec")));
static _Thread_local int count __attribute__((tls_model("initial-exec")));

int lock_is_held(const lock_t *lock)
{
    int i;

    for (i = 0; i < count; i++) {
        if (held[i] == lock) {
            return 1;
        }
    }
    return 0;
}

void lock_check_take(const lock_t *lock)
{
    CHECK(!lock_is_held(lock));
    CHECK(count == 0 || lock->rank > held[count - 1]->rank);
    CHECK(count < MOST_HELD);
    held[count++] = lock;
}

void lock_check_give(const lock_t *lock)
{
    CHECK(lock_is_held(lock));
    count--;
    /* the outer one first: what is left is the inner one */
    if (held[count] != lock) {
        held[0] = held[1];
    }
}

#else
/* ISO C wants a declaration in each file. */
typedef int lock_unused_t;
#endif
