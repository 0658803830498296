/* What the desk does all day (desk.h): one thread, one poll(2), a few connections. */
#ifndef ADP_DESK_SERVE_H
#define ADP_DESK_SERVE_H

#include <stdbool.h>
#include <sys/types.h>

/* A listening socket. */
typedef struct desk_door_t {
    int fd;                     /* -1: it is closed */
    bool local_only;            /* asks for a Host of this machine (desk_http.h) */
} desk_door_t;

#define DESK_DOORS 2

/* Serve until SIGTERM has come and what was begun is answered. Returns the exit code. In the
 * process of the desk, which has no other thread. */
int desk_serve(const desk_door_t doors[DESK_DOORS]);

#endif
