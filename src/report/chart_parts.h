/* The chart of the last ten minutes, for its files: chart.c draws plots, chart_axis.c knows where
 * a moment is, chart_marks.c draws what was done, chart_words.c says the same in words. Pure. */
#ifndef ADP_CHART_PARTS_H
#define ADP_CHART_PARTS_H

#include "page_parts.h"

#include <stdbool.h>

#define CHART_US_PER_S INT64_C(1000000)
#define CHART_SPAN_S   EXT_SECONDS

/* Sizes of a picture, in units of its viewBox. */
typedef struct layout_t {
    const char *name;           /* its class */
    int width, left, right;
    int threads, small;         /* heights of the plots */
    int gap;                    /* above each, for its title */
    int ticks;                  /* minutes between two times on the axis */
    const char *waiting;        /* title of that plot, as long as there is room for */
} layout_t;

typedef struct chart_t {
    out_t *out;
    const view_t *view;
    const layout_t *layout;
    int64_t begin_s;            /* monotonic: the left edge */
    int bottom;                 /* of the last plot */
    double top, height;         /* of the plot that is being drawn */
    double most;                /* value at its top */
    bool is_log;
} chart_t;

/* chart_axis.c */

/* Tenths of a unit from the left edge of the picture; what is older or newer is at an edge. */
int chart_x(const chart_t *chart, int64_t second);

/* "12.3" of 123: thousands of them make a chart, and printf() takes its time for each. */
void chart_put_tenths(out_t *out, int tenths);
/* ... of a path: "H12.3". */
void chart_put_command(out_t *out, char command, int tenths);

/* chart_marks.c: `top` units from the top. */
void chart_put_marks(const chart_t *chart, const story_t *stories, int top);

/* chart_words.c */
void chart_put_legend(out_t *out);
void chart_put_summary(out_t *out, const view_t *view);
void chart_put_minutes(out_t *out, const view_t *view);

#endif
