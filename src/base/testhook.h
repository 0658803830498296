/* Windows of a few instructions, widened, and faults, injected: for tests, in a build of its own
 * (ADP_TEST_HOOKS; `make` puts it beside the test programs). In any other build both vanish.
 *
 *   ADP_PAUSE(name);             waits while the file <dir>/pause.<name> is there
 *   if (ADP_FAULT(name)) ...     true while <dir>/fault.<name> is there
 *
 * <dir> is $ADP_HOOK_DIR; without it nothing happens. A pause of a test that died ends by itself
 * (testhook.c). A thread that pauses says so by creating <dir>/at.<name>, with its process id in
 * it. t/lib/Adaptive/Server.pm has the other side: pause_at(), wait_paused(), release(), fault().
 */
#ifndef TESTHOOK_H
#define TESTHOOK_H

#include <stdbool.h>

#ifdef ADP_TEST_HOOKS
#define ADP_PAUSE(name) testhook_pause(#name)
#define ADP_FAULT(name) testhook_fault(#name)

/* Any thread of any process, signal handlers too: only async-signal-safe calls; errno is kept. */
void testhook_pause(const char *name);
bool testhook_fault(const char *name);
#else
#define ADP_PAUSE(name) ((void)0)
#define ADP_FAULT(name) false
#endif

#endif
