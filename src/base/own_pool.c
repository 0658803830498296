/* The only place that makes an allocator. Whoever creates a pool owns it, and uses it from one
 * thread at a time. */
#include "own_pool.h"

#include "mpm_common.h"

int own_pool_bear_no_memory(int rv)
{
    return rv;
}

apr_pool_t *own_pool_create(apr_pool_t *parent, const char *tag)
{
    apr_allocator_t *allocator;
    apr_pool_t *pool;

    if (apr_allocator_create(&allocator) != APR_SUCCESS) {
        return NULL;
    }
    apr_allocator_max_free_set(allocator, ap_max_mem_free);
    if (apr_pool_create_ex(&pool, parent, own_pool_bear_no_memory, allocator) != APR_SUCCESS) {
        apr_allocator_destroy(allocator);
        return NULL;
    }
    apr_pool_abort_set(apr_pool_abort_get(parent), pool);
    apr_allocator_owner_set(allocator, pool);
    apr_pool_tag(pool, tag);
    return pool;
}
