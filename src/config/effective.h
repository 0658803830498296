/* The effective configuration of one generation, after defaults and corrections (resolve.c). Pure.
 * The parent makes it, children inherit it, and nobody changes it.
 */
#ifndef ADP_EFFECTIVE_H
#define ADP_EFFECTIVE_H

#include "law/controller.h"
#include "scoreboard_ext.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Which numbers the configuration file gives; the others are defaults, which the controller
 * need not obey. */
typedef struct adp_given_t {
    bool start_servers;
    bool server_limit;
    bool threads_per_child;
    bool max_request_workers;
    bool min_spare_threads;     /* or mod_heartbeat needs it */
    bool max_spare_threads;
} adp_given_t;

typedef struct adp_config_t {
    int start_servers;          /* children at start */
    int server_limit;           /* children of one generation, at most */
    int thread_limit;           /* scoreboard slots per child, constant for the parent's life */
    int threads_per_child;      /* worker threads a child may grow to */
    int max_request_workers;    /* worker threads in all, at most */
    int max_children;           /* of one generation: what max_request_workers amounts to */
    int min_spare_threads;      /* threads that children have or may grow, and that are idle */
    int max_spare_threads;
    double async_factor;        /* AsyncRequestWorkerFactor, 0: connections are not limited */
    int slot_count;             /* scoreboard slots for children: server_limit and a reserve
                                 * for those that are draining; constant for the parent's life */
    int start_threads;          /* worker threads of a child at start */
    adp_given_t given;
    ext_mode_e adaptive_mode;   /* AdaptiveMode */
    bool bulkheads;             /* AdaptiveBulkheads */
    int64_t wait_target_us;     /* AdaptiveWaitTarget: no work should wait longer for a thread */
    int64_t hold_us;            /* AdaptiveHold: a spare thread is kept at least this long */
    int64_t max_wait_us;        /* AdaptiveMaxWait, 0: off */
    bool affinity;              /* AdaptiveAffinity: a child may keep to a processor */
    int64_t drain_timeout_us;   /* AdaptiveDrainTimeout, 0: unlimited */
    double memory_share;        /* AdaptiveMemory: of what the server may have ... */
    int64_t memory_bytes;       /* ... or this much, if not 0 */
    size_t body_wait_bytes;     /* AdaptiveBodyWait, 0: off */
    int64_t output_buffer;      /* AdaptiveOutputBuffer, bytes a connection; 0: off */
    const char *status_socket;  /* AdaptiveStatusSocket, below DefaultRuntimeDir; NULL: the usual */
    bool status_socket_off;
    gid_t status_group;         /* who may look, besides the parent's user; -1: nobody */
    const char *status_listen;  /* AdaptiveStatusListen as it was given; NULL: nowhere */
    struct sockaddr_in6 status_address;     /* ... or a sockaddr_in */
    double cpus;                /* processors that the server may use, > 0 (limits.h) */
    ctl_ceiling_e ceiling;      /* what max_request_workers comes from */
} adp_config_t;

/* What a restart must not change, because the scoreboard keeps its size. */
typedef struct config_fixed_t {
    int server_limit;           /* 0: not fixed yet, this is the first start */
    int thread_limit;
    int slot_count;
} config_fixed_t;

#endif
