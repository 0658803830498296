/* What a request asks for, as a number, and which targets compute. */

#include "child/target.h"

#include "tap.h"

#include <string.h>

static uint32_t of(const char *bytes)
{
    return target_of_bytes(bytes, strlen(bytes));
}

static void test_bytes(void)
{
    uint32_t plain = of("GET /a/b?x=1 HTTP/1.1\r\nAccept: */*\r\nHost: one.example\r\n\r\n");
    size_t i;
    const char *whole = "GET /a/b?x=1 HTTP/1.1\r\nHost: one.example\r\n\r\n";

    is(plain, target_of_request("/a/b?x=1", "one.example"), "bytes and request: the same number");
    is(of("POST /a/b HTTP/1.1\nhOsT:one.example \n\n"), plain,
       "method, query, case and blanks make no difference");
    ok(of("GET /a/c HTTP/1.1\r\nHost: one.example\r\n\r\n") != plain, "another path");
    ok(of("GET /a/b HTTP/1.1\r\nHost: two.example\r\n\r\n") != plain, "another host");
    is(of("GET / HTTP/1.0\r\n\r\n"), target_of_request("/", NULL), "no host");
    is(of(""), TARGET_UNKNOWN, "nothing");
    is(of("\x16\x03\x01\x02"), TARGET_UNKNOWN, "a handshake");
    is(of("\x17\x03\x03 one two three"), TARGET_UNKNOWN, "a record that has blanks");
    is(of("GET /never-ending"), TARGET_UNKNOWN, "half a request line");
    is(of("GET\r\nHost: x y\r\n"), TARGET_UNKNOWN, "no target in the first line");
    for (i = 0; i <= strlen(whole); i++) {
        /* a copy that ends where it ends: the sanitizers see a look beyond */
        char part[64];

        memcpy(part, whole, i);
        target_of_bytes(part, i);
    }
    ok(true, "cut off anywhere");
}

static void test_scores(void)
{
    static targets_t targets;
    uint32_t t = target_of_request("/report", "one.example");
    int i;

    ok(!targets_compute(&targets, t), "nothing is known yet");
    targets_learn(&targets, t, false);
    ok(!targets_compute(&targets, t), "it did not compute");
    targets_learn(&targets, t, true);
    ok(targets_compute(&targets, t), "it did");
    targets_learn(&targets, t, false);
    ok(targets_compute(&targets, t), "once it did not");
    for (i = 0; i < 5; i++) {
        targets_learn(&targets, t, false);
    }
    ok(!targets_compute(&targets, t), "it does not any more");
    targets_learn(&targets, TARGET_UNKNOWN, true);
    ok(!targets_compute(&targets, TARGET_UNKNOWN), "of what is unknown nothing is learned");
}

int main(void)
{
    tap_begin(20);
    test_bytes();
    test_scores();
    return tap_done();
}
