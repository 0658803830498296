/*
 * Malformed input, as much of it as a server takes: requests of every kind (HTTP/1.x, pipelined,
 * chunked, upgrades, h2 prefaces and frames, TLS hellos, PROXY headers), mutated, split anywhere,
 * cut off anywhere by a close, a reset, a half-close or silence.
 *
 *   abuse -p PORT [-q TLS_PORT] [-c CONNECTIONS] [-d SECONDS] [-n INPUTS] [-s SEED] [-i FIRST]
 *         [-t SECONDS]
 *
 * Input k depends on the seed and k alone, so "-s SEED -i K -n 1" repeats one. -t is how long the
 * server may take to end a connection that is left to it (its own time-outs have to be shorter):
 * longer is "stuck", and its number is printed.
 *
 * "key value" lines at the end: inputs, answered (some bytes came back), empty, refused (no
 * connection), stuck.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define INPUT_MAX 65536
#define CLIENTS_MAX 512
/* How long a client waits for an answer before it goes, unless it is one that waits for the end. */
#define BRIEF_MS 60
/* One in this many of those that read waits for the end, whatever it takes. */
#define PATIENT_ONE_IN 8

/* --- dice (splitmix64: public domain, Sebastiano Vigna) --------------------------------------- */

typedef uint64_t dice_t;

