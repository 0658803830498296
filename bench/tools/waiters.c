/*
 * Clients that a server has to wait for. Each opens a connection, goes as far as its kind goes, and
 * from then on gives the server nothing to do, or hardly anything. How fast the server is does not
 * matter here; what matters is what it keeps for each of them.
 *
 *   waiters -p PORT -k KIND [-T] [-u PATH] [-c CLIENTS] [-o AT_A_TIME] [-i MS] [-b BYTES]
 *           [-l LENGTH] [-d SECONDS]
 *
 *   header     a request but for the empty line at the end of its header
 *   trickle    the header of a request, whose end never comes, one piece after the other
 *   handshake  a TLS handshake: every other client stops within its first message, the others when
 *              the server has answered it
 *   upload     a request and the beginning of its body, the rest in pieces
 *   read       the answer to a request is read in pieces, from a small buffer
 *   idle       the answer is read, the connection is kept, and nothing follows
 *
 * A piece has BYTES (-b), and there is one each MS (-i, 1000); clients take turns. A body has
 * LENGTH bytes (-l, 16384). With -T the connection is one with TLS (not for handshake, which has
 * none that is complete). At most AT_A_TIME clients (-o, 100) are on their way at the same time,
 * but whoever needs longer than three seconds no longer counts against that.
 *
 * Prints "ready N" when nobody is on the way any more (N: how many wait), "opening N" while more
 * and more do; after SECONDS (-d, 60) or SIGTERM "key value" lines. Nobody comes twice: a client
 * that the server ends is counted as "closed", or as "answered" if the server said something first.
 * What has ended otherwise: "connect" (no connection, or no handshake), "refused" (a status other
 * than 2xx), "done" (a request was sent, or an answer was read, to its end). "waiting" and
 * "underway" (not yet waiting) is what is left. sent and received: bytes, without those of TLS.
 */

#include "tool.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef WITH_TLS
#include <openssl/err.h>
#include <openssl/ssl.h>
#else
typedef struct ssl_st SSL;
#endif

#define CLIENTS_MAX 19000
#define HEADER_MAX 1024
#define EVENTS 256
#define TICK_MS 20
#define OVERDUE_US 3000000
#define PROGRESS_US 1000000
/* Of those who read slowly: the kernel takes twice as much, and loopback needs some of it. */
#define RECEIVE_BUFFER 16384

enum kind { HEADER, TRICKLE, HANDSHAKE, UPLOAD, READ, IDLE, KINDS };

static const char *const kind_names[KINDS] = {
    "header", "trickle", "handshake", "upload", "read", "idle"
};

enum state { UNBORN, CONNECTING, SHAKING, ASKED, WAITING, GONE };

enum ending { CONNECT, REFUSED, ANSWERED, CLOSED, DONE, ENDINGS };

static const char *const ending_names[ENDINGS] = {
    "connect", "refused", "answered", "closed", "done"
};

typedef struct {
    int fd;
    enum state state;
    int is_overdue;             /* on its way for too long to have others wait for it */
    int64_t begun_us;
    SSL *ssl;                   /* NULL: none */
    size_t sent;                /* of what it has to say */
    int header_length;          /* of the answer, -1 when it is complete */
    int64_t body_left;
    char header[HEADER_MAX + 1];
} client;

static struct {
    struct sockaddr_in address;
    enum kind kind;
    const char *path;
    int tls, clients, at_a_time;
    int64_t interval_us;
    size_t piece, length;
    double seconds;
} options = { .kind = KINDS, .path = "/", .clients = 100, .at_a_time = 100, .interval_us = 1000000,
            .length = 16384, .seconds = 60 };

static client *clients;
static int born, in_state[GONE + 1], counted_under_way;
static long ended[ENDINGS];
static int64_t sent_bytes, received_bytes;
static int epoll_fd;
static volatile sig_atomic_t interrupted;

/* What a client says: the first part at once, the rest in pieces or never. */
static char *words;
static size_t words_length, words_at_once;

static void on_term(int sig)
{
    (void)sig;
    interrupted = 1;
}

/* ---- TLS ---- */

#ifdef WITH_TLS

static SSL_CTX *tls_context;

