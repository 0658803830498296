/* The table of origins, found by a hash of their names. */

#include "origin.h"

#include "tool.h"
#include "options.h"

#include <arpa/inet.h>
#include <string.h>

static origin **origins;
static uint32_t count;
static uint32_t *buckets;       /* 1 + the number of an origin, 0: free */
static uint32_t bucket_count;   /* a power of two */

static uint32_t hash_of(int is_tls, const char *host, size_t length)
{
    uint32_t hash = UINT32_C(2166136261) + (uint32_t)is_tls;

    while (length--) {
        hash = (hash ^ (unsigned char)*host++) * UINT32_C(16777619);
    }
    return hash;
}

static uint32_t *bucket_of(int is_tls, const char *host, size_t length)
{
    uint32_t i = hash_of(is_tls, host, length);

    for (;; i++) {
        uint32_t *bucket = &buckets[i & (bucket_count - 1)];
        const origin *o = *bucket ? origins[*bucket - 1] : NULL;

        if (!o || (o->is_tls == is_tls && o->host_length == length
                   && memcmp(o->host, host, length) == 0)) {
            return bucket;
        }
    }
}

static void grow(void)
{
    origin **more;
    uint32_t i;

    bucket_count = bucket_count ? bucket_count * 2 : 64;
    more = realloc(origins, bucket_count * sizeof(*origins));
    free(buckets);
    buckets = calloc(bucket_count, sizeof(*buckets));
    if (!buckets || !more) {
        die("hosts");
    }
    origins = more;
    for (i = 0; i < count; i++) {
        *bucket_of(origins[i]->is_tls, origins[i]->host, origins[i]->host_length) = i + 1;
    }
}

static origin *origin_new(int is_tls, const char *host, size_t length)
{
    origin *o = calloc(1, sizeof(*o));

    if (!o || (o->host = strndup(host, length)) == NULL) {
        die("hosts");
    }
    o->host_length = length;
    o->is_tls = is_tls;
    o->address.sin_family = AF_INET;
    o->address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    o->address.sin_port = htons(is_tls ? options.https_port : options.http_port);
    ring_init(&o->idle);
    return o;
}

uint32_t origin_number(int is_tls, const char *host, size_t host_length)
{
    uint32_t *bucket;

    if (count * 2 >= bucket_count) {
        grow();
    }
    bucket = bucket_of(is_tls, host, host_length);
    if (!*bucket) {
        origins[count++] = origin_new(is_tls, host, host_length);
        *bucket = count;
    }
    return *bucket - 1;
}

origin *origin_of(uint32_t number)
{
    return origins[number];
}
