/* Counters, the log and the report. */

#include "outcome.h"

#include "tool.h"
#include "options.h"

#include <string.h>

static const char *const failure_names[FAIL_KINDS] = {
    "connect", "reset", "closed", "short", "status", "timeout", "malformed"
};

/* Times in us since the start. */
typedef struct {
    int64_t due_us, late_us, done_us, received_us, body_bytes;
    long index;
    short status, failure;      /* FAIL_KINDS: none */
} outcome;

struct counters counters;

static int64_t start_us;
static outcome *outcomes;
static long outcome_count, outcome_room;
static uint32_t *lateness_us;   /* of this program, per request */
static long ok, failed[FAIL_KINDS], statuses[6];
static int64_t bytes;

void outcomes_begin(long requests)
{
    outcome_room = requests;
    outcomes = calloc((size_t)outcome_room + 1, sizeof(*outcomes));
    lateness_us = calloc((size_t)outcome_room + 1, sizeof(*lateness_us));
    if (!outcomes || !lateness_us) {
        die("start");
    }
}

void outcomes_start(int64_t at_us)
{
    start_us = at_us;
}

void outcome_issued(int64_t late_us)
{
    lateness_us[counters.issued++] = (uint32_t)late_us;
}

static void record(request r, answer a, int failure)
{
    bytes += a.body_bytes;
    statuses[a.status / 100 < 6 ? a.status / 100 : 0]++;
    if (outcome_count < outcome_room) {
        outcomes[outcome_count++] = (outcome){
            .due_us = r.due_us - start_us,
            .late_us = r.late_us,
            .done_us = now_us() - start_us,
            .received_us = a.received_us > 0 ? a.received_us - start_us : -1,
            .body_bytes = a.body_bytes,
            .index = r.index,
            .status = (short)a.status,
            .failure = (short)failure
        };
    }
}

void outcome_ok(request r, answer a)
{
    ok++;
    record(r, a, FAIL_KINDS);
}

/* What the clock on the wall says, so that a test can tell what happened before and after
 * something it did. */
static long long wall_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

void outcome_failed(request r, answer a, enum failure kind, long fail_pid, int is_fresh)
{
    failed[kind]++;
    if (kind != FAIL_STATUS) {
        a.received_us = 0;
    }
    record(r, a, (int)kind);
    if (fail_pid >= 0) {
        printf("fail %lld %s %ld %d\n", wall_ms(), failure_names[kind], fail_pid, is_fresh);
    }
}

/* ---- the report ---- */

static int compare_us(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

static double percentile_ms(const uint32_t *ascending, long count, double share)
{
    return count ? ascending[(long)((double)(count - 1) * share)] / 1000.0 : 0;
}

static void report_latencies(void)
{
    uint32_t *latencies = calloc((size_t)outcome_count + 1, sizeof(*latencies));
    long i, count = 0, issued = counters.issued;

    if (!latencies) {
        die("report");
    }
    for (i = 0; i < outcome_count; i++) {
        if (outcomes[i].failure == FAIL_KINDS) {
            latencies[count++] = (uint32_t)(outcomes[i].done_us - outcomes[i].due_us);
        }
    }
    qsort(latencies, (size_t)count, sizeof(*latencies), compare_us);
    qsort(lateness_us, (size_t)issued, sizeof(*lateness_us), compare_us);
    printf("p50_ms %.3f\np99_ms %.3f\np999_ms %.3f\nmax_ms %.3f\n",
           percentile_ms(latencies, count, 0.5), percentile_ms(latencies, count, 0.99),
           percentile_ms(latencies, count, 0.999), percentile_ms(latencies, count, 1.0));
    printf("late_p50_ms %.3f\nlate_p99_ms %.3f\nlate_max_ms %.3f\n",
           percentile_ms(lateness_us, issued, 0.5), percentile_ms(lateness_us, issued, 0.99),
           percentile_ms(lateness_us, issued, 1.0));
    free(latencies);
}

static void write_log(void)
{
    FILE *out = fopen(options.log_file, "w");
    long i;

    if (!out) {
        die(options.log_file);
    }
    for (i = 0; i < outcome_count; i++) {
        const outcome *o = &outcomes[i];

        fprintf(out, "%lld %lld %lld %lld %s %d %ld %lld\n", (long long)o->due_us,
                (long long)o->late_us, (long long)o->done_us, (long long)o->received_us,
                o->failure == FAIL_KINDS ? "ok" : failure_names[o->failure], o->status, o->index,
                (long long)o->body_bytes);
    }
    if (fclose(out) != 0) {
        die(options.log_file);
    }
}

static int64_t cpu_us(void)
{
    struct rusage used;

    getrusage(RUSAGE_SELF, &used);
    return (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * INT64_C(1000000) + used.ru_utime.tv_usec
           + used.ru_stime.tv_usec;
}

void outcomes_report(void)
{
    const struct counters *c = &counters;
    int64_t used_us = cpu_us();
    long total = 0;
    int i;

    for (i = 0; i < FAIL_KINDS; i++) {
        printf("%s %ld\n", failure_names[i], failed[i]);
        total += failed[i];
    }
    printf("issued %ld\nsent %ld\nok %ld\nfailed %ld\ncrossed %ld\nreopened %ld\nclosed_idle "
           "%ld\nheld %ld\nunfinished %ld\n",
           c->issued, c->sent, ok, total, c->crossed, c->reopened, c->closed_idle, c->held,
           c->unfinished);
    report_latencies();
    printf("cpu_us %lld\nbytes %lld\nresumed %ld\nevicted %ld\nbehind_max %ld\n",
           (long long)used_us, (long long)bytes, c->resumed, c->evicted, c->behind_max);
    for (i = 2; i < 6; i++) {
        printf("status_%dxx %ld\n", i, statuses[i]);
    }
    if (options.log_file) {
        write_log();
    }
    printf("end\n");
}
