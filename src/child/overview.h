/* What the connections of a child are doing, in words: for the log. */
#ifndef ADP_OVERVIEW_H
#define ADP_OVERVIEW_H

#include "fwd.h"

#include <stddef.h>
#include <stdint.h>

/* Room for a summary and the connections that are named. */
#define OVERVIEW_BYTES 1900

/* "3 connections (1 being served, 2 closing): 192.0.2.1:4711 being served for 610 s, "GET ..."; ...
 * and 1 more": how many there are of each kind, and the five that have been like that for longest.
 * Of a connection only what conn.h allows other threads is read. The steward. */
void overview_describe(child_t *child, char *buffer, size_t size, int64_t now_us);

#endif
