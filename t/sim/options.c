/* The command line. */
#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
    "sim [option ...] [trace ...]\n"
    "  --seed N             another draw of the same loads (1)\n"
    "  --policy NAME        only this policy, more than once for some: optimum, adaptive, 'event "
    "default', ...\n"
    "  --without MASK       the adaptive policy without these terms of the law (ctl_term_e)\n"
    "  --waiting-unknown    the length of the backlog is not known to the law\n"
    "  --deal any           connections go to any child that could take them, not to the first\n"
    "  --child-start-ms N   mean from fork to accepting (10)\n"
    "  --thread-start-us N  median (60)\n"
    "  --hold-s N           how long spare threads are kept (5), --child-hold-s N and spare "
    "children (20)\n"
    "  --backlog N          connections that wait before more are refused (511)\n"
    "  --ablation           what is worse with each term switched off\n"
    "  --turn-s N           clients whose work takes turns do so each N seconds\n"
    "  --markdown FILE      the tables once more\n"
    "  --charts DIRECTORY   one SVG file a trace\n"
    "  --values             name=value lines instead of tables\n"
    "  --log                each decision of the adaptive policy that changes something\n"
    "  --check              fail if a goal is not met\n"
    "  --jobs N             processes at a time (processors)\n"
    "  --rate N             constant load, so many requests/s, with --seconds N, --cpus N, "
    "--cpu-ms N and --wait-ms N\n"
    "                       a request, --shape constant|exponential|lognormal|pareto of the wait, "
    "--waste N, --threads N\n"
    "                       of the fixed pool\n"
    "traces:";

enum {
    SEED = 256,
    POLICY,
    WITHOUT,
    WAITING_UNKNOWN,
    DEAL,
    CHILD_START,
    THREAD_START,
    BACKLOG,
    HOLD,
    CHILD_HOLD,
    TURN,
    ABLATION,
    MARKDOWN,
    CHARTS,
    VALUES,
    CHECK,
    LOG,
    JOBS,
    RATE,
    SECONDS,
    CPUS,
    CPU_MS,
    WAIT_MS,
    SHAPE,
    WASTE,
    THREADS,
    HELP
};

static const struct option known[] = { { "seed", required_argument, NULL, SEED },
                                       { "policy", required_argument, NULL, POLICY },
                                       { "without", required_argument, NULL, WITHOUT },
                                       { "waiting-unknown", no_argument, NULL, WAITING_UNKNOWN },
                                       { "deal", required_argument, NULL, DEAL },
                                       { "child-start-ms", required_argument, NULL, CHILD_START },
                                       { "thread-start-us", required_argument, NULL, THREAD_START },
                                       { "backlog", required_argument, NULL, BACKLOG },
                                       { "hold-s", required_argument, NULL, HOLD },
                                       { "child-hold-s", required_argument, NULL, CHILD_HOLD },
                                       { "turn-s", required_argument, NULL, TURN },
                                       { "ablation", no_argument, NULL, ABLATION },
                                       { "markdown", required_argument, NULL, MARKDOWN },
                                       { "charts", required_argument, NULL, CHARTS },
                                       { "values", no_argument, NULL, VALUES },
                                       { "check", no_argument, NULL, CHECK },
                                       { "log", no_argument, NULL, LOG },
                                       { "jobs", required_argument, NULL, JOBS },
                                       { "rate", required_argument, NULL, RATE },
                                       { "seconds", required_argument, NULL, SECONDS },
                                       { "cpus", required_argument, NULL, CPUS },
                                       { "cpu-ms", required_argument, NULL, CPU_MS },
                                       { "wait-ms", required_argument, NULL, WAIT_MS },
                                       { "shape", required_argument, NULL, SHAPE },
                                       { "waste", required_argument, NULL, WASTE },
                                       { "threads", required_argument, NULL, THREADS },
                                       { "help", no_argument, NULL, HELP },
                                       { NULL, 0, NULL, 0 } };

static void explain(FILE *out)
{
    int i;

    fputs(usage, out);
    for (i = 0; i < trace_count; i++) {
        trace_t t = trace_get(i, 1);

        fprintf(out, "\n  %-10s %s", t.name, t.title);
        trace_free(&t);
    }
    fputc('\n', out);
}

static double number(const char *option, const char *text, double least)
{
    char *end;
    double value = strtod(text, &end);

    if (*end || end == text || !(value >= least) || value > 1e12) {
        fprintf(stderr, "sim: --%s %s: a number of at least %g is meant\n", option, text, least);
        exit(2);
    }
    return value;
}

