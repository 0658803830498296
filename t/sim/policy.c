/* The policies by name. */
#include "policy.h"

policy_t policy_get(policy_e id)
{
    static const char *const names[POLICIES] = {
        "optimum", "adaptive", "event default", "event expert", "event large", "fixed"
    };

    return (policy_t){ .id = id, .name = names[id], .knows_waiting = true };
}

const policy_ops_t *policy_ops(policy_e id)
{
    switch (id) {
    case POLICY_OPTIMUM:
        return &policy_optimum_ops;
    case POLICY_ADAPTIVE:
        return &policy_adaptive_ops;
    case POLICY_FIXED:
        return &policy_fixed_ops;
    default:
        return &policy_event_ops;
    }
}
