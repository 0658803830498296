/* The readiness queue of a child: connections, listeners and wake-ups in one kernel
 * object, from which every idle worker takes one event at a time.
 *
 * This is the whole interface to the kernel's poller, so that another backend (kqueue)
 * can stand in for epoll. Nothing here knows httpd. All functions may be called from any
 * thread; they return 0 or an errno value unless they say otherwise.
 */
#ifndef ADP_POLLER_H
#define ADP_POLLER_H

#include <stdbool.h>
#include <stdint.h>

typedef struct poller_t {
    int fd;
} poller_t;

/* What an event is about; chosen by the caller, handed back with the event. */
typedef uint64_t poller_token_t;

typedef enum {
    POLLER_READ,
    POLLER_WRITE
} poller_want_e;

/* Create the poller; close-on-exec. */
int poller_open(poller_t *p);
void poller_close(poller_t *p);

/* Watch a listening socket, level-triggered. Of several children that watch the same
 * socket the kernel wakes one that has an idle worker (EPOLLEXCLUSIVE). */
int poller_add_listener(poller_t *p, int fd, poller_token_t token);

/* Watch an eventfd, edge-triggered: each write(2) to it is one event for one worker,
 * taken in the order of all events; nobody has to read it. */
int poller_add_edge(poller_t *p, int fd, poller_token_t token);

/* Watch an eventfd, level-triggered: once written, every worker gets its event. */
int poller_add_level(poller_t *p, int fd, poller_token_t token);

/* Ask for one event for a connection. known says whether the poller has seen this
 * descriptor before (it forgets it when the descriptor is closed or removed). */
int poller_arm(poller_t *p, int fd, poller_token_t token, poller_want_e want, bool known);

/* Forget a descriptor. Needed before close(2) where the registration is armed: a forked
 * child process may hold a duplicate that keeps it alive. */
int poller_remove(poller_t *p, int fd);

/* Wait for one event, timeout_ms < 0 for ever. Returns 1 with *token set, 0 after the
 * timeout or a signal, -1 with errno set. */
int poller_wait(poller_t *p, poller_token_t *token, int timeout_ms);

/* True while an event is ready that nobody has taken. */
bool poller_has_ready(const poller_t *p);

/* A descriptor that poll(2) finds readable while that is so. */
int poller_fd(const poller_t *p);

#endif
