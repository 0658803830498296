/* What a RequestReadTimeout line says about the time that a client has for a stage of its request.
 *
 * mod_reqtimeout keeps these times once a thread reads. While a connection waits without one, that
 * is up to us (first_byte.c, collect.c). Pure C: no httpd.
 */
#ifndef ADP_REQTIMEOUT_H
#define ADP_REQTIMEOUT_H

#include <stdbool.h>
#include <stdint.h>

/* "header=20-40,MinRate=500" as three numbers. */
typedef struct read_times_t {
    long first_s;               /* as long as nothing has come; 0: no limit */
    long most_s;                /* what comes prolongs it up to that; 0: for ever */
    long bytes_per_s;           /* this much prolongs it by a second; 0: nothing does */
} read_times_t;

/* What the arguments of a RequestReadTimeout line give a stage ("handshake", "header", "body").
 * False: nothing, or what mod_reqtimeout would refuse; times is as it was. */
bool reqtimeout_stage(const char *args, const char *stage, read_times_t *times);

/* When the stage is over that began at since_us and in which this many bytes have come; with no
 * limit INT64_MAX. Microseconds of the same clock. */
int64_t reqtimeout_due_us(const read_times_t *times, int64_t since_us, uint64_t bytes);

#endif
