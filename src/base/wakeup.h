/* A wake-up that can be sent from anywhere: signal handlers, other threads, and (inherited
 * over fork) other processes. An eventfd behind four names. */
#ifndef ADP_WAKEUP_H
#define ADP_WAKEUP_H

/* Opens a non-blocking, close-on-exec descriptor. Returns 0 or an errno value. */
int wakeup_open(int *fd);
void wakeup_close(int *fd);

/* Make the descriptor readable; keeps errno, safe in signal handlers. */
void wakeup_send(int fd);

/* Make it unreadable again; the wake-ups so far count as received. Never waits. */
void wakeup_receive(int fd);

#endif
