/* What the command line says. main.c explains it. */
#ifndef LOADGEN_OPTIONS_H
#define LOADGEN_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

#define CONNECTIONS_MAX 20000
#define PHASES_MAX 64
#define REQUESTS_MAX 100000000     /* what became of each is kept in memory */

enum mode { MODE_NEW, MODE_KEEP, MODE_HOLD };
enum hold_kind { HOLD_SILENT, HOLD_PARTIAL, HOLD_IDLE };

/* A part of the schedule. */
typedef struct {
    double rate;
    double seconds;
} phase;

struct options {
    enum mode mode;
    enum hold_kind kind;
    uint16_t http_port, https_port;     /* 0: none */
    const char *path, *host;
    const char *fields;                 /* header lines for all requests, each with its end */
    const char *log_file;
    const char *trace_file;             /* NULL: there is a schedule */
    phase phases[PHASES_MAX];
    int phase_count;
    double seconds;                     /* of the whole schedule */
    double scale;                       /* of a trace's time */
    double timeout_seconds;
    uint64_t seed;
    int is_poisson;
    int connections;
    int at_most;                        /* new connections at a time */
    int end_with_schedule;
};

extern struct options options;

void options_parse(int argc, char **argv);

/* An error in what the user said: the program ends with status 2. */
void complain(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* Whether each line of such fields is "Name: value". Lines end with CR LF; the last one need
 * not. */
int fields_are_good(const char *fields, size_t length);

#endif
