/* Connections cost memory too, 12 KB and more each even while they are idle, and nothing else
 * bounds their number but descriptors: a small container would be full of them. So before a
 * child takes memory for one more it looks, now and then, what the limits leave (limits.h).
 *
 * Threads may use a share of the limit (AdaptiveMemory); connections stop half way between
 * that and the limit, so that running requests can still grow.
 *
 * Where the address space is limited (ulimit -v, vm.overcommit_memory=2) the C library refuses what
 * is too much, and httpd ends a process in which a request asked for it, with all its connections.
 * So some of it stays free for requests. */
#ifndef ADP_MEMORY_GUARD_H
#define ADP_MEMORY_GUARD_H

#include "fwd.h"

#include <stdbool.h>

/* Whether this child should not begin another connection now, for want of memory. It looks
 * when enough connections have needed memory of their own (anew), and again while memory is
 * short. Never true for a child that has fewer connections than threads, because then it is
 * not connections that need the memory. Any worker. */
bool memory_guard_is_short(const child_t *child, bool anew);

#endif
