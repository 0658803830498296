/* Directives: parsing, defaults, corrections. All in the parent, while it reads the
 * configuration; children inherit the result. docs/directives.md is for who writes them. */
#ifndef ADP_CONFIG_H
#define ADP_CONFIG_H

#include "law/controller.h"
#include "limits/limits.h"
#include "scoreboard_ext.h"

#include "httpd.h"
#include "http_config.h"

#include <stdbool.h>
#include <stdint.h>

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

/* The effective configuration of one generation, after all corrections (config.c). */
typedef struct adp_config_t {
    int start_servers;          /* children at start */
    int server_limit;           /* children of one generation, at most */
    int thread_limit;           /* scoreboard slots a child, constant for the parent's life */
    int threads_per_child;      /* worker threads a child may grow to */
    int max_request_workers;    /* worker threads in all, at most */
    int max_children;           /* of one generation: what max_request_workers amounts to */
    int min_spare_threads;      /* threads that children have or may grow, and that are idle */
    int max_spare_threads;
    double async_factor;        /* AsyncRequestWorkerFactor, 0: connections are not limited */
    int slot_count;             /* scoreboard slots for children: server_limit and a reserve
                                 * for those that are going; constant for the parent's life */
    int start_threads;          /* worker threads of a child at start */
    adp_given_t given;
    ext_mode_e adaptive_mode;   /* AdaptiveMode */
    int64_t wait_target_us;     /* AdaptiveWaitTarget: no work should wait longer for a thread */
    int64_t hold_us;            /* AdaptiveHold: a spare thread is kept at least so long */
    int64_t drain_timeout_us;   /* AdaptiveDrainTimeout, 0: unlimited */
    double memory_share;        /* AdaptiveMemory: of what the server may have ... */
    int64_t memory_bytes;       /* ... or so much, if not 0 */
    double cpus;                /* processors that the server may use, > 0 (limits.h) */
    ctl_ceiling_e ceiling;      /* what max_request_workers comes from */
} adp_config_t;

/* What a restart must not change, because the scoreboard keeps its size. */
typedef struct config_fixed_t {
    int server_limit;           /* 0: not fixed yet, this is the first start */
    int thread_limit;
    int slot_count;
} config_fixed_t;

/* The module's directive table. */
extern const command_rec config_commands[];

/* Forget what the last configuration said. pre_config. */
void config_reset(void);

/* Find what the machine allows, apply defaults and corrections to what was read; each
 * correction is a warning, on the console if to_console, else in s's error log. Fixes what
 * *fixed leaves open. check_config, when all modules are loaded; buckets are known later. */
void config_resolve(config_fixed_t *fixed, bool to_console, server_rec *s);

/* How many descriptors the parent's logs, listening sockets and modules hold, as its children will:
 * those of the last configuration before config_resolve(), and those of this one when all are
 * open, in post_config. */
void config_note_descriptors(int64_t held);

/* The effective configuration; valid after config_resolve(). */
const adp_config_t *config_get(void);

/* What was found at this start, with the policy that the configuration makes of it: for
 * limits_refresh_usage() and limits_max_threads(). Valid after config_resolve(). */
const limits_t *config_limits(void);

/* Threads that what was found is expected to allow, and the directives do: requests at a time. */
int config_expected_threads(void);

/* Look again at what control groups allow, every five seconds at most: *looked_us is when this
 * process last did, 0 at first. True: it has changed, and config_limits() with it. One thread of
 * a process at a time, and the only one that uses the groups in config_limits() then. */
bool config_look_at_groups(int64_t *looked_us, int64_t now_us);

/* What config_expected_threads() says follows from what is used of config_limits() now. */
void config_expect(const limits_usage_t *usage);

/* One line on what was found and what follows from it. Returns buffer. */
char *config_describe(char *buffer, size_t size);

/* Log that line, as a notice. Once a start, when logs are open. */
void config_log_limits(server_rec *s);

/* Raise the number of children to one a listener bucket. open_logs. */
void config_require_children(int count);

#endif
