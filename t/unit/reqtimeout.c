/* The first byte's part of a RequestReadTimeout line. */

#include "child/reqtimeout.h"

#include "tap.h"

static void test_forms(void)
{
    is(reqtimeout_stage_s("header=20", "header"), 20, "a plain number");
    is(reqtimeout_stage_s("header=20-40", "header"), 20, "of a range the beginning");
    is(reqtimeout_stage_s("header=20-40,MinRate=500", "header"), 20, "a range with a rate");
    is(reqtimeout_stage_s("header=10,minrate=1000", "header"), 10, "a number with a rate");
    is(reqtimeout_stage_s("header=0", "header"), 0, "0: no limit");
    is(reqtimeout_stage_s("HEADER=7", "header"), 7, "in capitals");
    is(reqtimeout_stage_s("\"header=7-9\"", "header"), 7, "in quotes");
}

static void test_stages(void)
{
    const char *line = "handshake=5-10,MinRate=100  header=20-40,MinRate=500\tbody=30,MinRate=600";

    is(reqtimeout_stage_s(line, "handshake"), 5, "the first stage of a line");
    is(reqtimeout_stage_s(line, "header"), 20, "the second");
    is(reqtimeout_stage_s("body=30", "header"), REQTIMEOUT_NOT_SET, "a line about another stage");
    is(reqtimeout_stage_s("", "header"), REQTIMEOUT_NOT_SET, "an empty line");
    is(reqtimeout_stage_s("header=5 header=6", "header"), 6, "the last one of a line counts");
    is(reqtimeout_stage_s("subheader=5", "header"), REQTIMEOUT_NOT_SET,
       "another word that ends so");
}

static void test_nonsense(void)
{
    static const char *const lines[] = {
        "header", "header=", "header=x", "header=-3", "header=5s", "header=99999999999999999999",
        "header=,MinRate=500", "="
    };
    size_t i;

    for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        is(reqtimeout_stage_s(lines[i], "header"), REQTIMEOUT_NOT_SET, lines[i]);
    }
}

int main(void)
{
    tap_begin(10);
    test_forms();
    test_stages();
    test_nonsense();
    return tap_done();
}