static int one_of(const char *option, const char *text, const char *const *names, int count)
{
    int i;

    for (i = 0; i < count; i++) {
        if (!strcmp(text, names[i])) {
            return i;
        }
    }
    fprintf(stderr, "sim: --%s %s: unknown, see --help\n", option, text);
    exit(2);
}

static void choose_policy(options_t *o, const char *text, bool *first)
{
    const char *names[POLICIES];
    int i;

    for (i = 0; i < POLICIES; i++) {
        names[i] = policy_get((policy_e)i).name;
        o->policies[i] = o->policies[i] && !*first;
    }
    *first = false;
    o->policies[one_of("policy", text, names, POLICIES)] = true;
}

static void choose_traces(options_t *o, int count, char **names)
{
    int i;

    for (i = 0; i < trace_count; i++) {
        o->traces[i] = count == 0;
    }
    for (i = 0; i < count; i++) {
        int trace = trace_find(names[i]);

        if (trace < 0) {
            fprintf(stderr, "sim: there is no trace %s, see --help\n", names[i]);
            exit(2);
        }
        o->traces[trace] = true;
    }
}

options_t options_parse(int argc, char **argv)
{
    static const char *const shapes[] = { "constant", "exponential", "lognormal", "pareto" };
    static const char *const deals[] = { "first", "any" };
    options_t o = { .model = { .seed = 1,
                               .child_start_us = 10e3,
                               .thread_start_us = 60,
                               .backlog = 511,
                               .deal_first = true,
                               .hold_us = 5e6,
                               .child_hold_us = 20e6 },
                    .seconds = 100,
                    .cpus = 8,
                    .knows_waiting = true,
                    .at_a_time = (int)sysconf(_SC_NPROCESSORS_ONLN) };
    bool first_policy = true;
    int option, i;

    for (i = 0; i < POLICIES; i++) {
        o.policies[i] = true;
    }
    while ((option = getopt_long(argc, argv, "", known, &i)) != -1) {
        const char *name = option >= SEED ? known[option - SEED].name : "";

        switch (option) {
        case SEED: o.model.seed = (uint64_t)number(name, optarg, 0); break;
        case POLICY: choose_policy(&o, optarg, &first_policy); break;
        case WITHOUT: o.without = (unsigned)strtoul(optarg, NULL, 0); break;
        case WAITING_UNKNOWN: o.knows_waiting = false; break;
        case DEAL: o.model.deal_first = one_of(name, optarg, deals, 2) == 0; break;
        case CHILD_START: o.model.child_start_us = number(name, optarg, 0.001) * 1e3; break;
        case THREAD_START: o.model.thread_start_us = number(name, optarg, 1); break;
        case BACKLOG: o.model.backlog = (int)number(name, optarg, 1); break;
        case HOLD: o.model.hold_us = number(name, optarg, 0) * 1e6; break;
        case CHILD_HOLD: o.model.child_hold_us = number(name, optarg, 0) * 1e6; break;
        case TURN: o.model.turn_s = number(name, optarg, 0.01); break;
        case ABLATION: o.ablation = true; break;
        case MARKDOWN: o.markdown = optarg; break;
        case CHARTS: o.charts = optarg; break;
        case VALUES: o.values = true; break;
        case CHECK: o.check = true; break;
        case LOG: o.model.log = true; break;
        case JOBS: o.at_a_time = (int)number(name, optarg, 1); break;
        case RATE: o.constant = true, o.per_s = number(name, optarg, 0); break;
        case SECONDS: o.seconds = number(name, optarg, 0.1); break;
        case CPUS: o.cpus = number(name, optarg, 0.1); break;
        case CPU_MS: o.work.cpu_us = number(name, optarg, 0) * 1e3; break;
        case WAIT_MS: o.work.wait_us = number(name, optarg, 0) * 1e3; break;
        case SHAPE: o.work.shape = (shape_e)one_of(name, optarg, shapes, 4); break;
        case WASTE: o.waste = number(name, optarg, 0); break;
        case THREADS: o.fixed_threads = (int)number(name, optarg, 1); break;
        case HELP: explain(stdout); exit(0);
        default: explain(stderr); exit(2);
        }
    }
    choose_traces(&o, argc - optind, argv + optind);
    return o;
}
