/* The command line. */
#ifndef SIM_OPTIONS_H
#define SIM_OPTIONS_H

#include "batch.h"

typedef struct options_t {
    model_options_t model;
    bool traces[64];            /* by index */
    bool policies[POLICIES];
    bool constant;              /* a trace of constant load instead, as follows */
    double per_s, seconds, cpus, waste;
    work_t work;
    int fixed_threads;
    unsigned without;           /* terms of the law switched off */
    bool knows_waiting;
    int at_a_time;
    bool ablation, check, values;
    const char *markdown;       /* file */
    const char *charts;         /* directory */
} options_t;

/* Exits with a message if something is wrong. */
options_t options_parse(int argc, char **argv);

#endif
