/* What is put together is what was put in, escaped for where it stands. */

#include "base/out.h"

#include "tap.h"

#include <stdlib.h>
#include <string.h>

static bool holds(const out_t *out, const char *text)
{
    return out->used == strlen(text) && !memcmp(out->bytes, text, out->used);
}

static void test_plain(void)
{
    out_t out = { 0 };
    char *large = malloc(100001);
    size_t i;

    out_text(&out, "");
    is(out.used, 0, "nothing at first");
    out_text(&out, "ab");
    out_format(&out, "%d|%s", 7, "c");
    out_bytes(&out, "\0x", 2);
    is(out.used, 7, "what is added follows, any byte of it");
    ok(!memcmp(out.bytes, "ab7|c\0x", 7), "... as it was");
    memset(large, 'l', 100000);
    large[100000] = '\0';
    out_text(&out, large);
    out_format(&out, "%s", large);
    is(out.used, 200007, "it grows");
    for (i = 7; i < out.used && out.bytes[i] == 'l'; i++) {
    }
    is(i, out.used, "... and holds all of it");
    out_free(&out);
    ok(!out.bytes && out.used == 0, "and is empty again");
    free(large);
}

static void test_html(void)
{
    out_t out = { 0 };

    out_html(&out, "<script>alert('x' & \"y\")</script>");
    ok(holds(&out, "&lt;script&gt;alert(&#39;x&#39; &amp; &quot;y&quot;)&lt;/script&gt;"),
       "nothing of HTML is left in HTML");
    out_free(&out);
    out_html(&out, "\x1b[31m\t\n\x7f");
    ok(holds(&out, "\xEF\xBF\xBD[31m\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"),
       "control characters are replaced");
    out_free(&out);
}

static void test_utf8(void)
{
    static const char *const bad[] = {
        "\x80", "\xC0\xAF", "\xC2", "\xE0\x80\xAF", "\xED\xA0\x80", "\xF5\x80\x80\x80",
        "\xF0\x80\x80\x80", "\xE2\x82", "\xFF", "\xF4\x90\x80\x80"
    };
    out_t out = { 0 };
    size_t i;

    out_html(&out, "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80");
    ok(holds(&out, "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"), "UTF-8 stays");
    out_free(&out);
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        out_html(&out, bad[i]);
        ok(out.used >= 3 && !memcmp(out.bytes, "\xEF\xBF\xBD", 3)
           && !memchr(out.bytes, bad[i][0], out.used) == (bad[i][0] != (char)0xEF),
           "what is none is replaced");
        out_free(&out);
    }
}

static void test_json(void)
{
    out_t out = { 0 };

    out_json(&out, "a\"b\\c\nd</script>\x01\xFF");
    ok(holds(&out, "\"a\\\"b\\\\c\\nd\\u003c/script>\xEF\xBF\xBD\xEF\xBF\xBD\""), "a JSON string");
    out_free(&out);
    out_label(&out, "a\"b\\c\nd\te");
    ok(holds(&out, "\"a\\\"b\\\\c\\nd\xEF\xBF\xBD" "e\""), "a label of Prometheus");
    out_free(&out);
}

int main(void)
{
    tap_begin(30);
    test_plain();
    test_html();
    test_utf8();
    test_json();
    return tap_done();
}
