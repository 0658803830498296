/* The view as JSON. With a name of t/unit/view_made.h it prints that view, for t/json.t. */
#include "report/render.h"

#include "tap.h"
#include "view_made.h"

#include <locale.h>

static char *json_of(const view_t *view)
{
    out_t out = { 0 };

    json_put(&out, view);
    out_bytes(&out, "", 1);
    if (out.failed) {
        abort();
    }
    return out.bytes;
}

static bool has(const char *json, const char *part)
{
    bool found = strstr(json, part) != NULL;

    if (!found) {
        diag("not there: %s", part);
    }
    return found;
}

static void test_usual(void)
{
    view_t *view = view_made();
    char *json = json_of(view);

    ok(has(json, "{\"schema_version\":1,"), "the version of the schema comes first");
    ok(has(json, "\"now_unix_seconds\":1790000000.250000"), "times are seconds since 1970");
    ok(has(json, "\"mode\":\"on\",\"generation\":2,\"parent_pid\":4711,\"uptime_seconds\":86400"),
       "what the server is");
    ok(has(json, "\"requests\":{\"total\":123456789012,"), "counters are whole numbers");
    ok(has(json, "\"demand\":26.5,\"spare\":8.25,\"max\":200,\"expected_max\":250,"
           "\"utilisation_ratio\":0.106}"), "what the load needs, of what there may be");
    ok(has(json, "\"max_wait_seconds\":null,\"service_seconds\":0.402}"),
       "what is off is null, and microseconds are seconds");
    ok(has(json, "\"oldest\":{\"seconds\":90.000000,\"request\":\"GET /slow HTTP/1.1\","),
       "a child's oldest request");
    ok(has(json, "\"ceiling\":\"cgroup-memory\",\"ceiling_text\":\"memory limit of the control "
           "group\",\"ceiling_reached\":false}"), "the plan and what bounds it");
    ok(has(json, "\"unit\":\"bytes\",\"limit\":1073741824,\"used\":734003200,\"source\":"
           "\"memory.max\",\"remedy\":\"give"), "a ceiling in its own unit");
    ok(has(json, "\"children_started_total\":100,"), "what was counted");
    ok(has(json, "{\"directive\":\"ThreadsPerChild\",\"value\":\"64\",\"origin\":\"corrected\","
           "\"given\":\"100\"}"), "what was given and could not be so");
    free(json);
    made_free(view);
}

static void test_without_plan(void)
{
    view_t *view = view_made_none();
    char *json = json_of(view);

    ok(has(json, "\"plan\":null"), "no plan yet");
    ok(has(json, "\"demand\":null,\"spare\":null,\"max\":null,\"expected_max\":0,"
           "\"utilisation_ratio\":null}"), "and nothing that follows from one");
    ok(has(json, "\"list\":[]}"), "no child");
    ok(has(json, "\"decisions\":[],"), "no decision");
    free(json);
    made_free(view);
}

static void test_worst(void)
{
    view_t *view = view_made_worst();
    char *json = json_of(view);

    ok(!strstr(json, "nan") && !strstr(json, "inf,") && !strstr(json, ":inf"),
       "there is no number that JSON does not know");
    ok(!strstr(json, "<script"), "nothing that a page could take for a tag");
    ok(!strchr(json, '\x01') && !strchr(json, '\x7F') && !strchr(json, '\t'),
       "no control character");
    free(json);
    made_free(view);
}

/* What t/json.t asks for; with the locale that it gives, as a module might. */
static int print(const char *name)
{
    view_t *view = view_made_by_name(name);
    char *json;

    if (!view) {
        return 2;
    }
    setlocale(LC_ALL, "");
    json = json_of(view);
    fprintf(stderr, "%s\n", localeconv()->decimal_point);
    fputs(json, stdout);
    free(json);
    made_free(view);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        return print(argv[1]);
    }
    tap_begin(20);
    test_usual();
    test_without_plan();
    test_worst();
    return tap_done();
}
