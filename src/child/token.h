/* What an event of a child's poller is about, in the one word that the kernel keeps for it.
 * Pure. */
#ifndef ADP_TOKEN_H
#define ADP_TOKEN_H

#include "base/poller.h"

#include <stdint.h>

/* What an event of a child's poller is about: kind, generation and index in one token. */
typedef enum {
    TOKEN_CONNECTION,           /* index in child_t.connections */
    TOKEN_LISTENER,             /* index in listeners_t.records */
    TOKEN_JOBS,
    TOKEN_PROBE,
    TOKEN_EXIT
} token_kind_e;

static inline poller_token_t token_make(token_kind_e kind, uint32_t generation, uint32_t index)
{
    /* index has 30 bits at most (slab.h), generation 30 (claim.h), kind 3 */
    return (uint64_t)index << 33 | (uint64_t)generation << 3 | (uint64_t)kind;
}

static inline token_kind_e token_kind(poller_token_t token)
{
    return (token_kind_e)(token & 7);
}

static inline uint32_t token_generation(poller_token_t token)
{
    return (uint32_t)(token >> 3) & UINT32_C(0x3fffffff);
}

static inline uint32_t token_index(poller_token_t token)
{
    return (uint32_t)(token >> 33);
}

#endif
