/* The page for people, of views that are made up: it is whole, it is short enough, and nothing that
 * clients have written is more than text. t/status_page.t looks at it in a browser. */

#include "report/render.h"

#include "tap.h"
#include "view_made.h"

#include <ctype.h>
#include <time.h>

static char *page_of(view_t *view, render_form_e form)
{
    out_t out = { 0 };

    render(&out, form, "", view);
    out_bytes(&out, "", 1);
    made_free(view);
    return out.bytes;
}

/* Elements that have no end. */
static bool is_void(const char *name, size_t length)
{
    static const char *const names[] = { "meta", "link", "br", "hr", "input", "img" };
    size_t i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strlen(names[i]) == length && !strncmp(name, names[i], length)) {
            return true;
        }
    }
    return false;
}

/* How deep elements are nested at the end: 0 if each is closed, in order. */
static int unclosed(const char *html)
{
    const char *open[64];
    size_t length[64];
    int depth = 0;

    for (html = strchr(html, '<'); html; html = strchr(html + 1, '<')) {
        bool is_end = html[1] == '/';
        const char *name = html + 1 + is_end;
        size_t size = 0;
        const char *end = strchr(html, '>');

        while (isalnum((unsigned char)name[size])) {
            size++;
        }
        if (size == 0 || is_void(name, size) || (end && end[-1] == '/')) {
            continue;
        }
        if (!is_end) {
            if (depth == 64) {
                return -1;
            }
            open[depth] = name;
            length[depth++] = size;
        }
        else if (depth == 0 || length[depth - 1] != size
                 || strncmp(open[depth - 1], name, size) != 0) {
            return -1;
        }
        else {
            depth--;
        }
    }
    return depth;
}

static bool has_only_known_attributes(const char *html)
{
    static const char *const bad[] = {
        " style=", " onload", " onerror", " onclick", "javascript:", "<img", "<iframe", "<object",
        "<script>", "=\"http:", "=\"https:", "=\"//", "data:"
    };
    size_t i;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (strstr(html, bad[i])) {
            printf("# there is %s\n", bad[i]);
            return false;
        }
    }
    return true;
}

static void test_views(void)
{
    static const char *const names[] = { "none", "made", "worst" };
    view_t *(*const make[])(void) = { view_made_none, view_made, view_made_worst };
    size_t i;

    for (i = 0; i < 3; i++) {
        char *page = page_of(make[i](), RENDER_PAGE);

        ok(page && !strncmp(page, "<!DOCTYPE html>", 15), names[i]);
        is(unclosed(page), 0, "each element is closed");
        ok(has_only_known_attributes(page), "nothing that the policy would have to stop");
        ok(!strstr(page, "nan") && !strstr(page, ">inf") && !strstr(page, "(null)"),
           "no number that is none");
        free(page);
    }
}

static int count(const char *text, const char *what)
{
    int n = 0;

    for (text = strstr(text, what); text; text = strstr(text + 1, what)) {
        n++;
    }
    return n;
}

static void test_parts(void)
{
    static const char *const parts[] = {
        "id=\"verdict\"", "id=\"numbers\"", "id=\"history\"", "id=\"ceilings\"",
        "id=\"holders\"", "id=\"stories\"", "id=\"children\"", "id=\"settings\""
    };
    char *page = page_of(view_made(), RENDER_PAGE);
    size_t i;

    for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        is(count(page, parts[i]), 1, parts[i]);
    }
    is(count(page, "<svg class=\"chart "), 2, "a chart for wide windows, one for phones");
    is(count(page, "<noscript><meta http-equiv=\"refresh\""), 1,
       "without a script it is asked for anew");
    free(page);
}

/* Who holds threads comes before the chart while they are nearly used up. */
static void test_crowded(void)
{
    view_t *view = view_made();
    char *page;

    view->busy = view_most_threads(view);
    page = page_of(view, RENDER_PAGE);
    ok(strstr(page, "id=\"holders\"") < strstr(page, "id=\"history\""),
       "who holds threads comes first");
    free(page);
    page = page_of(view_made_none(), RENDER_PAGE);
    ok(strstr(page, "id=\"holders\"") > strstr(page, "id=\"history\""), "... and else the chart");
    free(page);
}

/* 64 children of 256 threads, ten minutes without two seconds alike. Not timed here: what it takes
 * is said, for whoever changes it. */
static void test_large(void)
{
    view_t *view = view_made_none();
    struct timespec before, after;
    char *page;
    int i;

    free(view->child);
    view->child = calloc(64, sizeof(*view->child));
    for (i = 0; i < 64; i++) {
        made_child(view, EXT_SLOT_SERVING, 256, i * 4);
    }
    made_history(view, EXT_SECONDS);
    for (i = 0; i < view->second_count; i++) {
        view->seconds[i].busy = i * 7919 % 5000;
        view->seconds[i].threads = 5000 + i * 104729 % 3000;
        view->seconds[i].waited_us = i * 7907 % 100000;
        view->seconds[i].arrivals = (uint32_t)(i * 6577 % 9000);
    }
    clock_gettime(CLOCK_MONOTONIC, &before);
    page = page_of(view, RENDER_PAGE);
    clock_gettime(CLOCK_MONOTONIC, &after);
    printf("# %zu bytes in %ld us\n", strlen(page),
           (after.tv_sec - before.tv_sec) * 1000000 + (after.tv_nsec - before.tv_nsec) / 1000);
    is(unclosed(page), 0, "a large one is whole");
    is(count(page, "<th scope=\"row\" class=\"n\">"), 64, "... with all children");
    free(page);
}

static void test_assets(void)
{
    char *style = page_of(view_made_none(), RENDER_STYLE);
    char *script = page_of(view_made_none(), RENDER_SCRIPT);

    ok(strstr(style, "prefers-color-scheme: dark") != NULL, "the style");
    ok(strstr(script, "'use strict'") != NULL, "the script");
    ok(!strstr(style, "url(") && !strstr(style, "@import"), "loads nothing else");
    free(style);
    free(script);
}

int main(void)
{
    tap_begin(30);
    test_views();
    test_parts();
    test_crowded();
    test_large();
    test_assets();
    return tap_done();
}
