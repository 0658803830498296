/* Connections that are opened and held. */

#include "run.h"

#include "tool.h"
#include "exchange.h"
#include "options.h"
#include "request.h"

#include <sys/epoll.h>

#define HOLD_RATE 2000          /* connections opened a second */

/* A held connection has what its kind asks for: from here on only its end is of interest. */
static void hold_reached(connection *c)
{
    counters.held++;
    conn_become(c, CONN_IDLE);
    conn_watch(c, EPOLLIN);
}

static void hold_connected(connection *c)
{
    static const char partial[] = "GET / HTTP/1.1\r\nHost: local";

    if (options.kind == HOLD_IDLE) {
        exchange_connected(c);
        return;
    }
    if (options.kind == HOLD_PARTIAL && conn_write(c, partial, sizeof(partial) - 1) < 0) {
        exchange_failed(c, FAIL_RESET);
        return;
    }
    hold_reached(c);
}

static void hold_event(connection *c)
{
    int was_reading = c->state == CONN_READING;

    if (c->state == CONN_CONNECTING) {
        hold_connected(c);
        return;
    }
    exchange_event(c);
    counters.held += was_reading && c->state == CONN_IDLE;
}

static void hold_wait(int timeout_ms)
{
    struct epoll_event events[256];
    int i, n = epoll_wait(epoll_fd, events, 256, timeout_ms);

    for (i = 0; i < n; i++) {
        hold_event(events[i].data.ptr);
    }
}

static void open_one(void)
{
    connection *c = conn_unused(CONNECTIONS_MAX);

    c->request = (request){ .due_us = now_us() };
    if (!conn_open(c, request_origin(&c->request))) {
        exchange_failed(c, FAIL_CONNECT);
    }
}

void run_hold(void)
{
    int i, told = 0;
    long reported = 0;
    int64_t start_us = now_us(), end_us = start_us + (int64_t)(options.seconds * 1000000.0);

    outcomes_start(start_us);
    for (i = 0; i < options.connections; i++) {
        open_one();
        /* Not all at once: where the backlog overflows, the kernel lets a client believe that it
         * is connected while the server will never hear of it. */
        do {
            hold_wait(1);
        } while (now_us() < start_us + (int64_t)(i + 1) * 1000000 / HOLD_RATE);
    }
    while (!interrupted && now_us() < end_us) {
        sweep_timeouts();
        if (conns_under_way() == 0 && !told) {
            told = 1;
            printf("ready %ld\n", counters.held);
            fflush(stdout);
        }
        else if (!told && counters.held != reported) {
            reported = counters.held;
            printf("opening %ld\n", counters.held);
            fflush(stdout);
        }
        hold_wait(SWEEP_US / 1000);
    }
}
