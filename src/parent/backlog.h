/* The queue of connections that wait in the kernel to be accepted. httpd asks for 511 places for
 * each listening socket. When a thousand clients come in the same instant the others find it full,
 * and try again after a second of their own accord (RFC 6298: TCP's first timeout), though all of
 * them are served in a tenth of that. An entry takes a few KB of the kernel's memory, and only
 * while somebody waits in it, so that there is nothing to be saved.
 */
#ifndef ADP_BACKLOG_H
#define ADP_BACKLOG_H

#include "ap_listen.h"

/* What these sockets get where ListenBacklog does not say: Linux's own SOMAXCONN since 5.4. The
 * kernel takes net.core.somaxconn if that is less. */
#define BACKLOG_PLACES 4096

/* Give each of these sockets that many places, unless it has more already or the configuration has
 * ListenBacklog. buckets: lists of sockets that listen, bucket_count of them. The parent, when they
 * have been set up, with each configuration. */
void backlog_widen(ap_listen_rec *const *buckets, int bucket_count);

#endif
