/* Is the head of a request complete? Judged by what httpd does (read_request_line(),
 * ap_get_mime_headers_core()): as long as it would read on and nothing else, a head is unfinished.
 * Each head is looked at as a whole, in two parts split at every byte, and byte by byte: the
 * verdict must be the same, and come with the same byte. */

#include "child/request_head.h"

#include "t/fuzz/head_invariants.h"
#include "tap.h"

#include <string.h>
#include <sys/mman.h>

static head_limits_t limits(void)
{
    return (head_limits_t) {
        .line_bytes = 60, .field_bytes = 40, .fields = 5, .blank_lines = 3, .head_bytes = 400,
        .strict = true
    };
}

/* However it comes. */
static bool is_consistent(const head_limits_t *l, const char *data, size_t size)
{
    random_t dice = random_seed(1);
    const char *wrong = head_wrong(l, data, size, &dice);

    if (wrong) {
        diag("%s", wrong);
    }
    return wrong == NULL;
}

/* A size of 0: as long as its string. */
typedef struct example_t {
    const char *name, *data;
    head_verdict_e verdict;
    size_t size;
} example_t;

#define REQUEST "GET / HTTP/1.1\r\n"
#define HOST    "Host: localhost\r\n"
/* with its size, because of NULs */
#define BYTES(text, verdict) text, verdict, sizeof(text) - 1

/* In the strict form. The limits: 60 bytes of a request line, 40 of a field, and httpd lets one
 * more pass of each; with no end of the line in sight its buffer is full after two more. */
