/* Directives: parsing, defaults, corrections. All in the parent, while it reads the
 * configuration; children inherit the result. docs/directives.md is for who writes them. */
#ifndef ADP_CONFIG_H
#define ADP_CONFIG_H

#include "adaptive.h"
#include "adp_limits.h"

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
