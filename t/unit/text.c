/* A text that is put together never passes its end, and ends. */

#include "base/sum.h"
#include "base/text.h"

#include "tap.h"

#include <string.h>

static void test_text(void)
{
    char buffer[16];
    text_t t = text_begin(buffer, sizeof(buffer));
    size_t used;

    is(strlen(buffer), 0, "empty at first");
    text_add(&t, "%d%s", 12, "ab");
    ok(!strcmp(buffer, "12ab"), "what is added follows");
    used = t.used;
    text_add(&t, "; more");
    text_cut(&t, used);
    ok(!strcmp(buffer, "12ab"), "what is taken back is gone");
    text_cut(&t, 100);
    ok(!strcmp(buffer, "12ab"), "... and nothing else can be");
    text_add(&t, "%s", "0123456789abcdef");
    ok(!strcmp(buffer, "12ab0123456789a"), "what has no room is cut off");
    text_add(&t, "x");
    is(strlen(buffer), sizeof(buffer) - 1, "then nothing is added");
}

static void test_small(void)
{
    char one[2] = { 0x3f, 0x21 }, none[1] = { 0x3f };
    text_t t = text_begin(one, 1);

    text_add(&t, "x");
    ok(one[0] == '\0' && one[1] == '!', "a single byte holds the end");
    t = text_begin(none, 0);
    text_add(&t, "x");
    is(none[0], '?', "no byte is touched where there is none");
}

static void test_sum(void)
{
    is(bounded_sum(2, 3), 5, "a sum");
    is(bounded_sum(SUM_LARGEST, SUM_LARGEST), SUM_LARGEST, "... has a bound");
    is(bounded_sum(0, SUM_LARGEST), SUM_LARGEST, "... which it may reach");
}

int main(void)
{
    tap_begin(10);
    test_text();
    test_small();
    test_sum();
    return tap_done();
}