static const example_t examples[] = {
    { "nothing", "", HEAD_UNFINISHED, 0 },
    { "a method", "GE", HEAD_UNFINISHED, 0 },
    { "a request line without its end", "GET / HTTP/1.1", HEAD_UNFINISHED, 0 },
    { "... with half of it", "GET / HTTP/1.1\r", HEAD_UNFINISHED, 0 },
    { "a request line", REQUEST, HEAD_UNFINISHED, 0 },
    { "a field", REQUEST HOST, HEAD_UNFINISHED, 0 },
    { "half an empty line", REQUEST HOST "\r", HEAD_UNFINISHED, 0 },
    { "complete", REQUEST HOST "\r\n", HEAD_COMPLETE, 0 },
    { "no field", REQUEST "\r\n", HEAD_COMPLETE, 0 },
    { "HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", HEAD_COMPLETE, 0 },
    { "HTTP/1.9", "GET / HTTP/1.9\r\n\r\n", HEAD_COMPLETE, 0 },
    { "more behind it", REQUEST HOST "\r\nGET /next", HEAD_COMPLETE, 0 },

    { "empty lines before it", "\r\n\r\n" REQUEST "\r\n", HEAD_COMPLETE, 0 },
    { "as many of them as may be", "\r\n\r\n\r\n" REQUEST "\r\n", HEAD_COMPLETE, 0 },
    { "only empty lines", "\r\n\r\n\r\n", HEAD_UNFINISHED, 0 },
    { "too many of them", "\r\n\r\n\r\n\r\n", HEAD_FOR_HTTPD, 0 },

    { "HTTP/0.9", "GET /\r\n", HEAD_FOR_HTTPD, 0 },
    { "a strange version", "GET / HTTP/3.0\r\n", HEAD_FOR_HTTPD, 0 },
    { "a version in small letters", "GET / http/1.1\r\n", HEAD_FOR_HTTPD, 0 },
    { "no digit in it", "GET / HTTP/1.x\r\n", HEAD_FOR_HTTPD, 0 },
    { "a longer one", "GET / HTTP/1.10\r\n", HEAD_FOR_HTTPD, 0 },
    { "no version", "GET / \r\n", HEAD_FOR_HTTPD, 0 },
    { "no target", "GET HTTP/1.1\r\n", HEAD_FOR_HTTPD, 0 },
    { "an empty target", "GET  HTTP/1.1\r\n", HEAD_FOR_HTTPD, 0 },
    { "no method", " / HTTP/1.1\r\n", HEAD_FOR_HTTPD, 0 },
    { "two blanks", "GET  / HTTP/1.1\r\n", HEAD_FOR_HTTPD, 0 },
    { "two blanks before the version", "GET /  HTTP/1.1\r\n", HEAD_FOR_HTTPD, 0 },
    { "a blank at the end", "GET / HTTP/1.1 \r\n", HEAD_FOR_HTTPD, 0 },
    { "a tab instead", "GET\t/ HTTP/1.1\r\n", HEAD_FOR_HTTPD, 0 },
    { "a blank in the target", "GET /a b HTTP/1.1\r\n", HEAD_FOR_HTTPD, 0 },
    { "a blank at the beginning", " " REQUEST, HEAD_FOR_HTTPD, 0 },
    { "a method that is no token", "G(T / HTTP/1.1\r\n", HEAD_FOR_HTTPD, 0 },
    { "a method of one's own", "x-y_z / HTTP/1.1\r\n\r\n", HEAD_COMPLETE, 0 },
    { "a request line that is none", "nonsense\r\n", HEAD_FOR_HTTPD, 0 },
    { "one CR too many", "GET / HTTP/1.1\r\r\n", HEAD_FOR_HTTPD, 0 },
    { "a CR in it", "GET /\ra HTTP/1.1\r\n", HEAD_FOR_HTTPD, 0 },
    { "a control character in the target", "GET /\x01 HTTP/1.1\r\n", HEAD_FOR_HTTPD, 0 },
    { "DEL in the target", "GET /\x7f HTTP/1.1\r\n", HEAD_FOR_HTTPD, 0 },
    { "beyond ASCII", "GET /\xc3\xa4\x80 HTTP/1.1\r\n\r\n", HEAD_COMPLETE, 0 },
    { "a fragment", "GET /a#b HTTP/1.1\r\n", HEAD_FOR_HTTPD, 0 },
    { "a query", "GET /a?b=%00&c=/ HTTP/1.1\r\n\r\n", HEAD_COMPLETE, 0 },
    { "two slashes", "GET //a HTTP/1.1\r\n\r\n", HEAD_COMPLETE, 0 },
    { "a target without a slash", "GET a HTTP/1.1\r\n", HEAD_FOR_HTTPD, 0 },
    { "* for another method", "GET * HTTP/1.1\r\n", HEAD_FOR_HTTPD, 0 },
    { "OPTIONS *", "OPTIONS * HTTP/1.1\r\n\r\n", HEAD_COMPLETE, 0 },
    { "a whole URL", "GET http://a.b:80/c HTTP/1.1\r\n\r\n", HEAD_COMPLETE, 0 },
    { "... without a path", "GET HTTP://a-b HTTP/1.1\r\n\r\n", HEAD_COMPLETE, 0 },
    { "... with a user", "GET http://a@b/ HTTP/1.1\r\n", HEAD_FOR_HTTPD, 0 },
    { "... with a port that is none", "GET http://a:b/ HTTP/1.1\r\n", HEAD_FOR_HTTPD, 0 },
    { "CONNECT", "CONNECT a:443 HTTP/1.1\r\n", HEAD_FOR_HTTPD, 0 },
    { "CONNECT with a path", "CONNECT / HTTP/1.1\r\n", HEAD_FOR_HTTPD, 0 },
    { "a handshake", BYTES("\x16\x03\x01\x02\x00\x01\x00", HEAD_UNFINISHED) },
    { "a handshake with an LF in it", BYTES("\x16\x03\x01\x02\x00\x01\n", HEAD_FOR_HTTPD) },
    { "a PROXY header in binary", BYTES("\r\n\r\n\0\r\nQUIT\n", HEAD_FOR_HTTPD) },
    { "a PROXY header", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n", HEAD_FOR_HTTPD, 0 },
    { "HTTP/2", "PRI * HTTP/2.0\r\n", HEAD_FOR_HTTPD, 0 },

    { "a line feed alone", "\n", HEAD_FOR_HTTPD, 0 },
    { "... at the end", "GET / HTTP/1.1\n", HEAD_FOR_HTTPD, 0 },
    { "... of a field", REQUEST "Host: localhost\n", HEAD_FOR_HTTPD, 0 },
    { "... of a fold", REQUEST "Host: a\r\n b\n", HEAD_FOR_HTTPD, 0 },
    { "... as the empty line", REQUEST HOST "\n", HEAD_FOR_HTTPD, 0 },

    { "NUL in the method", BYTES("G\0T / HTTP/1.1\r\n", HEAD_FOR_HTTPD) },
    { "NUL in the target", BYTES("GET /\0 HTTP/1.1\r\n", HEAD_FOR_HTTPD) },
    { "NUL in it, and no end yet", BYTES("GET /\0 HTTP/1.1\r", HEAD_UNFINISHED) },
    { "NUL at the end", BYTES("GET / HTTP/1.1\0\r\n", HEAD_FOR_HTTPD) },
    { "NUL in a name", BYTES(REQUEST "H\0st: a\r\n", HEAD_FOR_HTTPD) },
    { "NUL in a value", BYTES(REQUEST "Host: a\0\r\n", HEAD_FOR_HTTPD) },
    { "NUL in a fold", BYTES(REQUEST "Host: a\r\n \0\r\n", HEAD_FOR_HTTPD) },
    { "NUL in the empty line", BYTES(REQUEST HOST "\0\r\n", HEAD_FOR_HTTPD) },

    { "a field without a colon, so far", REQUEST "Nonsense\r\n", HEAD_UNFINISHED, 0 },
    { "a field without a colon", REQUEST "Nonsense\r\n\r\n", HEAD_FOR_HTTPD, 0 },
    { "... and one behind it", REQUEST "Nonsense\r\n" HOST, HEAD_FOR_HTTPD, 0 },
    { "... that is not complete", REQUEST "Nonsense\r\nHost: localhost\r", HEAD_UNFINISHED, 0 },
    { "... that is continued", REQUEST "Nonsense\r\n : x\r\n", HEAD_UNFINISHED, 0 },
    { "... with the colon", REQUEST "Nonsense\r\n : x\r\n\r\n", HEAD_FOR_HTTPD, 0 },
    { "a blank before the colon", REQUEST "Host : x\r\n\r\n", HEAD_FOR_HTTPD, 0 },
    { "a name that is no token", REQUEST "H(st: x\r\n\r\n", HEAD_FOR_HTTPD, 0 },
    { "a name beyond ASCII", REQUEST "H\xc3\xb6st: x\r\n\r\n", HEAD_FOR_HTTPD, 0 },
    { "no name", REQUEST ": x\r\n\r\n", HEAD_FOR_HTTPD, 0 },
    { "no value", REQUEST "Host:\r\n\r\n", HEAD_COMPLETE, 0 },
    { "blanks as a value", REQUEST "Host: \t \r\n\r\n", HEAD_COMPLETE, 0 },
    { "a control character in a value", REQUEST "Host: a\x01\r\n\r\n", HEAD_FOR_HTTPD, 0 },
    { "... so far", REQUEST "Host: a\x01\r\n", HEAD_UNFINISHED, 0 },
    { "DEL in a value", REQUEST "Host: a\x7f\r\n\r\n", HEAD_FOR_HTTPD, 0 },
    { "a CR in a value", REQUEST "Host: a\rb\r\n\r\n", HEAD_FOR_HTTPD, 0 },
    { "a CR as a field", REQUEST HOST "\r\r\n", HEAD_UNFINISHED, 0 },
    { "... and an empty line", REQUEST HOST "\r\r\n\r\n", HEAD_FOR_HTTPD, 0 },
    { "a value beyond ASCII", REQUEST "Host: \xc3\xb6\t\x80\r\n\r\n", HEAD_COMPLETE, 0 },

    { "a folded field", REQUEST "X: a\r\n b\r\n\tc\r\n\r\n", HEAD_COMPLETE, 0 },
    { "a fold that continues nothing", REQUEST " b\r\n", HEAD_FOR_HTTPD, 0 },
    { "... and is not complete", REQUEST " b", HEAD_UNFINISHED, 0 },
    { "an empty fold", REQUEST "X: a\r\n \r\n", HEAD_FOR_HTTPD, 0 },
    { "a fold of blanks", REQUEST "X: a\r\n \t \r\n", HEAD_FOR_HTTPD, 0 },
    { "a control character in a fold", REQUEST "X: a\r\n \x01\r\n\r\n", HEAD_FOR_HTTPD, 0 },
    { "... so far", REQUEST "X: a\r\n \x01\r\n", HEAD_UNFINISHED, 0 },
    { "folded as far as it may be",
      REQUEST "X: 45678901234567890\r\n 23456789012345678\r\n\r\n", HEAD_COMPLETE, 0 },
    { "folded beyond the limit",
      REQUEST "X: 45678901234567890\r\n 234567890123456789\r\n", HEAD_FOR_HTTPD, 0 },
    { "blanks around a fold do not count",
      REQUEST "X: 45678901234567890      \r\n       23456789012345678     \r\n\r\n",
      HEAD_COMPLETE, 0 },
    { "folded beyond it in three parts",
      REQUEST "X: 4567890\r\n 2345678901\r\n 234567890123456789\r\n", HEAD_FOR_HTTPD, 0 },

    { "a long request line",
      "GET /67890123456789012345678901234567890123456789012 HTTP/1.1\r\n\r\n", HEAD_COMPLETE, 0 },
    { "too long a request line",
      "GET /678901234567890123456789012345678901234567890123 HTTP/1.1\r\n\r\n",
      HEAD_FOR_HTTPD, 0 },
    { "... that is full",
      "GET /678901234567890123456789012345678901234567890123456789012", HEAD_UNFINISHED, 0 },
    { "... without an end",
      "GET /6789012345678901234567890123456789012345678901234567890123", HEAD_FOR_HTTPD, 0 },
    { "a long field", REQUEST "X-3: 678901234567890123456789012345678901\r\n\r\n",
      HEAD_COMPLETE, 0 },
    { "too long a field", REQUEST "X-3: 6789012345678901234567890123456789012\r\n\r\n",
      HEAD_FOR_HTTPD, 0 },
    { "... that is full", REQUEST "X-3: 6789012345678901234567890123456789012",
      HEAD_UNFINISHED, 0 },
    { "... without an end", REQUEST "X-3: 67890123456789012345678901234567890123",
      HEAD_FOR_HTTPD, 0 },
    { "as many fields as there may be", REQUEST "A:1\r\nB:2\r\nC:3\r\nD:4\r\nE:5\r\n\r\n",
      HEAD_COMPLETE, 0 },
    { "one more", REQUEST "A:1\r\nB:2\r\nC:3\r\nD:4\r\nE:5\r\nF:6\r\n\r\n", HEAD_FOR_HTTPD, 0 },
    { "... so far", REQUEST "A:1\r\nB:2\r\nC:3\r\nD:4\r\nE:5\r\nF:6\r\n", HEAD_UNFINISHED, 0 },
    { "... that is continued", REQUEST "A:1\r\nB:2\r\nC:3\r\nD:4\r\nE:5\r\nF:6\r\n 7\r\n",
      HEAD_UNFINISHED, 0 }
};

static size_t size_of(const example_t *e)
{
    return e->size ? e->size : strlen(e->data);
}

static void judge(const head_limits_t *l, const example_t *table, size_t count)
{
    size_t i;

    for (i = 0; i < count; i++) {
        const example_t *e = &table[i];
        head_t head;

        is(head_whole(l, e->data, size_of(e), &head), e->verdict, e->name);
        ok(is_consistent(l, e->data, size_of(e)), "... however it comes");
    }
}

static void test_examples(void)
{
    head_limits_t l = limits();

    judge(&l, examples, sizeof(examples) / sizeof(examples[0]));
}

/* HttpProtocolOptions Unsafe */
static void test_unsafe(void)
{
    static const example_t unsafe[] = {
        { "line feeds alone", "GET / HTTP/1.1\nHost: x\n\n", HEAD_COMPLETE, 0 },
        { "both kinds of lines", "GET / HTTP/1.1\r\nHost: x\n\r\n", HEAD_COMPLETE, 0 },
        { "empty lines before it", "\n\r\n\n" REQUEST "\n", HEAD_COMPLETE, 0 },
        { "too many of them", "\n\n\n\n", HEAD_FOR_HTTPD, 0 },
        { "a fold", "GET / HTTP/1.1\nX: x\n y\n\n", HEAD_COMPLETE, 0 },
        { "a name that is no token", REQUEST "H(\x01\xc3st: x\r\n\r\n", HEAD_COMPLETE, 0 },
        { "a blank before the colon", REQUEST "Host : x\r\n\r\n", HEAD_FOR_HTTPD, 0 },
        { "no colon", REQUEST "Host\r\n\r\n", HEAD_FOR_HTTPD, 0 },
        { "no name", REQUEST ": x\r\n\r\n", HEAD_FOR_HTTPD, 0 },
        { "a control character", REQUEST "Host: \x01\x7f\r\n\r\n", HEAD_COMPLETE, 0 },
        { "a form feed", REQUEST "Host: \f\r\n\r\n", HEAD_FOR_HTTPD, 0 },
        { "a CR", REQUEST "Host: a\rb\r\n\r\n", HEAD_FOR_HTTPD, 0 },
        { "NUL", BYTES(REQUEST "Host: \0\n", HEAD_FOR_HTTPD) },
        { "a fragment", "GET /a#b HTTP/1.1\n\n", HEAD_COMPLETE, 0 },
        { "a long field", REQUEST "X-3: 678901234567890123456789012345678901\n\n",
          HEAD_COMPLETE, 0 },
        { "too long a field", REQUEST "X-3: 6789012345678901234567890123456789012\n",
          HEAD_FOR_HTTPD, 0 }
    };
    head_limits_t l = limits();

    l.strict = false;
    judge(&l, unsafe, sizeof(unsafe) / sizeof(unsafe[0]));
}

/* HttpProtocolOptions RegisteredMethods; and where a module speaks HTTP/2. */
static void test_options(void)
{
    static const example_t methods[] = {
        { "a registered method", "VERSION-CONTROL / HTTP/1.1\r\n\r\n", HEAD_COMPLETE, 0 },
        { "the first of them", REQUEST "\r\n", HEAD_COMPLETE, 0 },
        { "the last of them", "MERGE / HTTP/1.1\r\n\r\n", HEAD_COMPLETE, 0 },
        { "part of one", "VERSION / HTTP/1.1\r\n", HEAD_FOR_HTTPD, 0 },
        { "another one", "NONE / HTTP/1.1\r\n", HEAD_FOR_HTTPD, 0 },
        { "in small letters", "get / HTTP/1.1\r\n", HEAD_FOR_HTTPD, 0 }
    };
    static const example_t http2[] = {
        { "HTTP/2, the beginning", "PRI * HTTP/2.0\r\n\r\n", HEAD_UNFINISHED, 0 },
        { "... all but a byte", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r", HEAD_UNFINISHED, 0 },
        { "HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", HEAD_FOR_HTTPD, 0 },
        { "something that begins like it", "PRI * HTTP/2.0\r\n\r\nSN", HEAD_FOR_HTTPD, 0 },
        { "a request that does", "PR / HTTP/1.1\r\n\r\n", HEAD_COMPLETE, 0 },
        { "a request", REQUEST HOST "\r\n", HEAD_COMPLETE, 0 }
    };
    head_limits_t l = limits();

    l.registered_methods = true;
    judge(&l, methods, sizeof(methods) / sizeof(methods[0]));
    l.registered_methods = false;
    l.http2 = true;
    judge(&l, http2, sizeof(http2) / sizeof(http2[0]));
}

static void test_no_limit(void)
{
    head_limits_t l = limits();
    char data[400] = REQUEST;
    head_t head;
    int i;

    l.fields = 0;
    for (i = 0; i < 60; i++) {
        strcat(data, "A:1\r\n");
    }
    strcat(data, "\r\n");
    is(head_whole(&l, data, strlen(data), &head), HEAD_COMPLETE, "any number of fields");
    l.head_bytes = 200;
    is(head_whole(&l, data, strlen(data), &head), HEAD_FOR_HTTPD, "but not of bytes");
}

/* What a head with these fields says about the body, if 100 bytes are waited for. */
static size_t body_of(const char *fields)
{
    head_limits_t l = limits();
    char data[300];
    head_t head;

    snprintf(data, sizeof(data), "POST / HTTP/1.1\r\n%s\r\n", fields);
    if (!ok(head_whole(&l, data, strlen(data), &head) == HEAD_COMPLETE, "complete")) {
        return SIZE_MAX;
    }
    is(head.bytes, strlen(data), "... with its last byte");
    return head_body_to_wait_for(&head, 100);
}

static void test_bodies(void)
{
    is(body_of(""), 0, "no body");
    is(body_of("Content-Length: 0\r\n"), 0, "an empty one");
    is(body_of("Content-Length: 1\r\n"), 1, "a byte");
    is(body_of("content-length:100 \r\n"), 100, "as much as is waited for");
    is(body_of("Content-Length: 101\r\n"), 0, "more than that");
    is(body_of("Content-Length: 9223372036854775807\r\n"), 0, "much more");
    is(body_of("Content-Length: 99999999999999999999\r\n"), 0, "more than can be counted");
    is(body_of("Content-Length: 9223372036854775808\r\n"), 0, "2^63");
    is(body_of("Content-Length: 0x5\r\n"), 0, "hexadecimal");
    is(body_of("Content-Length: 005\r\n"), 5, "with zeros before it");
    is(body_of("Content-Length: -5\r\n"), 0, "negative");
    is(body_of("Content-Length: +5\r\n"), 0, "with a sign");
    is(body_of("Content-Length: 5x\r\n"), 0, "with something behind it");
    is(body_of("Content-Length: 5 5\r\n"), 0, "two numbers");
    is(body_of("Content-Length: 5, 5\r\n"), 0, "a list");
    is(body_of("Content-Length:\r\n"), 0, "no number");
    is(body_of("Content-Length: 5\r\n 5\r\n"), 0, "one that goes on");
    is(body_of("Content-Length: 5\r\nContent-Length: 6\r\n"), 0, "two of them");
    is(body_of("Content-Length: 5\r\nContent-Length: 5\r\n"), 0, "... of the same number, too");
    is(body_of("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), 0, "chunked as well");
    is(body_of("Transfer-Encoding: chunked\r\n"), 0, "chunked");
    is(body_of("Content-Length: 5\r\nExpect: 100-continue\r\n"), 0, "the client waits for a 100");
    is(body_of("Transfer-Encoding:\r\n 1\r\nContent-Length: 5\r\n"), 0, "... in a fold");
    is(body_of("Content-Length: 5\r\nTransfer-Encoding: gzip\r\n"), 0, "another coding");
    is(body_of("Content-Length: 5\r\nexpect:\r\n"), 0, "no expectation in it");
    is(body_of("X: a\r\n b\r\nContent-Length: 5\r\n"), 5, "behind a fold");
    is(body_of("X-Content-Length: 5\r\n"), 0, "another field");
}

/* A head as it may be, with a few bytes changed, left out, or doubled. */
static size_t mutate(random_t *dice, char *data, size_t size, size_t room)
{
    static const char bytes[] = "\r\n \t:\0\x16/x1";
    int changes = (int)random_below(dice, 4);

    while (changes-- > 0 && size > 1 && size + 1 < room) {
        size_t at = (size_t)random_below(dice, (int64_t)size);

        switch (random_below(dice, 3)) {
        case 0:
            data[at] = bytes[random_below(dice, (int64_t)sizeof(bytes) - 1)];
            break;
        case 1:
            memmove(data + at, data + at + 1, --size - at);
            break;
        default:
            memmove(data + at + 1, data + at, size++ - at);
            break;
        }
    }
    return size;
}

/* Repeatable, and other ones with ADAPTIVE_SEED. */
static uint64_t seed(void)
{
    const char *said = getenv("ADAPTIVE_SEED");

    return said ? strtoull(said, NULL, 10) : 11;
}

static void test_mutations(void)
{
    const size_t count = sizeof(examples) / sizeof(examples[0]);
    random_t dice = random_seed(seed());
    head_limits_t l = limits();
    char data[600];
    int i, good = 0;

    diag("ADAPTIVE_SEED=%" PRIu64, seed());
    for (i = 0; i < 20000; i++) {
        const example_t *e = &examples[random_below(&dice, (int64_t)count)];
        size_t size = size_of(e);

        memcpy(data, e->data, size);
        l.strict = random_below(&dice, 2) == 1;
        l.registered_methods = random_below(&dice, 4) == 0;
        l.http2 = random_below(&dice, 4) == 0;
        good += is_consistent(&l, data, mutate(&dice, data, size, sizeof(data)));
    }
    is(good, 20000, "any bytes: the verdict does not depend on how they come");
}

/* Byte by byte, with no access to pages of bytes that have been looked at. Of a line all is looked
 * at once more when its end has come. */
static head_verdict_e look_once(const head_limits_t *l, const char *data, size_t size, head_t *head)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (size + page) / page * page;
    char *buffer = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    head_verdict_e verdict = HEAD_UNFINISHED;
    size_t came;

    head_begin(head);
    for (came = 0; came < size && verdict == HEAD_UNFINISHED; came++) {
        size_t done = data[came] == '\n' ? head->line_at : head->looked_to;

        if (data[came] == '\n' || done % page == 0) {
            mprotect(buffer, room, PROT_READ | PROT_WRITE);
            mprotect(buffer, done / page * page, PROT_NONE);
        }
        buffer[came] = data[came];
        verdict = head_look(head, l, buffer, came + 1);
    }
    munmap(buffer, room);
    return verdict;
}

#define MUCH 65536

static void test_work(void)
{
    static char data[MUCH];
    head_limits_t l = {
        .line_bytes = MUCH, .field_bytes = MUCH, .head_bytes = MUCH, .strict = true
    };
    head_t head;
    size_t i;

    memset(data, 'a', MUCH);
    is(look_once(&l, data, MUCH, &head), HEAD_UNFINISHED, "one long line: each byte once");
    memcpy(data, "GET /", 5);
    memcpy(data + MUCH - 2000, " HTTP/1.1\r\nX: a", 15);
    is(look_once(&l, data, MUCH, &head), HEAD_UNFINISHED, "... twice when it ends");
    memcpy(data, REQUEST, sizeof(REQUEST) - 1);
    memset(data + sizeof(REQUEST) - 1, 'a', MUCH - sizeof(REQUEST) + 1);
    for (i = 5000; i < MUCH; i += 5000) {
        memcpy(data + i, "\r\nX: ", 5);
    }
    memcpy(data + MUCH - 4, "\r\n\r\n", 4);
    data[sizeof(REQUEST) + 2] = ':';
    is(look_once(&l, data, MUCH, &head), HEAD_COMPLETE, "long fields");
    is(head.bytes, MUCH, "... to the last byte");
}

int main(void)
{
    tap_begin(60);
    test_examples();
    test_unsafe();
    test_options();
    test_no_limit();
    test_bodies();
    test_mutations();
    test_work();
    return tap_done();
}
