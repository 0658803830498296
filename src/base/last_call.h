/* The end of a listening socket without a connection lost: nobody new begins, whoever has begun
 * gets in.
 *
 * close(2) resets every connection that is complete and has not been accepted. Accepting until
 * nothing is left and closing then is not enough. Others arrive in between, and on a busy machine
 * that is long enough for hundreds. And with TCP_DEFER_ACCEPT, which AcceptFilter sets, a client
 * that is connected and has not sent its request yet cannot be accepted at all.
 *
 * So the kernel first drops the packets that would begin a connection (SYN), and defers no more:
 * handshakes under way end as usual, and what is in the backlog afterwards is all that there
 * will ever be. A client that is too late asks again after a second, as TCP does, and finds that
 * the port is closed.
 *
 * Pure C: tested without httpd.
 */
#ifndef ADP_LAST_CALL_H
#define ADP_LAST_CALL_H

#include <stdbool.h>

/* How long a handshake may go on after last_call(): whoever is connected and has sent nothing
 * gets in when the kernel repeats the second packet of the handshake, a second after the first. */
#define LAST_CALL_MOST_MS 1500

/* From now on nobody begins a connection to the listening TCP socket fd, in whatever process it
 * is open, for as long as it is open: there is no way back. What is accepted from it is not
 * affected. Returns 0, or an errno value if the kernel does not drop packets: EPERM where that
 * takes CAP_NET_ADMIN (seen with Linux 6.18, for TCP), and then only the deferring ends. EBUSY for
 * a socket of systemd's socket activation, which has to go on listening and is left alone. Any
 * thread. */
int last_call(int fd);

/* The port of a TCP socket, 0: it has none. Any thread. */
int last_call_port(int fd);

/* Is a handshake with one of the ports under way, on any address? root: where /proc is, "" but
 * for tests; what cannot be read has none. Reads the kernel's whole table of connections. Any
 * thread. */
bool last_call_pending(const char *root, const int *ports, int count);

#endif
