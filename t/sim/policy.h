/* The policies that are compared. */
#ifndef SIM_POLICY_H
#define SIM_POLICY_H

#include "model.h"

typedef enum {
    POLICY_OPTIMUM,             /* clairvoyant: a thread for each request the moment it comes */
    POLICY_ADAPTIVE,            /* src/law */
    POLICY_EVENT_DEFAULT,       /* Debian's mpm_event.conf */
    POLICY_EVENT_EXPERT,        /* tuned for the peak of the trace */
    POLICY_EVENT_LARGE,         /* tuned for anything */
    POLICY_FIXED,               /* as many threads as the peak needs, always */
    POLICIES
} policy_e;

typedef struct policy_t {
    policy_e id;
    const char *name;
    unsigned terms_off;         /* of the adaptive policy */
    int fixed_threads;          /* of the fixed one; 0: from the trace's peak */
    bool knows_waiting;         /* adaptive: the backlog's length is known */
} policy_t;

policy_t policy_get(policy_e id);

const policy_ops_t *policy_ops(policy_e id);

/* How event is tuned in this policy. */
tuning_t policy_tuning(policy_e id, const trace_t *trace);

extern const policy_ops_t policy_adaptive_ops, policy_event_ops, policy_fixed_ops,
    policy_optimum_ops;

#endif