static void tls_init(void)
{
    tls_context = SSL_CTX_new(TLS_client_method());
    if (!tls_context) {
        die("TLS");
    }
    SSL_CTX_set_mode(tls_context, SSL_MODE_RELEASE_BUFFERS);
}

static SSL *tls_new(int fd)
{
    SSL *ssl = SSL_new(tls_context);

    if (!ssl || !SSL_set_fd(ssl, fd)) {
        die("TLS");
    }
    return ssl;
}

static void tls_free(SSL *ssl)
{
    SSL_free(ssl);
}

/* 1: done, 0: once more when something has come, -1: never. */
static int tls_outcome(SSL *ssl, int rv)
{
    int error = SSL_get_error(ssl, rv);

    ERR_clear_error();
    return error == SSL_ERROR_NONE ? 1 : error == SSL_ERROR_WANT_READ ? 0 : -1;
}

static int tls_shake(SSL *ssl)
{
    return tls_outcome(ssl, SSL_connect(ssl));
}

static ssize_t tls_send(SSL *ssl, const char *from, size_t length)
{
    size_t n = 0;
    int rv = tls_outcome(ssl, SSL_write_ex(ssl, from, length, &n));

    return rv > 0 ? (ssize_t)n : -1;
}

static ssize_t tls_receive(SSL *ssl, char *to, size_t room)
{
    size_t n = 0;
    int rv = tls_outcome(ssl, SSL_read_ex(ssl, to, room, &n));

    return rv > 0 ? (ssize_t)n : rv == 0 ? 0 : -1;
}

/* The first message of a client, the same from all of them: no server minds. */
static size_t tls_first_message(char *to, size_t room)
{
    SSL *ssl = SSL_new(tls_context);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    int n;

    if (!ssl || !in || !out) {
        die("TLS");
    }
    SSL_set_bio(ssl, in, out);
    SSL_connect(ssl);
    n = BIO_read(out, to, (int)room);
    ERR_clear_error();
    SSL_free(ssl);
    return n > 0 ? (size_t)n : 0;
}

#else

static void tls_init(void)
{
    fprintf(stderr, "waiters: built without OpenSSL\n");
    exit(2);
}

static SSL *tls_new(int fd)
{
    (void)fd;
    return NULL;
}

static void tls_free(SSL *ssl)
{
    (void)ssl;
}

static int tls_shake(SSL *ssl)
{
    (void)ssl;
    return -1;
}

static ssize_t tls_send(SSL *ssl, const char *from, size_t length)
{
    (void)ssl;
    (void)from;
    (void)length;
    return -1;
}

static ssize_t tls_receive(SSL *ssl, char *to, size_t room)
{
    (void)ssl;
    (void)to;
    (void)room;
    return -1;
}

static size_t tls_first_message(char *to, size_t room)
{
    (void)to;
    (void)room;
    return 0;
}

#endif

/* ---- a client's connection ---- */

static int counts_as_under_way(const client *c)
{
    return c->state >= CONNECTING && c->state <= ASKED && !c->is_overdue;
}

static void become(client *c, enum state state, int is_overdue)
{
    counted_under_way -= counts_as_under_way(c);
    in_state[c->state]--;
    c->state = state;
    c->is_overdue = is_overdue;
    in_state[c->state]++;
    counted_under_way += counts_as_under_way(c);
}

static void watch(client *c, int op, uint32_t events)
{
    struct epoll_event event = { .events = events, .data = { .ptr = c } };

    if (epoll_ctl(epoll_fd, op, c->fd, &event) != 0) {
        die("epoll_ctl");
    }
}

static void end(client *c, enum ending how)
{
    ended[how]++;
    if (c->ssl) {
        tls_free(c->ssl);
        c->ssl = NULL;
    }
    close(c->fd);
    c->fd = -1;
    become(c, GONE, 0);
}

/* How many bytes there are, 0: none now, -1: nor will there be. */
static ssize_t receive(client *c, char *to, size_t room)
{
    ssize_t n;

    if (c->ssl) {
        n = tls_receive(c->ssl, to, room);
    }
    else {
        n = recv(c->fd, to, room, MSG_DONTWAIT);
        n = n > 0 ? n : n < 0 && errno == EAGAIN ? 0 : -1;
    }
    received_bytes += n > 0 ? n : 0;
    return n;
}

/* What a client says at a time is little: if the kernel has no room for it, nobody reads, and it
 * is said the next time. False: there is nobody any more to say it to. */
