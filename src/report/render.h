/* What a status page answers: which form of it is asked for, its headers, its bytes. Pure: httpd's
 * handler (handler.c) and the process that answers when no worker can (parent/desk.c) both ask
 * here.
 *
 *     (nothing)     the page for people: page.c, with chart.c
 *     ?json         everything, for programs: json.c
 *     ?metrics      for Prometheus: text format 0.0.4, or OpenMetrics 1.0 if Accept asks for that:
 *                   metrics.c
 *     ?style, ?script, ?icon=LEVEL   what the page loads: same origin, no other
 */
#ifndef ADP_RENDER_H
#define ADP_RENDER_H

#include "view.h"

#include "base/out.h"

typedef enum {
    RENDER_PAGE,
    RENDER_JSON,
    RENDER_METRICS,
    RENDER_OPENMETRICS,
    RENDER_STYLE,
    RENDER_SCRIPT,
    RENDER_ICON,                /* for the verdict's level: green, amber, red */
    RENDER_UNKNOWN,             /* a query that is none of these: 404 */
    RENDER_FORMS
} render_form_e;

/* query: what follows the question mark, NULL or "": nothing. accept: the header, or NULL. */
render_form_e render_form(const char *query, const char *accept);

const char *render_content_type(render_form_e form);

/* Headers that all forms have: name, value, name, value ..., NULL. */
extern const char *const render_headers[];

/* Needs the form a view? */
bool render_needs_view(render_form_e form);

/* query as it was for render_form(); view may be NULL where none is needed. */
void render(out_t *out, render_form_e form, const char *query, const view_t *view);

/* --- the forms ------------------------------------------------------------------------------ */

void page_put(out_t *out, const view_t *view);
void page_put_style(out_t *out);
void page_put_script(out_t *out);
void page_put_icon(out_t *out, const char *level);

void json_put(out_t *out, const view_t *view);
void metrics_put(out_t *out, const view_t *view, bool openmetrics);

#endif
