/* Static probe points (USDT) for bpftrace, perf and SystemTap: no-operations until somebody looks.
 * They are there if the module was built on a machine with systemtap-sdt-dev; otherwise nothing is.
 *
 *   bpftrace -e 'usdt:/usr/lib/apache2/modules/mod_mpm_adaptive.so:adaptive:plan { printf(...) }'
 *
 *   claim         fd, state of the connection      a worker has taken a connection that was ready
 *   plan          threads, busy, start, reason     a child has decided about its threads
 *   plan_children serving, busy, target, reason    the parent has decided about children
 *   order         pid, order (child.h)             the parent has told a child (0: could not)
 *   accept        state (accept_gate.h)            a child begins or ceases to accept
 *
 * Names and arguments are for whoever debugs, and may change from one version to the next.
 */
#ifndef ADP_PROBES_H
#define ADP_PROBES_H

#if defined(__has_include)
#if __has_include(<sys/sdt.h>)
#define ADP_HAS_PROBES
#endif
#endif

#ifdef ADP_HAS_PROBES
#include <sys/sdt.h>
#define ADP_PROBE1(name, a)          DTRACE_PROBE1(adaptive, name, a)
#define ADP_PROBE2(name, a, b)       DTRACE_PROBE2(adaptive, name, a, b)
#define ADP_PROBE4(name, a, b, c, d) DTRACE_PROBE4(adaptive, name, a, b, c, d)
#else
#define ADP_PROBE1(name, a)          ((void)sizeof(a))
#define ADP_PROBE2(name, a, b)       ((void)sizeof(a), (void)sizeof(b))
#define ADP_PROBE4(name, a, b, c, d) \
    ((void)sizeof(a), (void)sizeof(b), (void)sizeof(c), (void)sizeof(d))
#endif

#endif
