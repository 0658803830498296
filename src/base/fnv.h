/* FNV-1a, 64 bits: a hash of bytes by Fowler, Noll and Vo. For tables, not against an opponent. */
#ifndef ADP_FNV_H
#define ADP_FNV_H

#include <stddef.h>
#include <stdint.h>

#define FNV_BASIS UINT64_C(0xcbf29ce484222325)

/* The hash of what `hash` stands for (FNV_BASIS: nothing yet), and then of these bytes. Any
 * thread. */
static inline uint64_t fnv_add(uint64_t hash, const char *bytes, size_t size)
{
    size_t i;

    for (i = 0; i < size; i++) {
        hash = (hash ^ (unsigned char)bytes[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

#endif
