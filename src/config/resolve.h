/* From what the file says and what the machine allows to the effective configuration, and to what
 * the administrator should be told of it.
 *
 * Pure: no httpd, no APR, nothing is read and nothing is logged. The same input gives the same
 * result, so that t/unit/resolve.c has every default and every correction.
 */
#ifndef ADP_RESOLVE_H
#define ADP_RESOLVE_H

#include "directives.h"
#include "effective.h"

/* What event and worker accept at most. */
#define RESOLVE_MOST_SERVER_LIMIT 20000
#define RESOLVE_MOST_THREAD_LIMIT 100000

typedef struct resolve_input_t {
    const directives_t *given;
    double cpus;                /* that the server may use, > 0 */
    int threads_by_descriptors; /* of a child, > 0 */
    int64_t free_descriptors;   /* of a child: what that follows from */
    int children_by_descriptors;
    int expected_threads;       /* that the limits found allow, whatever is configured */
    ctl_ceiling_e expected_ceiling; /* what that comes from */
    bool http2;                 /* mod_http2 adds threads of its own */
    bool heartbeat;             /* mod_heartbeat tells a balancer how many threads are idle */
} resolve_input_t;

/* What a note is about; its number in docs/user/messages.md. */
typedef enum {
    RESOLVE_OLD_NAME,           /* ADP0002 */
    RESOLVE_CORRECTED,          /* ADP0010 */
    RESOLVE_FEW_DESCRIPTORS     /* ADP0015 */
} resolve_note_e;

typedef struct resolve_note_t {
    resolve_note_e kind;
    char text[240];             /* names the directive, the value and the remedy */
} resolve_note_t;

#define RESOLVE_MOST_NOTES 16

typedef struct resolve_result_t {
    adp_config_t config;
    config_fixed_t fixed;
    resolve_note_t notes[RESOLVE_MOST_NOTES];
    int note_count;
} resolve_result_t;

/* fixed: of the first start of this parent, all 0 if this is the first. */
resolve_result_t resolve(const resolve_input_t *input, const config_fixed_t *fixed);

/* ThreadsPerChild if nobody sets it. */
int resolve_default_threads(bool http2, int threads_by_descriptors);

/* Each listener bucket needs a child: raise what is below that. */
void resolve_require_children(adp_config_t *config, int count);

#endif