static int say(client *c, size_t length)
{
    size_t left = words_length - c->sent;
    ssize_t n;

    length = length < left ? length : left;
    if (c->ssl) {
        n = tls_send(c->ssl, words + c->sent, length);
    }
    else {
        n = send(c->fd, words + c->sent, length, MSG_NOSIGNAL | MSG_DONTWAIT);
        n = n < 0 && errno == EAGAIN ? 0 : n;
    }
    if (n < 0) {
        return 0;
    }
    c->sent += (size_t)n;
    sent_bytes += n;
    return 1;
}

/* ---- how a client comes to wait ---- */

/* Of one who reads slowly only a failure is heard of by itself: what else there is, is read when
 * it is due. */
static void wait_from_now(client *c)
{
    become(c, WAITING, 0);
    watch(c, EPOLL_CTL_MOD, options.kind == READ ? 0 : EPOLLIN);
}

/* Whether it sees an answer before it waits. */
static int expects_answer(const client *c)
{
    return options.kind == READ || options.kind == IDLE
           || (options.kind == HANDSHAKE && (c - clients) % 2 == 1);
}

/* Every other handshake stops in the middle of a message. */
static size_t first_words(const client *c)
{
    return options.kind == HANDSHAKE && !expects_answer(c) ? words_length / 2 : words_at_once;
}

static void ask(client *c)
{
    if (!say(c, first_words(c))) {
        end(c, CLOSED);
    }
    else if (expects_answer(c)) {
        become(c, ASKED, c->is_overdue);
        watch(c, EPOLL_CTL_MOD, EPOLLIN);
    }
    else {
        wait_from_now(c);
    }
}

static void shake(client *c)
{
    int rv = tls_shake(c->ssl);

    if (rv < 0) {
        end(c, CONNECT);
    }
    else if (rv > 0) {
        ask(c);
    }
}

static void connected(client *c)
{
    if (connect_error(c->fd)) {
        end(c, CONNECT);
        return;
    }
    if (!options.tls) {
        ask(c);
        return;
    }
    c->ssl = tls_new(c->fd);
    become(c, SHAKING, c->is_overdue);
    watch(c, EPOLL_CTL_MOD, EPOLLIN);
    shake(c);
}

static void come(client *c)
{
    int one = 1, small = RECEIVE_BUFFER;

    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0) {
        die("socket");
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (options.kind == READ) {
        setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    }
    c->begun_us = now_us();
    become(c, CONNECTING, 0);
    if (connect(c->fd, (struct sockaddr *)&options.address, sizeof(options.address)) != 0
        && errno != EINPROGRESS) {
        end(c, CONNECT);
        return;
    }
    watch(c, EPOLL_CTL_ADD, EPOLLOUT);
}

/* ---- answers ---- */

/* True when the header of the answer is complete and one of success. */
static int header_is_good(client *c, const char **body)
{
    char *end_of_header = strstr(c->header, "\r\n\r\n"), *line;
    int status = 0;

    if (!end_of_header || sscanf(c->header, "HTTP/1.%*d %d", &status) != 1 || status / 100 != 2) {
        return 0;
    }
    *body = end_of_header + 4;
    end_of_header[2] = '\0';
    for (line = strstr(c->header, "\r\n"); line; line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, "Content-Length:", 15) == 0) {
            c->body_left = atoll(line + 17);
            return 1;
        }
    }
    return 0;
}

static void body_arrived(client *c, int64_t bytes)
{
    c->body_left -= bytes;
    if (options.kind == READ) {
        if (c->body_left <= 0) {
            end(c, DONE);
        }
        else if (c->state == ASKED) {
            wait_from_now(c);
        }
    }
    else if (c->body_left <= 0) {
        wait_from_now(c);
    }
}

static void header_arrived(client *c, ssize_t n)
{
    const char *body;

    c->header_length += (int)n;
    c->header[c->header_length] = '\0';
    if (header_is_good(c, &body)) {
        n = c->header + c->header_length - body;
        c->header_length = -1;
        body_arrived(c, n);
    }
    else if (strstr(c->header, "\r\n\r\n") || c->header_length == HEADER_MAX) {
        end(c, REFUSED);
    }
}

