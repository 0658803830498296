/*
 * Load with a schedule: the k-th request is due k/rate seconds after the start, whatever became of
 * those before it, and its latency counts from then. Or the requests of a trace, each at its time.
 * Or many connections that are opened and held.
 *
 *   loadgen -m new  -p PORT -u PATH -r RATE -d SECONDS            a new connection each
 *   loadgen -m keep -p PORT -u PATH -r RATE -d SECONDS -c N       on N kept-alive connections
 *   loadgen -m new|keep -p PORT -S PORT -T FILE [-x FACTOR]       a trace
 *   loadgen -m hold -p PORT -u PATH -k silent|partial|idle -c N -d SECONDS
 *
 * -s RATE:SECONDS,RATE:SECONDS,... instead of -r and -d gives rates that follow each other. -P SEED
 * makes the arrivals those of a Poisson process with these rates; the same seed gives the same
 * arrivals. -S PORT instead of -p: over TLS. -V HOST is the host that is asked for (localhost). -H
 * 'Name: value', as often as need be, adds header lines to all requests.
 *
 * -T FILE: a request per line, in the order of time, with tabs between the columns:
 *
 *   AT_US METHOD SCHEME HOST PATH [FIELDS]
 *
 * AT_US counts from the start of the trace, and is divided by FACTOR (-x). METHOD is GET or HEAD,
 * SCHEME http (on the port of -p) or https (-S). FIELDS are header lines, between which there are
 * the two characters \n. A kept-alive connection is used again for the same scheme and host; if all
 * N are taken, one that is idle is closed to make room ("evicted"). TLS has the server name,
 * http/1.1 as its protocol and sessions that are resumed, as with a browser; certificates are not
 * verified. A trace may ask for what is not there: an answer is ok if its status is below 500, and
 * with a schedule if it is 2xx.
 *
 * -t SECONDS bounds a single request (10), from when it is sent. -n N: at most N connections at a
 * time, new ones too; what is due meanwhile waits for one. -e: the end of the schedule is the end;
 * what has not been answered by then is counted as "unfinished". SIGTERM ends the schedule early.
 * -l FILE gets a line for each request that ended: "DUE LATE DONE RECEIVED KIND STATUS INDEX
 * BYTES", times in us, moments since the start. LATE is by how much this program missed DUE;
 * RECEIVED is when the backend had it if it says so (t/tools/backend.c: X-Received-Us,
 * CLOCK_MONOTONIC), else -1; KIND is ok or that of the failure; STATUS is 0 if there was no answer;
 * INDEX is the line of the trace or the number of the request, from 0; BYTES are those of the body.
 * -R asks for real-time priority, so that a busy machine does not delay what is measured; it goes
 * on without.
 *
 * "ready N" is printed when the first request is due, or all held connections are up (N is how
 * many are; until then "opening N" while they get more); "fail MS KIND PID FRESH" for each lost
 * request (MS: since 1970; PID: the child that answered on this connection before, if its answers
 * carry X-Adp-Pid); then "key value" lines. late_*: how late this program itself was; start_us:
 * CLOCK_MONOTONIC; cpu_us: processor time of this program; resumed: TLS sessions; behind_max: how
 * many requests were due at the same time without a connection for them.
 *
 * A server may close a kept-alive connection between two requests: it is opened anew and nothing
 * is lost. A request that crosses such a close on the wire finds the close there as soon as it is
 * sent, or a moment later if the server lost its processor between its last look and the close: it
 * is sent again on another connection and counted as "crossed". Any later close is a failure; but
 * with a trace a request is sent again after any close without an answer, as browsers do.
 */

#include "tool.h"
#include "conn.h"
#include "options.h"
#include "outcome.h"
#include "queue.h"
#include "request.h"
#include "run.h"
#include "trace.h"

#include <limits.h>
#include <signal.h>
#include <unistd.h>

static void on_term(int sig)
{
    (void)sig;
    interrupted = 1;
}

static void handle_signals(void)
{
    struct sigaction action = { .sa_handler = on_term };
    double most_s = options.seconds + options.timeout_seconds * 2 + 20;

    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    /* Whatever goes wrong here, it does not stay behind. */
    alarm(most_s < INT_MAX ? (unsigned)most_s : 0);
}

int main(int argc, char **argv)
{
    long requests;

    options_parse(argc, argv);
    if (options.https_port && !tls_is_built_in()) {
        complain("-S %d: " TLS_MISSING, options.https_port);
    }
    if (options.https_port) {
        tls_begin();
    }
    if (options.trace_file) {
        trace_read();
    }
    raise_descriptor_limit();
    handle_signals();
    requests = schedule_begin() + options.connections;
    outcomes_begin(requests);
    queue_begin(requests);
    requests_begin();
    conns_begin();
    if (options.mode == MODE_HOLD) {
        run_hold();
    }
    else {
        run_schedule();
    }
    outcomes_report();
    return 0;
}
