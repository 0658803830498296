/* What the configuration file says. Pure: the functions that httpd calls for each line are in
 * directives.c, defaults and corrections in resolve.c.
 */
#ifndef ADP_DIRECTIVES_H
#define ADP_DIRECTIVES_H

#include "scoreboard_ext.h"

#include <limits.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The adaptive directives' defaults. Waiting: shorter than what a user or a kernel's scheduler
 * would notice. Holding: load that comes and goes within half a minute finds its threads. Memory:
 * a fifth stays for sockets, file cache and the growth of requests. Waiting for a 503: less than
 * browsers and load balancers do. Bodies: forms, and what programs ask of each other. */
#define DIRECTIVES_WAIT_TARGET_US 2000
#define DIRECTIVES_HOLD_US        5000000
#define DIRECTIVES_MAX_WAIT_US    10000000
#define DIRECTIVES_MEMORY_SHARE   0.8
#define DIRECTIVES_BODY_WAIT      65536

/* A page with all that frameworks put into it; a thousand clients that read slowly have 256 MB. */
#define DIRECTIVES_OUTPUT_BUFFER  (256 * 1024)

#define DIRECTIVES_NOT_SET INT_MIN

/* DIRECTIVES_NOT_SET, or the default, where the file is silent. Numbers are as given: resolve.c
 * brings them into their range. */
typedef struct directives_t {
    int start_servers;
    int server_limit;
    int thread_limit;
    int threads_per_child;
    int max_request_workers;
    int min_spare_threads;
    int max_spare_threads;
    double async_factor;        /* 0: not given */
    bool max_clients;           /* the old name was used */
    const char *total_origin;   /* "FILE:LINE" of MaxRequestWorkers, NULL: not given */
    const char *children_origin;    /* ... and of ServerLimit */
    ext_mode_e adaptive_mode;
    bool affinity;
    int64_t max_wait_us;        /* 0: off */
    bool bulkheads;
    int64_t wait_target_us;
    int64_t hold_us;
    int64_t drain_timeout_us;   /* 0: unlimited */
    double memory_share;
    int64_t memory_bytes;       /* 0: the share counts */
    int64_t body_wait_bytes;    /* 0: off */
    int64_t output_buffer;      /* 0: off */
    const char *status_socket;  /* NULL: the usual */
    bool status_socket_off;
    gid_t status_group;         /* -1: none */
    const char *status_group_name;
    const char *status_listen;  /* NULL: nowhere */
    struct sockaddr_in6 status_address;     /* or a sockaddr_in */
} directives_t;

/* A file that says nothing. */
static inline directives_t directives_defaults(void)
{
    return (directives_t) {
        .start_servers = DIRECTIVES_NOT_SET, .server_limit = DIRECTIVES_NOT_SET,
        .thread_limit = DIRECTIVES_NOT_SET, .threads_per_child = DIRECTIVES_NOT_SET,
        .max_request_workers = DIRECTIVES_NOT_SET, .min_spare_threads = DIRECTIVES_NOT_SET,
        .max_spare_threads = DIRECTIVES_NOT_SET, .adaptive_mode = EXT_MODE_ON,
        .affinity = true, .bulkheads = true, .max_wait_us = DIRECTIVES_MAX_WAIT_US,
        .wait_target_us = DIRECTIVES_WAIT_TARGET_US, .hold_us = DIRECTIVES_HOLD_US,
        .memory_share = DIRECTIVES_MEMORY_SHARE, .body_wait_bytes = DIRECTIVES_BODY_WAIT,
        .output_buffer = DIRECTIVES_OUTPUT_BUFFER,
        .status_group = (gid_t)-1
    };
}

/* Forget what the last configuration said. The parent, before it reads the next. */
void directives_reset(void);

/* What was read so far. The parent. */
const directives_t *directives_given(void);

#endif
