/* Is it well? One sentence in plain words, and what needs a person, worst first. Pure. */
#ifndef ADP_VERDICT_H
#define ADP_VERDICT_H

#include "report_text.h"
#include "view.h"

typedef enum {
    VERDICT_GREEN,              /* it is well */
    VERDICT_AMBER,              /* it works, and somebody should look before it does not */
    VERDICT_RED                 /* requests suffer, now */
} verdict_level_e;

typedef struct verdict_cause_t {
    verdict_level_e level;      /* amber or red */
    const char *name;           /* a word for scripts, which never changes: "ceiling-reached" */
    const char *message;        /* of docs/user/messages.md, as "ADP0091"; NULL: none */
    char title[96];             /* in a few words */
    char text[REPORT_TEXT_SIZE];        /* what is so, whole */
    char remedy[REPORT_TEXT_SIZE];      /* what can be done; "" if nothing need be */
} verdict_cause_t;

#define VERDICT_MOST 12

typedef struct verdict_t {
    verdict_level_e level;      /* the worst of them */
    char sentence[REPORT_TEXT_SIZE];    /* state, last decision; ends in a full stop */
    int count;
    verdict_cause_t causes[VERDICT_MOST];
} verdict_t;

void verdict_of(verdict_t *verdict, const view_t *view);

/* "green", "amber", "red"; "well", "look", "act": the same without colours. */
const char *verdict_level_name(verdict_level_e level);
const char *verdict_level_word(verdict_level_e level);

#endif