static void answer_read(client *c)
{
    static char buffer[16384];

    while (c->state == ASKED) {
        int in_header = options.kind != HANDSHAKE && c->header_length >= 0;
        ssize_t n = in_header
                        ? receive(c, c->header + c->header_length,
                                  (size_t)(HEADER_MAX - c->header_length))
                        : receive(c, buffer, sizeof(buffer));

        if (n == 0) {
            return;
        }
        if (n < 0) {
            end(c, CLOSED);
        }
        else if (options.kind == HANDSHAKE) {
            wait_from_now(c);
        }
        else if (in_header) {
            header_arrived(c, n);
        }
        else {
            body_arrived(c, n);
        }
    }
}

/* The server does something about a client that waits. What it says in a handshake comes in more
 * than one part. */
static void disturbed(client *c)
{
    static char buffer[16384];
    ssize_t n = options.kind == READ ? -1 : receive(c, buffer, sizeof(buffer));

    if (n < 0) {
        end(c, CLOSED);
    }
    else if (n > 0 && options.kind != HANDSHAKE) {
        end(c, ANSWERED);
    }
}

static void client_event(client *c)
{
    switch (c->state) {
    case CONNECTING:
        connected(c);
        break;
    case SHAKING:
        shake(c);
        break;
    case ASKED:
        answer_read(c);
        break;
    case WAITING:
        disturbed(c);
        break;
    case UNBORN:
    case GONE:
        break;
    }
}

/* ---- pieces ---- */

static void read_piece(client *c)
{
    static char buffer[65536];
    ssize_t n = receive(c, buffer, options.piece < sizeof(buffer) ? options.piece : sizeof(buffer));

    if (n < 0) {
        end(c, CLOSED);
    }
    else {
        body_arrived(c, n);
    }
}

static void send_piece(client *c)
{
    if (!say(c, options.piece)) {
        end(c, CLOSED);
    }
    else if (c->sent == words_length) {
        end(c, DONE);
    }
}

static void piece(client *c)
{
    if (c->state != WAITING) {
        return;
    }
    if (options.kind == READ) {
        read_piece(c);
    }
    else if (options.kind == UPLOAD || options.kind == TRICKLE) {
        send_piece(c);
    }
}

/* Each client has a turn an interval, and these are spread over it. */
static void pieces_due(int64_t elapsed_us)
{
    static int64_t turns;
    int64_t due = (int64_t)((double)elapsed_us * options.clients / (double)options.interval_us);

    for (; turns < due; turns++) {
        piece(&clients[turns % options.clients]);
    }
}

/* ---- the whole ---- */

static void sweep_overdue(int64_t now)
{
    int i;

    for (i = 0; i < born; i++) {
        if (counts_as_under_way(&clients[i]) && now - clients[i].begun_us > OVERDUE_US) {
            become(&clients[i], clients[i].state, 1);
        }
    }
}

static void tell_progress(int64_t now)
{
    static int is_ready;
    static int64_t told_us;

    if (is_ready) {
        return;
    }
    if (born == options.clients && counted_under_way == 0) {
        is_ready = 1;
        printf("ready %d\n", in_state[WAITING]);
    }
    else if (now - told_us > PROGRESS_US) {
        told_us = now;
        printf("opening %d\n", in_state[WAITING]);
    }
    fflush(stdout);
}

static void wait_events(void)
{
    struct epoll_event events[EVENTS];
    int i, n = epoll_wait(epoll_fd, events, EVENTS, TICK_MS);

    for (i = 0; i < n; i++) {
        client_event(events[i].data.ptr);
    }
}

static void run(void)
{
    int64_t start_us = now_us(), now = start_us;
    int64_t end_us = start_us + (int64_t)(options.seconds * 1000000.0);

    in_state[UNBORN] = options.clients;
    while (!interrupted && now < end_us) {
        while (born < options.clients && counted_under_way < options.at_a_time) {
            come(&clients[born++]);
        }
        wait_events();
        now = now_us();
        pieces_due(now - start_us);
        sweep_overdue(now);
        tell_progress(now);
    }
}

static void report(void)
{
    int i;

    for (i = 0; i < ENDINGS; i++) {
        printf("%s %ld\n", ending_names[i], ended[i]);
    }
    printf("clients %d\nwaiting %d\nunderway %d\nsent %lld\nreceived %lld\nend\n", options.clients,
           in_state[WAITING], options.clients - in_state[WAITING] - in_state[GONE],
           (long long)sent_bytes, (long long)received_bytes);
}

