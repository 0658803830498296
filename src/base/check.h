/* Invariants that are checked: which thread runs a function, and what has to hold there.
 *
 * They are on where ADP_CHECKS is defined (the builds with hooks and those under sanitizers). In
 * any other build a check is not even evaluated, and nothing of it is in the object code
 * (t/checks.t). One that fails says what and where on stderr, which is the error log of a child,
 * and aborts. */
#ifndef ADP_CHECK_H
#define ADP_CHECK_H

#if defined(ADP_TEST_HOOKS) && !defined(ADP_CHECKS)
#define ADP_CHECKS
#endif

/* What a thread of a child is. */
typedef enum {
    ROLE_OTHER,                 /* modules' threads, the parent, unit tests */
    ROLE_STEWARD,
    ROLE_WORKER                 /* janitors, too */
} thread_role_e;

#ifdef ADP_CHECKS
#define CHECK(condition) \
    ((condition) ? (void)0 : check_failed(#condition, __FILE__, __LINE__, __func__))
#define SET_ROLE(role) check_set_role(role)
#define ON_STEWARD() CHECK(check_role() == ROLE_STEWARD)
#define ON_WORKER()  CHECK(check_role() == ROLE_WORKER)

_Noreturn void check_failed(const char *condition, const char *file, int line,
                            const char *function);

/* What the calling thread is from now on. */
void check_set_role(thread_role_e role);
thread_role_e check_role(void);
#else
#define CHECK(condition) ((void)sizeof(!(condition)))
#define SET_ROLE(role)   ((void)sizeof(role))
#define ON_STEWARD()     ((void)0)
#define ON_WORKER()      ((void)0)
#endif

#endif
