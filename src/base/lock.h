/* Mutexes with a rank: in builds with checks (check.h) a lock that is taken out of order, twice, or
 * given back by a thread that does not have it ends the process. Otherwise it is a pthread_mutex_t
 * and nothing else.
 *
 * The order (src/README.md, "Locks"): with an outer lock held inner ones may be taken, one at a
 * time; with an inner lock held none.
 */
#ifndef ADP_LOCK_H
#define ADP_LOCK_H

#include "check.h"

#include <pthread.h>

typedef enum {
    LOCK_OUTER = 1,             /* listeners_t.narrow_lock, child_t.suspended_lock */
    LOCK_INNER                  /* all others */
} lock_rank_e;

typedef struct lock_t {
    pthread_mutex_t mutex;
#ifdef ADP_CHECKS
    lock_rank_e rank;
#endif
} lock_t;

#ifdef ADP_CHECKS
/* The calling thread takes it, gives it back, has it. */
void lock_check_take(const lock_t *lock);
void lock_check_give(const lock_t *lock);
int lock_is_held(const lock_t *lock);
#define HELD(lock) CHECK(lock_is_held(lock))
#else
#define lock_check_take(lock) ((void)0)
#define lock_check_give(lock) ((void)0)
#define HELD(lock) ((void)sizeof(lock))
#endif

/* 0 or an errno value. */
static inline int lock_init(lock_t *lock, lock_rank_e rank)
{
#ifdef ADP_CHECKS
    lock->rank = rank;
#else
    (void)rank;
#endif
    return pthread_mutex_init(&lock->mutex, 0);
}

static inline void lock_destroy(lock_t *lock)
{
    pthread_mutex_destroy(&lock->mutex);
}

static inline void lock_take(lock_t *lock)
{
    lock_check_take(lock);
    pthread_mutex_lock(&lock->mutex);
}

static inline void lock_give(lock_t *lock)
{
    lock_check_give(lock);
    pthread_mutex_unlock(&lock->mutex);
}

/* Give it back until the condition is signalled; it is held again then. */
static inline void lock_wait(lock_t *lock, pthread_cond_t *condition)
{
    HELD(lock);
    pthread_cond_wait(condition, &lock->mutex);
}

#endif