/* ---- what they say ---- */

static size_t header_of(char *to, size_t room, const char *method, const char *end_of_header)
{
    return (size_t)snprintf(to, room, "%s %s HTTP/1.1\r\nHost: localhost\r\n%s", method,
                            options.path, end_of_header);
}

/* Longer than anybody waits for it. */
static void say_endless_header(size_t room)
{
    words_length = room - 1;
    memset(words, 'a', room);
    header_of(words, room, "GET", "X-Long: ");
    words[strlen(words)] = 'a';
    words_at_once = 1;
}

static void say_upload(size_t room)
{
    char fields[128];

    snprintf(fields, sizeof(fields), "Content-Type: text/plain\r\nContent-Length: %zu\r\n\r\n",
             options.length);
    memset(words, 'b', room);
    words_at_once = header_of(words, room, "POST", fields);
    words[words_at_once] = 'b';
    words_length = words_at_once + options.length;
    words_at_once += options.piece;
}

static void prepare_words(void)
{
    size_t room = HEADER_MAX * 8 + options.length;

    words = calloc(1, room);
    if (!words) {
        die("words");
    }
    switch (options.kind) {
    case HANDSHAKE:
        words_at_once = words_length = tls_first_message(words, room);
        break;
    case TRICKLE:
        say_endless_header(HEADER_MAX * 4);
        break;
    case UPLOAD:
        say_upload(room);
        break;
    case HEADER:
        words_at_once = words_length = header_of(words, room, "GET", "Accept: */*\r\n");
        break;
    default:
        words_at_once = words_length = header_of(words, room, "GET", "\r\n");
        break;
    }
}

static enum kind kind_of(const char *name)
{
    int i;

    for (i = 0; i < KINDS && strcmp(kind_names[i], name) != 0; i++) {
    }
    return (enum kind)i;
}

static void parse_options(int argc, char **argv)
{
    int o;

    options.address.sin_family = AF_INET;
    options.address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    while ((o = getopt(argc, argv, "p:k:u:c:o:i:b:l:d:T")) != -1) {
        switch (o) {
        case 'p':
            options.address.sin_port = htons((uint16_t)atoi(optarg));
            break;
        case 'k':
            options.kind = kind_of(optarg);
            break;
        case 'u':
            options.path = optarg;
            break;
        case 'c':
            options.clients = atoi(optarg);
            break;
        case 'o':
            options.at_a_time = atoi(optarg);
            break;
        case 'i':
            options.interval_us = atoll(optarg) * 1000;
            break;
        case 'b':
            options.piece = strtoul(optarg, NULL, 10);
            break;
        case 'l':
            options.length = strtoul(optarg, NULL, 10);
            break;
        case 'd':
            options.seconds = atof(optarg);
            break;
        case 'T':
            options.tls = 1;
            break;
        default:
            exit(2);
        }
    }
    if (!options.piece) {
        options.piece = options.kind == READ ? 4096 : options.kind == UPLOAD ? 100 : 1;
    }
}

static int options_are_good(void)
{
    return options.address.sin_port && options.kind != KINDS && options.clients > 0
           && options.clients <= CLIENTS_MAX && options.at_a_time > 0 && options.interval_us > 0
           && (options.kind != UPLOAD || options.length > options.piece)
           && options.length <= 1048576 && options.seconds > 0
           && strlen(options.path) < HEADER_MAX / 2 && !(options.tls && options.kind == HANDSHAKE);
}

int main(int argc, char **argv)
{
    parse_options(argc, argv);
    if (!options_are_good()) {
        fprintf(stderr, "waiters: bad port, kind, number or length\n");
        exit(2);
    }
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    signal(SIGTERM, on_term);
    signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();
    /* Whatever goes wrong here, it does not stay behind. */
    alarm((unsigned)options.seconds + 20);
    if (options.tls || options.kind == HANDSHAKE) {
        tls_init();
    }
    prepare_words();
    clients = calloc((size_t)options.clients, sizeof(*clients));
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (!clients || epoll_fd < 0) {
        die("clients");
    }
    run();
    report();
    return 0;
}
