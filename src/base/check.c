/* What checks are made of in test builds. Any thread of any process; each has a role of its
 * own. */
#include "check.h"

#ifdef ADP_CHECKS

#include <stdio.h>
#include <stdlib.h>

/* Of this model, because the usual one of a shared object would need another library than libc. */
static _Thread_local thread_role_e role __attribute__((tls_model("initial-exec")));

_Noreturn void check_failed(const char *condition, const char *file, int line,
                            const char *function)
{
    fprintf(stderr, "mod_mpm_adaptive: check failed: %s, in %s() at %s:%d\n", condition, function,
            file, line);
    abort();
}

void check_set_role(thread_role_e new_role)
{
    role = new_role;
}

thread_role_e check_role(void)
{
    return role;
}

#else
/* ISO C wants a declaration in each file. */
typedef int check_unused_t;
#endif
