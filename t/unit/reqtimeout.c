/* What a RequestReadTimeout line says about a stage, and when that is over. */

#include "child/reqtimeout.h"

#include "tap.h"

#include <string.h>

#define S INT64_C(1000000)

/* "first-most,rate", or "-": nothing is said. */
static const char *said(const char *line, const char *stage)
{
    static char text[80];
    read_times_t times = { 0, 0, 0 };

    if (!reqtimeout_stage(line, stage, &times)) {
        return "-";
    }
    snprintf(text, sizeof(text), "%ld-%ld,%ld", times.first_s, times.most_s, times.bytes_per_s);
    return text;
}

static void says(const char *line, const char *stage, const char *expected, const char *name)
{
    const char *got = said(line, stage);

    if (!ok(!strcmp(got, expected), name)) {
        diag("%s: got %s, expected %s", line, got, expected);
    }
}

static void test_forms(void)
{
    says("header=20", "header", "20-0,0", "a plain number");
    says("header=20-40,MinRate=500", "header", "20-40,500", "a range with a rate");
    says("header=10,minrate=1000", "header", "10-0,1000", "a number with a rate");
    says("header=0", "header", "0-0,0", "0: no limit");
    says("HEADER=7", "header", "7-0,0", "in capitals");
    says("header=20,MINRATE=500", "header", "20-0,500", "... and so the rate");
    says("\"header=7-9,MinRate=1\"", "header", "7-9,1", "in quotes");
    says("header=0-40,MinRate=500", "header", "0-40,500", "0 with the rest: no limit");
    says("header=20-0,MinRate=500", "header", "20-0,500", "0 as the second: for ever");
    says("header=+20-+40,MinRate=+500", "header", "20-40,500", "with signs");
    says("header=020", "header", "20-0,0", "with a zero before it");
    says("header=2147483647", "header", "2147483647-0,0", "as much as an int holds");
    says("header=1-2147483647,MinRate=2147483647", "header", "1-2147483647,2147483647",
         "... everywhere");
}

static void test_stages(void)
{
    const char *line = "handshake=5-10,MinRate=100  header=20-40,MinRate=500\tbody=30,MinRate=600";

    says(line, "handshake", "5-10,100", "the first stage of a line");
    says(line, "header", "20-40,500", "the second");
    says(line, "body", "30-0,600", "the third");
    says("body=30", "header", "-", "a line about another stage");
    says("", "header", "-", "an empty line");
    says("header=5 header=6", "header", "6-0,0", "the last one of a line counts");
    says("header=5-9,MinRate=3 header=6", "header", "6-0,0", "... with nothing of the one before");
    says("subheader=5", "header", "-", "another word that ends so");
    says("headers=5", "header", "-", "... or begins so");
    says("header =5", "header", "-", "a blank before the sign");
    says("body=5 handshake=0", "handshake", "0-0,0", "0 for a stage");
    says(" \t header=5 \r\n", "header", "5-0,0", "blanks around it");
}

/* mod_reqtimeout refuses them, and httpd does not start. */
static void test_nonsense(void)
{
    static const char *const lines[] = {
        "header", "header=", "header=x", "header=-3", "header=5s", "header=99999999999999999999",
        "header=,MinRate=500", "=", "header=20-40", "header=20-,MinRate=5", "header=20,MinRate=",
        "header=20,MinRate=0", "header=20,MinRate=5x", "header=20,Rate=5", "header=20-x,MinRate=5",
        "header=20-20,MinRate=5", "header=40-20,MinRate=5", "header=20,MinRate=5,MinRate=5",
        "header=20-40-60,MinRate=5", "header=-,MinRate=5", "header=-40,MinRate=5",
        "header=20,MinRate=-5", "header=20-,", "header=20,", "header=20;MinRate=5", "header==5",
        "header=20,MinRate=500-600", "header=++5", "header=+", "header=0x14", "header=2e1",
        "header=2147483648", "header=20,MinRate=2147483648", "header=20-2147483648,MinRate=5",
        "header=9223372036854775808"
    };
    read_times_t times = { 1, 2, 3 };
    size_t i;

    for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        says(lines[i], "header", "-", lines[i]);
        (void)reqtimeout_stage(lines[i], "header", &times);
    }
    ok(times.first_s == 1 && times.most_s == 2 && times.bytes_per_s == 3,
       "what is not understood changes nothing");
}

static void test_due(void)
{
    read_times_t none = { 0, 0, 0 }, odd = { 0, 40, 500 }, fixed = { 20, 0, 0 };
    read_times_t range = { 20, 40, 500 }, endless = { 20, 0, 500 }, fast = { 1, 0, 3000000 };
    read_times_t odd_rate = { 1, 0, 3003 }, most = { INT32_MAX, 0, 1 };

    is(reqtimeout_due_us(&none, 5 * S, 100), INT64_MAX, "no limit");
    is(reqtimeout_due_us(&odd, 5 * S, 100), INT64_MAX, "... whatever else is said");
    is(reqtimeout_due_us(&fixed, 5 * S, 1000000), 25 * S, "bytes do not prolong a plain number");
    is(reqtimeout_due_us(&range, 5 * S, 0), 25 * S, "nothing has come: the first number");
    is(reqtimeout_due_us(&range, 5 * S, 500), 26 * S, "each 500 bytes are a second");
    is(reqtimeout_due_us(&range, 5 * S, 1), 25 * S + 2000, "... and one byte its part");
    is(reqtimeout_due_us(&range, 5 * S, 1000000), 45 * S, "up to the second number");
    is(reqtimeout_due_us(&endless, 5 * S, 1000000), 2025 * S, "without one for ever");
    ok(reqtimeout_due_us(&endless, 5 * S, UINT64_MAX) > 2025 * S, "however much comes");
    is(reqtimeout_due_us(&fast, 0, 1000000), S, "a rate above one byte in a microsecond");
    is(reqtimeout_due_us(&odd_rate, 0, 3), S + 999, "a part of a microsecond does not count");
    is(reqtimeout_due_us(&range, 5 * S, 9999), 45 * S - 2000, "a byte before the second number");
    is(reqtimeout_due_us(&range, 5 * S, 10000), 45 * S, "just there");
    is(reqtimeout_due_us(&range, 5 * S, 10001), 45 * S, "... and not beyond");
    is(reqtimeout_due_us(&range, 5 * S, UINT64_MAX), 45 * S, "... ever");
    is(reqtimeout_due_us(&most, 5 * S, 0), 5 * S + INT32_MAX * S, "the longest time");
    is(reqtimeout_due_us(&most, 5 * S, UINT64_MAX), 5 * S + 2 * (INT32_MAX * S),
       "... prolonged as far as can be");
    is(reqtimeout_due_us(&fixed, -5 * S, 0), 15 * S, "a stage that began before the clock did");
}

int main(void)
{
    tap_begin(10);
    test_forms();
    test_stages();
    test_nonsense();
    test_due();
    return tap_done();
}
