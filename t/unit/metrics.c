/* The view for Prometheus. With a name of t/unit/view_made.h, and "openmetrics" or nothing, it
 * prints that view, for t/metrics.t and t/contrib.t. */
#include "report/render.h"

#include "tap.h"
#include "view_made.h"

static char *metrics_of(const view_t *view, bool openmetrics)
{
    out_t out = { 0 };

    metrics_put(&out, view, openmetrics);
    out_bytes(&out, "", 1);
    if (out.failed) {
        abort();
    }
    return out.bytes;
}

static bool has(const char *text, const char *part)
{
    bool found = strstr(text, part) != NULL;

    if (!found) {
        diag("not there: %s", part);
    }
    return found;
}

#define NAME "apache_adaptive_"

static void test_forms(void)
{
    view_t *view = view_made();
    char *plain = metrics_of(view, false), *open = metrics_of(view, true);

    ok(has(plain, "# TYPE " NAME "requests_total counter\n"),
       "0.0.4: a counter has its whole name");
    ok(has(open, "# TYPE " NAME "requests counter\n"), "OpenMetrics: without _total");
    ok(has(plain, "\n" NAME "requests_total 123456789012\n")
       && has(open, "\n" NAME "requests_total 123456789012\n"), "both give all of its digits");
    ok(has(plain, "# TYPE " NAME "build_info gauge\n") && has(open, "# TYPE " NAME "build info\n"),
       "what the server is");
    ok(has(open, "# UNIT " NAME "wait_seconds seconds\n") && !strstr(plain, "# UNIT"),
       "units: OpenMetrics only");
    ok(!strcmp(open + strlen(open) - 6, "# EOF\n") && !strstr(plain, "# EOF"),
       "the end: OpenMetrics only");
    free(plain);
    free(open);
    made_free(view);
}

static void test_values(void)
{
    view_t *view = view_made();
    char *text = metrics_of(view, false);

    ok(has(text, NAME "threads{state=\"busy\"} 26\n"), "threads by state");
    ok(has(text, NAME "children{state=\"draining\"} 1\n"), "children by state");
    ok(has(text, NAME "connections{state=\"active\"} 26\n"), "connections by state");
    ok(has(text, NAME "utilisation_ratio 0.106\n"), "what an autoscaler acts on");
    ok(has(text, NAME "threads_demand 26.5\n"), "what the load needs");
    ok(has(text, NAME "threads_max 250\n"), "of what there may be");
    ok(has(text, NAME "plan_reason{reason=\"demand\"} 1\n")
       && has(text, NAME "plan_reason{reason=\"steady\"} 0\n"), "why the plan is as it is");
    ok(has(text, NAME "ceiling_nearest{ceiling=\"cgroup-memory\"} 1\n")
       && has(text, NAME "ceiling_nearest{ceiling=\"descriptors\"} 0\n"), "the nearest ceiling");
    ok(has(text, NAME "ceiling_used{ceiling=\"cgroup-memory\",unit=\"bytes\"} 734003200\n"),
       "in its own unit");
    ok(has(text, NAME "wait_peak_seconds 0.008\n"), "microseconds are seconds");
    ok(has(text, NAME "start_time_seconds 1789913600.25\n"), "and times since 1970");
    ok(has(text, NAME "verdict{level=\"green\"} 1\n"), "how it is");
    ok(has(text, NAME "holder_threads{kind=\"backend\",name=\"http://backend:8080\"} 6\n"),
       "who holds threads");
    ok(!strstr(text, "kind=\"url\""), "but not for which URL: clients choose these");
    ok(!strstr(text, "pid") && !strstr(text, "slot"), "and no series ends with a process");
    free(text);
    made_free(view);
}

/* What is not known is left out: 0 would be a lie. */
static void test_unknown(void)
{
    view_t *view = view_made_none();
    char *text = metrics_of(view, true);

    ok(!strstr(text, "threads_demand") && !strstr(text, "utilisation")
       && !strstr(text, "threads_max") && !strstr(text, "service_seconds"),
       "nothing that needs a plan");
    ok(!strstr(text, "ceiling_threads") && !strstr(text, "holder"), "no family without a value");
    ok(has(text, NAME "ceiling_reached 0\n"), "no ceiling is reached");
    free(text);
    made_free(view);
}

/* A line of a name and labels that is there twice makes Prometheus refuse all of them. */
static void test_same_names(void)
{
    view_t *view = view_made_none();
    char *text;
    int i;

    made_holder(view, VIEW_VHOST, "a\xFF", 5);
    made_holder(view, VIEW_VHOST, "a\xFE", 3);
    for (i = 0; i < 20; i++) {
        char name[8];

        snprintf(name, sizeof(name), "v%d", i);
        made_holder(view, VIEW_VHOST, name, 2);
    }
    made_holder(view, VIEW_VHOST, "v3", 1);
    made_ceilings(view);
    view->ceilings[2] = view->ceilings[0];
    text = metrics_of(view, true);
    ok(has(text, "name=\"a\xEF\xBF\xBD\"} 8\n"), "holders that look the same are one");
    ok(has(text, "name=\"v8\"} 2\n") && !strstr(text, "name=\"v9\""), "ten of them are told");
    ok(has(text, "name=\"v3\"} 3\n"), "with all that they hold");
    ok(strstr(strstr(text, "ceiling_used{ceiling=\"cgroup-memory\"") + 1,
              "ceiling_used{ceiling=\"cgroup-memory\"") == NULL, "each ceiling is told once");
    free(text);
    made_free(view);
}

static int print(const char *name, bool openmetrics)
{
    view_t *view = view_made_by_name(name);
    char *text;

    if (!view) {
        return 2;
    }
    text = metrics_of(view, openmetrics);
    fputs(text, stdout);
    free(text);
    made_free(view);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        return print(argv[1], argc > 2 && !strcmp(argv[2], "openmetrics"));
    }
    tap_begin(20);
    test_forms();
    test_values();
    test_unknown();
    test_same_names();
    return tap_done();
}
