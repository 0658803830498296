/* The token of a poller event, packed and unpacked. */

#include "base/slab.h"
#include "child/token.h"

#include "base/claim.h"
#include "tap.h"

static bool survives(token_kind_e kind, uint32_t generation, uint32_t index)
{
    poller_token_t token = token_make(kind, generation, index);

    return token_kind(token) == kind && token_generation(token) == generation
           && token_index(token) == index;
}

int main(void)
{
    const uint32_t last_index = SLAB_MAX_CHUNKS * SLAB_CHUNK_ITEMS - 1;

    tap_begin(120);
    ok(survives(TOKEN_CONNECTION, 0, 0), "all zero");
    ok(survives(TOKEN_CONNECTION, 1, 2), "a connection");
    ok(survives(TOKEN_LISTENER, 0, 3), "a listener");
    ok(survives(TOKEN_EXIT, 0, 0), "the last kind");
    ok(survives(TOKEN_CONNECTION, CLAIM_GENERATION_MASK, 0), "the last generation");
    ok(survives(TOKEN_CONNECTION, 0, last_index), "the last index of a slab");
    ok(survives(TOKEN_EXIT, CLAIM_GENERATION_MASK, last_index), "everything at its most");
    return tap_done();
}
