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
    static const char *const names[] = { "none", "usual", "worst" };
    size_t i;

    for (i = 0; i < 3; i++) {
        char *page = page_of(view_made_by_name(names[i]), RENDER_PAGE);

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

/* What there is between two texts; "" if not. The caller's. */
static char *between(const char *html, const char *before, const char *after)
{
    const char *begin = strstr(html, before);
    const char *end = begin ? strstr(begin + strlen(before), after) : NULL;

    return end ? strndup(begin + strlen(before), (size_t)(end - begin) - strlen(before))
               : strdup("");
}

/* Is there an element for each link to one? */
static bool links_lead_somewhere(const char *html)
{
    for (html = strstr(html, "href=\"#"); html; html = strstr(html + 1, "href=\"#")) {
        char *name = between(html, "href=\"#", "\""), id[64];
        const char *page = html;

        (void)snprintf(id, sizeof(id), "<li id=\"%.48s\">", name);
        free(name);
        /* what was done stands below the chart */
        if (!strstr(page, id)) {
            printf("# there is no %s\n", id);
            return false;
        }
    }
    return true;
}

/* Decisions that turn every few seconds, all the time: as many as there is room for. */
static view_t *view_of_many_decisions(void)
{
    view_t *view = view_made();
    int i;

    view->decision_count = 0;
    for (i = 0; i < EXT_MOST_DECISIONS; i++) {
        made_decision(view, EXT_CHILDREN, (2 + 4 * i) * MADE_S, CTL_DEMAND, i % 2 ? 6 : 1,
                      i % 2 ? 1 : 6);
    }
    return view;
}

static void test_marks(void)
{
    char *page = page_of(view_of_many_decisions(), RENDER_PAGE);
    char *wide = between(page, "<svg class=\"chart wide\"", "</svg>");
    char *narrow = between(page, "<svg class=\"chart narrow\"", "</svg>");

    is(count(page, "<li id=\"story-"), EXT_MOST_DECISIONS, "each story is on the page");
    ok(count(wide, "<a href=") > 20 && count(wide, "<a href=") <= 1000 / 13,
       "marks do not overlap");
    ok(count(narrow, "<a href=") > 10 && count(narrow, "<a href=") <= 380 / 13,
       "... nor do they on a phone");
    is(count(wide, "<title>"), count(wide, "<a href="), "each says what it stands for");
    ok(links_lead_somewhere(page), "and leads there");
    free(page);
    free(wide);
    free(narrow);
    page = page_of(view_made(), RENDER_PAGE);
    wide = between(page, "<svg class=\"chart wide\"", "</svg>");
    is(count(wide, "<a href="), 2, "what is apart has a mark each");
    ok(strstr(wide, "l6 11h-12z") && strstr(wide, "m0 11l6 -11h-12z"), "more, and fewer");
    free(page);
    free(wide);
}

/* A story that goes on keeps its name, so that what was opened, or linked to, is still there. */
static void test_story_names(void)
{
    view_t *view = view_made_none();
    char *before, *after;

    made_decision(view, EXT_CHILDREN, 9 * MADE_S, CTL_DEMAND, 1, 2)->number = 7;
    before = page_of(view, RENDER_PAGE);
    view = view_made_none();
    made_decision(view, EXT_CHILDREN, 2 * MADE_S, CTL_DEMAND, 2, 3)->number = 8;
    made_decision(view, EXT_CHILDREN, 9 * MADE_S, CTL_DEMAND, 1, 2)->number = 7;
    after = page_of(view, RENDER_PAGE);
    is(count(before, "<li id=\"story-7-"), 1, "a story has the name of its first decision");
    is(count(after, "<li id=\"story-7-"), 1, "... and keeps it while it goes on");
    is(count(after, "<li id=\"story-"), 1, "... as one");
    free(before);
    free(after);
}

/* Threads up to `most`, in a server that may have so many. */
static char *page_at_scale(int most, int ceiling)
{
    view_t *view = view_made();
    int i;

    for (i = 0; i < view->second_count; i++) {
        view->seconds[i].threads = most;
        view->seconds[i].max_threads = ceiling;
        view->seconds[i].demand = (float)most / 2;
    }
    view->plan.limits.max_threads = view->limits.max_threads = ceiling;
    return page_of(view, RENDER_PAGE);
}

static void test_scale(void)
{
    char *page = page_at_scale(100, 130), *wide;

    wide = between(page, "<svg class=\"chart wide\"", "</svg>");
    ok(strstr(wide, ">160</text>") && strstr(wide, ">80</text>"), "there is room for a ceiling");
    ok(strstr(wide, "class=\"line ceiling\"") && strstr(wide, ">130 may run</text>"),
       "... which is a line with a number");
    free(page);
    free(wide);
    page = page_at_scale(100, 60000);
    wide = between(page, "<svg class=\"chart wide\"", "</svg>");
    ok(strstr(wide, ">100</text>") && !strstr(wide, "k</text>"), "one far above squashes nothing");
    ok(!strstr(wide, "class=\"line ceiling\"")
       && strstr(wide, ">60000 may run \xE2\x86\x91</text>"), "... and is only named");
    free(page);
    free(wide);
}

/* The clock on the wall moves on, and so do the times below the chart. None is wider than this. */
enum { TIME_WIDTH = 36 };

static bool times_fit(const char *page, const char *begin, int width)
{
    char *picture = between(page, begin, "</svg>");
    const char *at = picture;
    bool fit = count(picture, "<text class=\"time\" x=\"") >= 4;

    while ((at = strstr(at, "<text class=\"time\" x=\"")) != NULL) {
        int x = atoi(at += strlen("<text class=\"time\" x=\""));

        fit &= x >= TIME_WIDTH / 2 && x <= width - TIME_WIDTH / 2;
    }
    free(picture);
    return fit;
}

static void test_times(void)
{
    bool wide = true, narrow = true;
    int second;

    for (second = 0; second < 120; second++) {
        view_t *view = view_made();
        char *page;

        view->wall_us += second * MADE_S;
        page = page_of(view, RENDER_PAGE);
        wide &= times_fit(page, "<svg class=\"chart wide\"", 1000);
        narrow &= times_fit(page, "<svg class=\"chart narrow\"", 380);
        free(page);
    }
    ok(wide, "no time is cut off at an edge of the chart");
    ok(narrow, "... nor on a phone");
}

/* History that is no number from its first second on. */
static void test_no_numbers(void)
{
    view_t *view = view_made();
    char *page;
    int i;

    for (i = 0; i < view->second_count; i++) {
        view->seconds[i].demand = i % 2 ? NAN : -INFINITY;
        view->seconds[i].spare = i % 3 ? INFINITY : NAN;
        view->seconds[i].threads = view->seconds[i].max_threads = INT32_MAX;
        view->seconds[i].busy = view->seconds[i].waited_us = INT32_MIN;
        view->seconds[i].serving = view->seconds[i].draining = INT32_MAX;
    }
    page = page_of(view, RENDER_PAGE);
    is(unclosed(page), 0, "a history of nonsense is drawn");
    ok(!strstr(page, "nan") && !strstr(page, "inf<") && !strstr(page, "M52-"), "... as nothing");
    free(page);
}

static void set_busy(view_t *view, int busy)
{
    view->busy = view->plan.sample.busy = busy;
    view->requests_per_s = 7 * busy;
}

/* What is read out changes with the verdict, and not with each number. */
static void test_read_out(void)
{
    view_t *few = view_made(), *more = view_made(), *near = view_made();
    char *page[3], *said[3];
    int i;

    set_busy(few, 3);
    set_busy(more, 17);
    set_busy(near, view_most_threads(near) * 9 / 10);
    page[0] = page_of(few, RENDER_PAGE);
    page[1] = page_of(more, RENDER_PAGE);
    page[2] = page_of(near, RENDER_PAGE);
    for (i = 0; i < 3; i++) {
        said[i] = between(page[i], "data-say=\"", "\"");
    }
    ok(!strcmp(said[0], "Well."), "that it is well is read out");
    ok(strcmp(page[0], page[1]) != 0 && !strcmp(said[0], said[1]), "... not how well");
    ok(!strcmp(said[2], "Have a look. a ceiling is near."), "and what is no longer so");
    for (i = 0; i < 3; i++) {
        free(page[i]);
        free(said[i]);
    }
}

static void test_ceilings(void)
{
    view_t *view = view_made();
    char *page;

    view->ceilings[0].threads = view->threads;
    view->ceilings[1].threads = view->threads / 0.9;
    view->ceilings[2].threads = view->threads / 0.5;
    page = page_of(view, RENDER_PAGE);
    is(count(page, "<svg class=\"bar red\""), 1, "a ceiling that is reached is red");
    is(count(page, "<em>reached</em>"), 1, "... and says so");
    is(count(page, "<svg class=\"bar amber\""), 1, "one that is near is amber");
    is(count(page, "<em>near</em>"), 1, "... and says so, too");
    free(page);
}

static void test_children(void)
{
    view_t *view = view_made();
    char *page;

    view->child[3].since_us = 700 * MADE_S;
    view->longest_us[EXT_SLOT_DRAINING] = 700 * MADE_S;
    page = page_of(view, RENDER_PAGE);
    ok(strstr(page, "<p>1 starting, 2 serving, 1 parked, 1 draining (the first for 11 min 40 s).")
       != NULL, "how many children there are of a kind");
    is(count(page, "<tr class=\"late\">"), 1, "one that drains for long stands out");
    is(count(page, "<strong>late:</strong>"), 1, "... and not by colour alone");
    ok(strstr(page, "www.example.org:443 GET /slow HTTP/1.1 for 1 min 30 s") != NULL,
       "what holds a child");
    free(page);
}

#define LOOKS 20

/* 64 children of 256 threads, ten minutes without two seconds alike. How long it takes is said,
 * for whoever changes it, and not judged: other programs run beside this one. */
static void test_large(void)
{
    int64_t best_us = INT64_MAX;
    char *page = NULL;
    int i, look;

    for (look = 0; look < LOOKS; look++) {
        view_t *view = view_of_many_decisions();
        struct timespec before, after;
        int64_t took_us;

        free(view->child);
        free(page);
        view->child = calloc(64, sizeof(*view->child));
        view->child_count = 0;
        for (i = 0; i < 64; i++) {
            made_child(view, EXT_SLOT_SERVING, 256, i * 4);
        }
        for (i = 0; i < view->second_count; i++) {
            view->seconds[i].busy = i * 7919 % 5000;
            view->seconds[i].threads = 5000 + i * 104729 % 3000;
            view->seconds[i].demand = (float)(i * 7129 % 5000);
            view->seconds[i].waited_us = i * 7907 % 100000;
            view->seconds[i].serving = i * 6577 % 64;
            view->seconds[i].arrivals = (uint32_t)(i * 6577 % 9000);
        }
        clock_gettime(CLOCK_MONOTONIC, &before);
        page = page_of(view, RENDER_PAGE);
        clock_gettime(CLOCK_MONOTONIC, &after);
        took_us = (after.tv_sec - before.tv_sec) * INT64_C(1000000)
                  + (after.tv_nsec - before.tv_nsec) / 1000;
        best_us = took_us < best_us ? took_us : best_us;
    }
    diag("%zu bytes in %lld us", strlen(page), (long long)best_us);
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
    is(style[strlen(style) - 1], '\n', "... whole");
    is(script[strlen(script) - 1], '\n', "... whole");
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
    test_marks();
    test_story_names();
    test_scale();
    test_times();
    test_no_numbers();
    test_read_out();
    test_ceilings();
    test_children();
    test_large();
    test_assets();
    return tap_done();
}
