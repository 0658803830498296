/* A worker thread: takes one event at a time from its child's poller and serves it. */
#ifndef ADP_WORKER_H
#define ADP_WORKER_H

#include "bench.h"
#include "fwd.h"
#include "headcount.h"

#include "law/attained.h"

#include "apr_thread_proc.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* A worker thread. Janitors (workers.h) and the steward have one too, with slot -1. */
struct worker_t {
    child_t *child;
    int slot;                   /* in the scoreboard row of the child */
    worker_state_e state;       /* headcount.h */
    apr_thread_t *thread;       /* the steward's: not NULL has to be joined, see workers.c */
    apr_thread_t *self;         /* the worker's own: what c->current_thread is set to */
    apr_pool_t *pool;           /* for the thread's bookkeeping; the steward's */
    _Atomic int tid;            /* kernel's id, 0 before it runs and after it left */
    clockid_t cpu_clock;        /* of its processor time; set before tid */
    _Atomic uint32_t event;     /* number of the request or other event that it has in
                                 * hand; even: none */
    _Atomic bool lowered;       /* lowering.h: the steward sets it, the worker takes it back */
    _Atomic bool carries;       /* the connection that it serves carries HTTP/2 streams: what it
                                 * does itself is short, however long it goes on */
    _Atomic bool greets;        /* no request has been read from the connection that it serves */
    attained_t attained;        /* the steward's */
    _Atomic bool left;          /* the thread is about to end and can be joined */
    _Atomic bool slow;          /* it could not be raised in the middle of its event: it leaves
                                 * after it */
    int slow_to_end;            /* its kernel id, if it ends with a low priority; 0: it does not */
    bool dismissed;             /* by a job of workers_retire(): leave after this event */
    pthread_cond_t called;      /* bench.h: its verdict has changed */
    bench_verdict_e verdict;    /* guarded by bench_t.lock */
    int64_t started_us;         /* when the steward started it */
    _Atomic uint64_t callback;  /* number of the timed callback it runs, 0: none */
    int turns;                  /* events until it looks for a connection to accept */
    conn_t *spare;       /* a connection ready for the next accept */
    struct apr_memnode_t *nodes;    /* memory, while no connection has it: lending.h */
};

/* It has an event in hand. Any thread. */
static inline bool worker_serves(const worker_t *worker)
{
    return atomic_load_explicit(&worker->event, memory_order_relaxed) & 1;
}

/* An event begins and ends. The worker. */
static inline void worker_turn(worker_t *worker)
{
    uint32_t event = atomic_load_explicit(&worker->event, memory_order_relaxed);

    atomic_store_explicit(&worker->event, event + 1, memory_order_relaxed);
}

/* The event is over: whether the worker was lowered for it is looked at after that, by everybody in
 * the same order. The worker. */
static inline void worker_end_turn(worker_t *worker)
{
    atomic_store_explicit(&worker->greets, false, memory_order_relaxed);
    atomic_fetch_add(&worker->event, 1);
}

/* It has a place among those that may serve: it neither serves what computes, after the others, nor
 * carries streams. Any thread. */
static inline bool worker_is_light(const worker_t *worker)
{
    return !atomic_load_explicit(&worker->lowered, memory_order_relaxed)
           && !atomic_load_explicit(&worker->carries, memory_order_relaxed);
}

/* Another request of the same connection begins: each has a processor for as long as any other. The
 * worker. */
static inline void worker_next_request(worker_t *worker)
{
    worker_turn(worker);
    worker_turn(worker);
}

/* It serves what computes, after the others. Any thread. */
static inline bool worker_is_lowered(const worker_t *worker)
{
    return atomic_load_explicit(&worker->lowered, memory_order_relaxed);
}

/* Thread entry points; arg is the worker_t. */
void *worker_main(apr_thread_t *thread, void *arg);
void *worker_janitor_main(apr_thread_t *thread, void *arg);

#endif
