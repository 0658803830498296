/* The configuration that is in force, and what the machine allows. The parent resolves it when it
 * has read the file; children inherit the result. docs/user/directives.md is for administrators. */
#ifndef ADP_CONFIG_H
#define ADP_CONFIG_H

#include "effective.h"

#include "limits/limits.h"

#include "httpd.h"
#include "http_config.h"

#include <stdbool.h>
#include <stdint.h>

/* The module's directive table (directives.c). */
extern const command_rec config_commands[];

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

/* As AdaptiveMode has it. */
const char *config_mode_name(ext_mode_e mode);

/* One line on what was found and what follows from it. Returns buffer. */
char *config_describe(char *buffer, size_t size);

/* What was corrected and why, as it was logged: pointers to at most `most` texts, which live as
 * long as the configuration. Returns how many. */
int config_notes(const char **notes, int most);

/* Where the Unix socket of AdaptiveStatusSocket is, or would be; allocated in p. */
const char *config_status_socket(apr_pool_t *p);

/* Log that line, as a notice. Once a start, when logs are open. */
void config_log_limits(server_rec *s);

/* Raise the number of children to one per listener bucket. open_logs. */
void config_require_children(int count);

#endif
