/* listen(2) on a socket that listens already only changes the length of its queue. */
#include "backlog.h"

#include "apr_portable.h"
#include "http_config.h"
#include "util_cfgtree.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <strings.h>
#include <sys/socket.h>

/* ListenBacklog is a directive of the server alone, and what stands in IfModule, IfDefine or an
 * included file is at the top of the tree like all else. */
static bool is_configured(const ap_directive_t *directive)
{
    for (; directive; directive = directive->next) {
        if (!strcasecmp(directive->directive, "ListenBacklog")) {
            return true;
        }
    }
    return false;
}

/* tcp(7) does not say so, but for a listening socket this is the length of its queue, as ss(8)
 * shows it. */
static unsigned places_of(int fd)
{
    struct tcp_info info;
    socklen_t length = sizeof(info);

    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) ? 0 : info.tcpi_sacked;
}

void backlog_widen(ap_listen_rec *const *buckets, int bucket_count)
{
    const ap_listen_rec *record;
    int i, fd;

    if (is_configured(ap_conftree)) {
        return;
    }
    for (i = 0; i < bucket_count; i++) {
        for (record = buckets[i]; record; record = record->next) {
            if (apr_os_sock_get(&fd, record->sd) == APR_SUCCESS && places_of(fd) < BACKLOG_PLACES) {
                /* where that fails it stays as httpd has set it */
                (void)listen(fd, BACKLOG_PLACES);
            }
        }
    }
}
