/* One socket option, and what the kernel tells of handshakes. The parent and the steward, while
 * a listening socket ends. */
#include "last_call.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#define TCP_FLAGS_OFFSET 13     /* in the header, with which a packet begins for such a filter */
#define TCP_FLAG_SYN     0x02
#define KEEP_ALL         0xffffffffu
#define FIRST_LENT       3      /* SD_LISTEN_FDS_START */

/* Handed over by a service manager, sd_listen_fds(3): it listens on when we have ended, and starts
 * us again for whoever connects. */
static bool is_lent(int fd)
{
    const char *count = getenv("LISTEN_FDS");

    return count && fd >= FIRST_LENT && fd - FIRST_LENT < atoi(count);
}

int last_call(int fd)
{
    struct sock_filter drop_syn[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, TCP_FLAGS_OFFSET),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, TCP_FLAG_SYN, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, KEEP_ALL)
    };
    struct sock_fprog program = { sizeof(drop_syn) / sizeof(drop_syn[0]), drop_syn };
    int off = 0;

    if (is_lent(fd)) {
        return EBUSY;
    }
    /* without the filter too: who is connected can be accepted before the socket is closed */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &off, sizeof(off));
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) ? errno : 0;
}

int last_call_port(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } address = { .any = { .sa_family = AF_UNSPEC } };
    socklen_t size = sizeof(address);

    if (getsockname(fd, &address.any, &size)) {
        return 0;
    }
    return address.any.sa_family == AF_INET ? ntohs(address.in.sin_port)
           : address.any.sa_family == AF_INET6 ? ntohs(address.in6.sin6_port) : 0;
}

static bool is_among(int port, const int *ports, int count)
{
    int i;

    for (i = 0; i < count; i++) {
        if (ports[i] == port) {
            return true;
        }
    }
    return false;
}

/* "   0: 0100007F:1F90 0100007F:C350 03 ...": number, local and remote address, state; see
 * proc(5). */
static bool is_handshake(const char *line, const int *ports, int count)
{
    unsigned port, state;

    return sscanf(line, " %*u: %*[0-9A-F]:%x %*[0-9A-F]:%*x %x", &port, &state) == 2
           && state == TCP_SYN_RECV && is_among((int)port, ports, count);
}

bool last_call_pending(const char *root, const int *ports, int count)
{
    static const char *const tables[] = { "/proc/net/tcp", "/proc/net/tcp6" };
    bool found = false;
    size_t i;

    for (i = 0; i < sizeof(tables) / sizeof(tables[0]) && !found; i++) {
        char path[PATH_MAX], line[512];
        FILE *table;

        snprintf(path, sizeof(path), "%s%s", root, tables[i]);
        table = fopen(path, "re");
        while (table && !found && fgets(line, sizeof(line), table)) {
            found = is_handshake(line, ports, count);
        }
        if (table) {
            fclose(table);
        }
    }
    return found;
}
