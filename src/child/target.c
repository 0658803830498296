/* Pure. Reads what a client has sent only as far as it needs to; whoever serves the request parses
 * it anew, by all the rules. */
#include "target.h"

#include "base/fnv.h"

#include <string.h>
#include <strings.h>

/* What computed last counts as computing until it did not a few times. */
#define SCORE_COMPUTED 3
#define SCORE_COMPUTES 1

static uint32_t number_of(const char *target, size_t target_size, const char *host,
                          size_t host_size)
{
    uint64_t hash = fnv_add(FNV_BASIS, target, target_size);
    uint32_t number;

    hash = fnv_add(fnv_add(hash, "\n", 1), host, host_size);
    number = (uint32_t)(hash ^ hash >> 32);
    return number == TARGET_UNKNOWN ? 1 : number;
}

/* As much of it as says what is asked for. */
static size_t path_size(const char *target, size_t size)
{
    size_t i;

    for (i = 0; i < size && target[i] != '?' && target[i] != '#'; i++) {
        continue;
    }
    return i;
}

static const char *find_host(const char *at, const char *end, size_t *size)
{
    while ((at = memchr(at, '\n', (size_t)(end - at))) != NULL && end - ++at >= 5) {
        if (!strncasecmp(at, "Host:", 5)) {
            const char *stop;

            for (at += 5; at < end && (*at == ' ' || *at == '\t'); at++) {
                continue;
            }
            for (stop = at; stop < end && *stop != '\r' && *stop != '\n'; stop++) {
                continue;
            }
            while (stop > at && (stop[-1] == ' ' || stop[-1] == '\t')) {
                stop--;
            }
            *size = (size_t)(stop - at);
            return at;
        }
    }
    *size = 0;
    return "";
}

uint32_t target_of_bytes(const char *bytes, size_t size)
{
    const char *end = bytes + size;
    const char *space = memchr(bytes, ' ', size);
    const char *target = space ? space + 1 : end;
    const char *target_end = target < end ? memchr(target, ' ', (size_t)(end - target)) : NULL;
    const char *host;
    size_t host_size;

    /* a method begins with a capital letter; a record of TLS or a frame of HTTP/2 does not, but may
     * well have blanks in the right places */
    if (!target_end || bytes[0] < 'A' || bytes[0] > 'Z'
        || memchr(bytes, '\n', (size_t)(target_end - bytes))) {
        return TARGET_UNKNOWN;
    }
    host = find_host(target_end, end, &host_size);
    return number_of(target, path_size(target, (size_t)(target_end - target)), host, host_size);
}

uint32_t target_of_request(const char *target, const char *host)
{
    return number_of(target, path_size(target, strlen(target)), host ? host : "",
                     host ? strlen(host) : 0);
}

bool targets_compute(const targets_t *targets, uint32_t target)
{
    return target != TARGET_UNKNOWN
           && atomic_load_explicit(&targets->score[target % TARGETS], memory_order_relaxed)
              >= SCORE_COMPUTES;
}

void targets_learn(targets_t *targets, uint32_t target, bool computed)
{
    _Atomic uint8_t *score = &targets->score[target % TARGETS];
    uint8_t before = atomic_load_explicit(score, memory_order_relaxed);

    if (target == TARGET_UNKNOWN) {
        return;
    }
    /* two at a time may lose a step: it is a guess */
    if (computed) {
        atomic_store_explicit(score, SCORE_COMPUTED, memory_order_relaxed);
    }
    else if (before > 0) {
        atomic_store_explicit(score, before - 1, memory_order_relaxed);
    }
}
