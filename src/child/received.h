/* What the kernel has received on a connection, read by somebody or not. In a file of its own: the
 * kernel's struct tcp_info, which has it, and the C library's do not go together. */
#ifndef ADP_RECEIVED_H
#define ADP_RECEIVED_H

#include <stdbool.h>
#include <stdint.h>

typedef struct received_t {
    uint64_t bytes;             /* since the connection began */
    int64_t since_last_us;      /* the last ones came that long ago, to the millisecond */
} received_t;

/* False: it is no TCP connection, or the kernel is older than 4.1. Any thread that may use the
 * descriptor. */
bool received_look(int fd, received_t *received);

#endif
