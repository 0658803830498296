/* Our own shared memory beside httpd's scoreboard: what a child tells the parent.
 *
 * One record a scoreboard slot. Created once by the parent and kept over graceful
 * restarts (both generations use it), inherited over fork. Plain C11 atomics: every field
 * is written by the child alone, except where noted, and read by the parent. Children are
 * unprivileged: the parent believes nothing here that could hurt it.
 */
#ifndef SCOREBOARD_EXT_H
#define SCOREBOARD_EXT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ext_child_t {
    _Atomic int threads;            /* worker threads that run */
    _Atomic int idle;               /* of these, waiting for work */
    _Atomic bool ready;             /* its workers take connections */
    _Atomic bool closed;            /* its listeners are closed for good */
    _Atomic bool wants_successor;   /* MaxConnectionsPerChild reached */
    _Atomic bool wants_relief;      /* woken for a connection that it cannot accept */
    _Atomic bool exhausted;         /* all threads it may have are busy, and work waits */
    char padding[64 - 2 * sizeof(_Atomic int) - 5 * sizeof(_Atomic bool)];
} ext_child_t;

/* Messages that a fault could repeat many times a second in every process. */
typedef enum {
    LOG_ACCEPT,
    LOG_POLLER,
    LOG_THREADS,
    LOG_FORK,
    LOG_KINDS
} log_kind_e;

typedef struct scoreboard_ext_t {
    int slot_count;
    _Atomic int64_t logged_us[LOG_KINDS];   /* when last, monotonic; any process */
    _Alignas(64) ext_child_t children[];     /* a cache line each */
} scoreboard_ext_t;

/* Map shared memory for slot_count children. Returns 0 or an errno value. The parent; lives
 * until the process ends. */
int scoreboard_ext_create(scoreboard_ext_t **ext, int slot_count);
/* For the unit tests. */
void scoreboard_ext_destroy(scoreboard_ext_t *ext);

/* Forget what an earlier child wrote, before a new one is started in its slot. Parent. */
void scoreboard_ext_reset(ext_child_t *child);

/* True if a message of this kind may be logged at now_us (monotonic µs): at most one a
 * second from all processes together. Any process, any thread. */
bool scoreboard_ext_may_log(scoreboard_ext_t *ext, log_kind_e kind, int64_t now_us);

#endif
