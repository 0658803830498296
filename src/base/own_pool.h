/* APR pools with an allocator of their own. */
#ifndef ADP_OWN_POOL_H
#define ADP_OWN_POOL_H

#include "apr_pools.h"

/* The allocator keeps no more than MaxMemFree and belongs to the pool, which is for one thread at
 * a time. NULL: no memory. What is allocated from it later has the parent's abort function: with
 * httpd's the process ends if there is no memory. */
apr_pool_t *own_pool_create(apr_pool_t *parent, const char *tag);

/* apr_abortfunc_t that lets the caller see APR_ENOMEM. A pool that is created without one
 * inherits its parent's, and never returns. */
int own_pool_bear_no_memory(int rv);

#endif