static uint64_t roll(dice_t *dice)
{
    uint64_t z = (*dice += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static size_t below(dice_t *dice, size_t limit)
{
    return limit ? (size_t)(roll(dice) % limit) : 0;
}

static bool one_in(dice_t *dice, size_t n)
{
    return below(dice, n) == 0;
}

/* --- inputs ----------------------------------------------------------------------------------- */

typedef struct {
    const char *bytes;
    size_t length;
} text_t;

#define TEXT(literal) { literal, sizeof(literal) - 1 }

#define WEBSOCKET "GET /ws/ HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
#define H2_PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define H2_SETTINGS "\0\0\0\4\0\0\0\0\0"
/* :method GET, :scheme http, :path /, :authority a (RFC 7541, appendices A and C) */
#define H2_HEADERS "\0\0\6\1\5\0\0\0\1\x82\x86\x84\x41\x01" "a"
#define H2_POST "\0\0\6\1\4\0\0\0\3\x83\x86\x84\x41\x01" "a" "\0\0\5\0\1\0\0\0\3hello"
#define H2_REST                                                                                    \
    "\0\0\4\x8\0\0\0\0\0\0\0\x10\0"                                                                \
    "\0\0\x8\6\0\0\0\0\0abcdefgh"                                                                  \
    "\0\0\4\3\0\0\0\0\1\0\0\0\x8"
#define TLS_HELLO                                                                                  \
    "\x16\x03\x01\x00\x43\x01\x00\x00\x3f\x03\x03"                                                 \
    "0123456789abcdef0123456789abcdef"                                                             \
    "\x00"                                                                                         \
    "\x00\x04\x13\x01\x00\x2f"                                                                     \
    "\x01\x00"                                                                                     \
    "\x00\x12\x00\x0a\x00\x04\x00\x02\x00\x17\x00\x0d\x00\x04\x00\x02\x04\x03\x00\x00"

static const text_t seeds[] = {
    TEXT("GET /1k.html HTTP/1.1\r\nHost: a\r\n\r\n"),
    TEXT("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
    TEXT("GET /big.bin HTTP/1.1\r\nHost: a\r\nRange: bytes=5-70000,100000-\r\nConnection: "
         "close\r\n\r\n"),
    TEXT("HEAD /big.bin HTTP/1.1\r\nHost: a\r\nIf-None-Match: \"x\"\r\nAccept-Encoding: "
         "gzip\r\n\r\n"),
    TEXT("GET /1k.html HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n"),
    TEXT("GET /\r\n"),
    TEXT("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"),
    TEXT("TRACE / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n"),
    TEXT("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\nExpect: "
         "100-continue\r\n\r\nhello world"
         "GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    TEXT("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
         "5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nTrailer: t\r\n\r\nGET / HTTP/1.1\r\nHost: "
         "a\r\n\r\n"),
    TEXT("GET /back/ HTTP/1.1\r\nHost: a\r\n\r\nGET /back/x HTTP/1.1\r\nHost: a\r\nConnection: "
         "close\r\n\r\n"),
    TEXT("POST /back/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
         "chunked\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n"),
    TEXT("GET /1k.html HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nGET /no "
         "HTTP/1.1\r\nHost: a\r\n\r\n"
         "GET /1k.html HTTP/1.1\r\nHost: a\r\n\r\nGET /1k.html HTTP/1.1\r\nHost: a\r\nConnection: "
         "close\r\n\r\n"),
    TEXT(WEBSOCKET "\x81\x85\x01\x02\x03\x04\x69\x67\x6f\x68\x6e\x88\x80\0\0\0\0"),
    TEXT(H2_PREFACE H2_SETTINGS H2_HEADERS H2_POST H2_REST),
    TEXT("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
         "HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n" H2_PREFACE H2_SETTINGS H2_REST),
    TEXT("PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    TEXT("\r\n\r\x0aGET http://a:80/1k.html?x=%00%ff HTTP/1.1\r\nHost: a:80\r\nX: folded\r\n  "
         "on\r\n\r\n"),
};

static const text_t tls_seeds[] = {
    TEXT(TLS_HELLO),
    TEXT("\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10\x01\x00\x80\x03\x00\x80"),
    TEXT("\x15\x03\x01\x00\x02\x02\x28"),
    TEXT("GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    TEXT(H2_PREFACE H2_SETTINGS),
};

/* What parsers stumble over. */
static const text_t tokens[] = {
    TEXT("\r\n"),
    TEXT("\n"),
    TEXT("\r"),
    TEXT("\0"),
    TEXT("\r\n\r\n"),
    TEXT(" "),
    TEXT("\t"),
    TEXT(":"),
    TEXT("\xff"),
    TEXT("Content-Length: -1\r\n"),
    TEXT("Content-Length: 99999999999999999999\r\n"),
    TEXT("Content-Length: 5, 6\r\n"),
    TEXT("Transfer-Encoding: chunked, identity\r\n"),
    TEXT("Transfer-Encoding: chunked\r\n"),
    TEXT("0\r\n\r\n"),
    TEXT("FFFFFFFFFFFFFFFF\r\n"),
    TEXT("7fffffffffffffff\r\n"),
    TEXT("-1\r\n"),
    TEXT("Expect: 100-continue\r\n"),
    TEXT("Expect: 200-maybe\r\n"),
    TEXT("Connection: close\r\n"),
    TEXT("Connection: keep-alive, Upgrade\r\n"),
    TEXT("Upgrade: h2c, websocket, TLS/1.0\r\n"),
    TEXT("HTTP/9.9"),
    TEXT("HTTP/1.1"),
    TEXT("../../"),
    TEXT("%2e%2e%2f"),
    TEXT("Range: bytes=0-0,1-1,2-2,3-3,4-4,5-5,6-6,7-7,-1\r\n"),
    TEXT("Host:\r\n"),
    TEXT(": nameless\r\n"),
    TEXT(H2_PREFACE),
    TEXT("\0\0\0\7\0\0\0\0\0"),
    TEXT("\xff\xff\xff\1\xff\xff\xff\xff\xff"),
    TEXT("GET /1k.html HTTP/1.1\r\n"),
};

typedef struct {
    unsigned char bytes[INPUT_MAX];
    size_t length;
} input_t;

static void insert(input_t *in, size_t at, const void *bytes, size_t length)
{
    length = MIN(length, INPUT_MAX - in->length);
    memmove(in->bytes + at + length, in->bytes + at, in->length - at);
    memcpy(in->bytes + at, bytes, length);
    in->length += length;
}

static void cut_out(input_t *in, size_t at, size_t length)
{
    length = MIN(length, in->length - at);
    memmove(in->bytes + at, in->bytes + at + length, in->length - at - length);
    in->length -= length;
}

static void insert_noise(input_t *in, dice_t *dice)
{
    unsigned char noise[64];
    size_t length = 1 + below(dice, sizeof(noise)), i;

    for (i = 0; i < length; i++) {
        noise[i] = (unsigned char)roll(dice);
    }
    insert(in, below(dice, in->length + 1), noise, length);
}

/* A piece of the input, again and again: long lines, many fields, floods of frames. */
static void repeat_piece(input_t *in, dice_t *dice)
{
    static unsigned char piece[256];
    size_t at = below(dice, in->length);
    size_t length = MIN(1 + below(dice, sizeof(piece)), in->length - at);
    size_t times = one_in(dice, 4) ? 1 + below(dice, 400) : 1 + below(dice, 8);

    memcpy(piece, in->bytes + at, length);
    while (times-- > 0) {
        insert(in, at, piece, length);
    }
}

static void mutate(input_t *in, dice_t *dice)
{
    size_t at = below(dice, in->length);
    const text_t *token = &tokens[below(dice, sizeof(tokens) / sizeof(*tokens))];
    const text_t *other = &seeds[below(dice, sizeof(seeds) / sizeof(*seeds))];

    if (in->length == 0) {
        return;
    }
    switch (below(dice, 8)) {
    case 0:
        in->bytes[at] ^= (unsigned char)(1u << below(dice, 8));
        break;
    case 1:
        in->bytes[at] = (unsigned char)roll(dice);
        break;
    case 2:
        cut_out(in, at, 1 + below(dice, 16));
        break;
    case 3:
        insert_noise(in, dice);
        break;
    case 4:
    case 5:
        insert(in, at, token->bytes, token->length);
        break;
    case 6:
        repeat_piece(in, dice);
        break;
    default:
        insert(in, at, other->bytes, 1 + below(dice, other->length));
        break;
    }
}

static void make_input(input_t *in, dice_t *dice, bool tls)
{
    const text_t *seed = tls ? &tls_seeds[below(dice, sizeof(tls_seeds) / sizeof(*tls_seeds))]
                             : &seeds[below(dice, sizeof(seeds) / sizeof(*seeds))];
    size_t mutations = one_in(dice, 6) ? 0 : 1 + below(dice, 4);

    in->length = 0;
    insert(in, 0, seed->bytes, seed->length);
    while (mutations-- > 0) {
        mutate(in, dice);
    }
    if (one_in(dice, 4)) {
        in->length = below(dice, in->length + 1);
    }
}

/* --- clients ---------------------------------------------------------------------------------- */

typedef enum {
    END_READ,           /* read what comes, then close */
    END_PATIENT,        /* read until the server closes */
    END_HALF_CLOSE,     /* no more from us, read until the server closes */
    END_RESET,
    END_CLOSE,
    END_SILENT,         /* neither read nor write for a while, then reset */
    END_COUNT
} end_e;

typedef struct {
    int fd;             /* -1: free */
    uint64_t number;
    dice_t dice;
    input_t input;
    size_t sent;
    size_t piece;       /* bytes of a write, at most; 0: all */
    bool slow;          /* a pause between writes */
    bool sending;
    bool answered;
    end_e end;
    int64_t next_ms;    /* not to be written to before */
    int64_t give_up_ms;
} client_t;

static client_t clients[CLIENTS_MAX];
static struct {
    int port, tls_port, connections, seconds, patience_s;
    uint64_t inputs, seed, first;
} options = { .connections = 48, .seconds = 5, .patience_s = 30, .inputs = UINT64_MAX };
static struct {
    uint64_t inputs, answered, empty, refused, stuck;
} totals;
static volatile sig_atomic_t interrupted;

static void on_signal(int signo)
{
    (void)signo;
    interrupted = 1;
}

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void finish(client_t *cl, bool reset)
{
    if (reset) {
        struct linger off = { 1, 0 };

        setsockopt(cl->fd, SOL_SOCKET, SO_LINGER, &off, sizeof(off));
    }
    close(cl->fd);
    cl->fd = -1;
    *(cl->answered ? &totals.answered : &totals.empty) += 1;
}

static void start(client_t *cl)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    bool tls;
    int one = 1;

    cl->number = options.first + totals.inputs++;
    cl->dice = options.seed * UINT64_C(0x2545f4914f6cdd1d) + cl->number;
    tls = options.tls_port && one_in(&cl->dice, 5);
    make_input(&cl->input, &cl->dice, tls);
    cl->end = (end_e)below(&cl->dice, END_COUNT);
    if (cl->end == END_PATIENT && !one_in(&cl->dice, PATIENT_ONE_IN)) {
        cl->end = END_READ;
    }
    cl->piece = one_in(&cl->dice, 2) ? 0 : one_in(&cl->dice, 3) ? 1 : 1 + below(&cl->dice, 200);
    cl->slow = one_in(&cl->dice, 3) && cl->input.length < 2000;
    cl->sent = 0;
    cl->sending = true;
    cl->answered = false;
    cl->next_ms = 0;
    cl->give_up_ms = now_ms() + options.patience_s * 1000;
    to.sin_port = htons((uint16_t)(tls ? options.tls_port : options.port));
    cl->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (cl->fd < 0
        || (connect(cl->fd, (struct sockaddr *)&to, sizeof(to)) && errno != EINPROGRESS)) {
        totals.refused++;
        if (cl->fd >= 0) {
            close(cl->fd);
        }
        cl->fd = -1;
        return;
    }
    setsockopt(cl->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

/* All is sent, or the server takes no more. */
static void sent_all(client_t *cl, int64_t now)
{
    cl->sending = false;
    switch (cl->end) {
    case END_READ:
        cl->give_up_ms = now + BRIEF_MS;
        break;
    case END_HALF_CLOSE:
        shutdown(cl->fd, SHUT_WR);
        break;
    case END_SILENT:
        cl->give_up_ms = now + (int64_t)below(&cl->dice, 1000);
        break;
    case END_RESET:
        finish(cl, true);
        break;
    case END_CLOSE:
        finish(cl, false);
        break;
    default:
        break;
    }
}

static void send_piece(client_t *cl, int64_t now)
{
    size_t left = cl->input.length - cl->sent;
    size_t piece = cl->piece && cl->piece < left ? cl->piece : left;
    ssize_t n = send(cl->fd, cl->input.bytes + cl->sent, piece, MSG_NOSIGNAL);

    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    cl->sent += n > 0 ? (size_t)n : 0;
    if (n < 0 || cl->sent == cl->input.length) {
        sent_all(cl, now);
    }
    else if (cl->slow) {
        cl->next_ms = now + (int64_t)below(&cl->dice, 4);
    }
}

static void receive(client_t *cl)
{
    char scrap[16384];
    ssize_t n = recv(cl->fd, scrap, sizeof(scrap), 0);

    if (n > 0) {
        cl->answered = true;
    }
    else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        finish(cl, false);
    }
}

static void time_is_up(client_t *cl)
{
    if (cl->sending || cl->end == END_PATIENT || cl->end == END_HALF_CLOSE) {
        printf("stuck_input %llu\n", (unsigned long long)cl->number);
        totals.stuck++;
    }
    finish(cl, cl->end == END_SILENT);
}

static bool may_start(int64_t until_ms)
{
    return !interrupted && totals.inputs < options.inputs && now_ms() < until_ms;
}

static short wanted(const client_t *cl, int64_t now)
{
    short events = cl->end == END_SILENT ? 0 : POLLIN;

    return cl->sending && now >= cl->next_ms ? (short)(events | POLLOUT) : events;
}

static void serve(client_t *cl, short events, int64_t now)
{
    if (cl->sending && (events & (POLLOUT | POLLERR | POLLHUP))) {
        send_piece(cl, now);
    }
    if (cl->fd >= 0 && cl->end != END_SILENT && (events & (POLLIN | POLLERR | POLLHUP))) {
        receive(cl);
    }
    if (cl->fd >= 0 && now >= cl->give_up_ms) {
        time_is_up(cl);
    }
}

static void run(void)
{
    static struct pollfd fds[CLIENTS_MAX];
    int64_t until_ms = now_ms() + options.seconds * 1000;
    int i, open;

    do {
        int64_t now;

        open = 0;
        for (i = 0; i < options.connections; i++) {
            if (clients[i].fd < 0 && may_start(until_ms)) {
                start(&clients[i]);
            }
            fds[i] = (struct pollfd) { .fd = clients[i].fd };
            if (clients[i].fd >= 0) {
                fds[i].events = wanted(&clients[i], now_ms());
                open++;
            }
        }
        poll(fds, (nfds_t)options.connections, 2);
        now = now_ms();
        for (i = 0; i < options.connections; i++) {
            if (clients[i].fd >= 0) {
                serve(&clients[i], fds[i].revents, now);
            }
        }
    } while (open > 0 || may_start(until_ms));
}

static void usage(void)
{
    fprintf(stderr, "usage: abuse -p PORT [-q TLS_PORT] [-c CONNECTIONS] [-d SECONDS] [-n INPUTS] "
                    "[-s SEED] [-i FIRST] "
                    "[-t SECONDS]\n");
    exit(2);
}

static void read_options(int argc, char **argv)
{
    int option;

    while ((option = getopt(argc, argv, "p:q:c:d:n:s:i:t:")) != -1) {
        uint64_t value = option == '?' ? 0 : strtoull(optarg, NULL, 10);

        switch (option) {
        case 'p': options.port = (int)value; break;
        case 'q': options.tls_port = (int)value; break;
        case 'c': options.connections = (int)MIN(value, CLIENTS_MAX); break;
        case 'd': options.seconds = (int)value; break;
        case 'n': options.inputs = value; break;
        case 's': options.seed = value; break;
        case 'i': options.first = value; break;
        case 't': options.patience_s = (int)value; break;
        default: usage();
        }
    }
    if (!options.port || options.connections < 1) {
        usage();
    }
}

int main(int argc, char **argv)
{
    int i;

    read_options(argc, argv);
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, on_signal);
    for (i = 0; i < CLIENTS_MAX; i++) {
        clients[i].fd = -1;
    }
    printf("ready %d\n", options.connections);
    run();
    printf("inputs %llu\nanswered %llu\nempty %llu\nrefused %llu\nstuck %llu\nend\n",
           (unsigned long long)totals.inputs, (unsigned long long)totals.answered,
           (unsigned long long)totals.empty, (unsigned long long)totals.refused,
           (unsigned long long)totals.stuck);
    return 0;
}
