/* What a request asks for, as a number: its target up to the query, and its Host. Which targets
 * compute is remembered by that, so that a new connection that asks for one of them is known before
 * it has a thread. A guess that may be wrong: two targets may have the same number, and one target
 * may compute only now and then.
 *
 * Pure C11: nothing of httpd or APR.
 */
#ifndef ADP_TARGET_H
#define ADP_TARGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A number for what is not known: nothing was sent, or it is no request of HTTP/1. */
#define TARGET_UNKNOWN 0

/* Of the first bytes that a client has sent: request line, and Host if it is among them. */
uint32_t target_of_bytes(const char *bytes, size_t size);

/* Of a request that has been read; host may be NULL. The same number as from its bytes. */
uint32_t target_of_request(const char *target, const char *host);

/* Which of them compute. Zeroed at first; any thread. */
#define TARGETS 4096            /* a power of two */
typedef struct targets_t {
    _Atomic uint8_t score[TARGETS];
} targets_t;

bool targets_compute(const targets_t *targets, uint32_t target);

/* A request for it has ended; computed: for so long that its worker was lowered. */
void targets_learn(targets_t *targets, uint32_t target, bool computed);

#endif
