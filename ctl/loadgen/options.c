/* The command line: each value is checked, and an error names the option, the value and what would
 * be right. */

#include "options.h"

#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct options options = { .path = "/", .host = "localhost", .fields = "", .seconds = 5, .scale = 1,
                           .timeout_seconds = 10, .connections = 10, .at_most = CONNECTIONS_MAX };

/* Options that were given, by their letter. */
static char given[128];
static double rate = 100;

void complain(const char *format, ...)
{
    va_list arguments;

    fputs("loadgen: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(2);
}

static int pick(int option, const char *value, const char *const *names)
{
    int i;

    for (i = 0; names[i]; i++) {
        if (strcmp(value, names[i]) == 0) {
            return i;
        }
    }
    complain("-%c %s: unknown kind; it is one of %s, %s, %s", option, value, names[0], names[1],
             names[2]);
}

static int whole_number(int option, const char *value, int max)
{
    char *end;
    long number;

    errno = 0;
    number = strtol(value, &end, 10);
    if (errno || end == value || *end != '\0' || number < 1 || number > max) {
        complain("-%c %s: not a number from 1 to %d", option, value, max);
    }
    return (int)number;
}

static double positive(int option, const char *value)
{
    char *end;
    double number = strtod(value, &end);

    if (end == value || *end != '\0' || !isfinite(number) || number <= 0) {
        complain("-%c %s: not a number above 0", option, value);
    }
    return number;
}

static uint64_t seed_of(const char *value)
{
    char *end;
    unsigned long long number;

    errno = 0;
    number = strtoull(value, &end, 10);
    if (errno || end == value || *end != '\0' || *value == '-') {
        complain("-P %s: not a seed; it is a number from 0 on", value);
    }
    return number;
}

/* "RATE:SECONDS,RATE:SECONDS,..." */
static void parse_schedule(const char *text)
{
    const char *rest = text;
    int used;

    while (options.phase_count < PHASES_MAX) {
        phase *p = &options.phases[options.phase_count];

        if (sscanf(rest, "%lf:%lf%n", &p->rate, &p->seconds, &used) != 2
            || !isfinite(p->rate + p->seconds) || p->rate < 0 || p->seconds <= 0) {
            break;
        }
        options.phase_count++;
        rest += used;
        if (*rest == '\0') {
            return;
        }
        if (*rest++ != ',') {
            break;
        }
    }
    complain("-s %s: not a schedule at '%s'; it is RATE:SECONDS,RATE:SECONDS,... with at most %d "
             "parts", text, rest, PHASES_MAX);
}

static int is_field(const char *line, size_t length)
{
    const char *colon = memchr(line, ':', length);
    size_t i;

    for (i = 0; i < length; i++) {
        if ((unsigned char)line[i] < ' ' && line[i] != '\t') {
            return 0;
        }
    }
    return colon && colon > line && strcspn(line, " \t:") == (size_t)(colon - line);
}

int fields_are_good(const char *fields, size_t length)
{
    const char *end = fields + length;

    while (fields < end) {
        const char *next = memmem(fields, (size_t)(end - fields), "\r\n", 2);

        if (!is_field(fields, (size_t)((next ? next : end) - fields))) {
            return 0;
        }
        fields = next ? next + 2 : end;
    }
    return 1;
}

static void add_field(const char *field)
{
    char *all;

    if (*field == '\0' || !is_field(field, strlen(field))) {
        complain("-H '%s': not a header line; it is 'Name: value'", field);
    }
    if (asprintf(&all, "%s%s\r\n", options.fields, field) < 0) {
        complain("-H '%s': no memory", field);
    }
    options.fields = all;
}

/* One that goes into the request as it is. */
static const char *word(int option, const char *value)
{
    const char *c;

    for (c = value; *c; c++) {
        if ((unsigned char)*c <= ' ' || *c == 0x7f) {
            complain("-%c '%s': it may not have blanks or control characters", option, value);
        }
    }
    if (c == value) {
        complain("-%c '': it may not be empty", option);
    }
    return value;
}

static void take(int option, const char *value)
{
    static const char *const modes[] = { "new", "keep", "hold", NULL };
    static const char *const kinds[] = { "silent", "partial", "idle", NULL };

    switch (option) {
    case 'm':
        options.mode = (enum mode)pick(option, value, modes);
        break;
    case 'k':
        options.kind = (enum hold_kind)pick(option, value, kinds);
        break;
    case 'p':
        options.http_port = (uint16_t)whole_number(option, value, UINT16_MAX);
        break;
    case 'S':
        options.https_port = (uint16_t)whole_number(option, value, UINT16_MAX);
        break;
    case 'u':
        options.path = word(option, value);
        break;
    case 'V':
        options.host = word(option, value);
        break;
    case 'H':
        add_field(value);
        break;
    case 'r':
        rate = positive(option, value);
        break;
    case 'd':
        options.seconds = positive(option, value);
        break;
    case 's':
        parse_schedule(value);
        break;
    case 'P':
        options.seed = seed_of(value);
        options.is_poisson = 1;
        break;
    case 'T':
        options.trace_file = value;
        break;
    case 'x':
        options.scale = positive(option, value);
        break;
    case 'R':
        sched_setscheduler(0, SCHED_RR, &(struct sched_param){ .sched_priority = 1 });
        break;
    case 'l':
        options.log_file = value;
        break;
    case 'c':
        options.connections = whole_number(option, value, CONNECTIONS_MAX);
        break;
    case 'n':
        options.at_most = whole_number(option, value, CONNECTIONS_MAX);
        break;
    case 'e':
        options.end_with_schedule = 1;
        break;
    case 't':
        options.timeout_seconds = positive(option, value);
        break;
    default:
        exit(2);
    }
}

static void check_together(void)
{
    const char *o;

    if (!options.http_port && !options.https_port) {
        complain("no port: say -p PORT for HTTP or -S PORT for HTTPS");
    }
    if (options.mode == MODE_HOLD && (options.https_port || options.trace_file)) {
        complain("-m hold goes with neither -S nor -T: it holds plain connections on the port of "
                 "-p");
    }
    if (!options.trace_file && options.http_port && options.https_port) {
        complain("-p and -S: a schedule is for one port, so leave out one of them");
    }
    for (o = "rdsPuV"; options.trace_file && *o; o++) {
        if (given[(int)*o]) {
            complain("-%c and -T: a trace has its own times, hosts and paths, so leave out -%c", *o,
                     *o);
        }
    }
    if (given['x'] && !options.trace_file) {
        complain("-x: only a trace (-T) has a time scale");
    }
}

/* However the schedule was given, it has parts, and options.seconds is their sum. */
static void sum_schedule(void)
{
    double requests = 0;
    int i;

    if (options.trace_file) {
        return;
    }
    if (!options.phase_count) {
        options.phases[options.phase_count++] = (phase){ .rate = rate, .seconds = options.seconds };
    }
    options.seconds = 0;
    for (i = 0; i < options.phase_count; i++) {
        options.seconds += options.phases[i].seconds;
        requests += options.phases[i].rate * options.phases[i].seconds;
    }
    if (requests > REQUESTS_MAX) {
        complain("%s: these are %.3g requests, and there may be %d; lower the rate or the time",
                 given['s'] ? "-s" : "-r and -d", requests, REQUESTS_MAX);
    }
}

void options_parse(int argc, char **argv)
{
    int o;

    while ((o = getopt(argc, argv, "m:p:S:u:V:H:r:d:s:P:T:x:c:n:k:t:l:eR")) != -1) {
        take(o, optarg);
        given[o & 127] = 1;
    }
    if (optind < argc) {
        complain("%s: there are only options", argv[optind]);
    }
    check_together();
    sum_schedule();
}
