/* What each term of the law buys: the adaptive policy with one term switched off at a time. */
#ifndef SIM_ABLATION_H
#define SIM_ABLATION_H

#include "options.h"

#include <stdio.h>

/* Runs everything and prints; returns how many terms buy nothing on the chosen traces. */
int ablation_print(FILE *out, FILE *markdown, const options_t *options);

#endif
