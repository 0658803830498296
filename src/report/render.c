/* Pure; any thread. */
#include "render.h"

#include <string.h>

/* Nothing is kept, nothing is loaded from elsewhere, nobody frames it, and no byte is taken for
 * something else than it is. The page loads its style and its script from its own address. */
const char *const render_headers[] = {
    "Cache-Control", "no-store",
    "X-Content-Type-Options", "nosniff",
    "Referrer-Policy", "no-referrer",
    "Content-Security-Policy",
    ("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
     "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    NULL
};

#define ICON "icon="

typedef struct form_t {
    const char *query;
    render_form_e form;
} form_t;

static const form_t forms[] = {
    { "", RENDER_PAGE }, { "json", RENDER_JSON }, { "metrics", RENDER_METRICS },
    { "style", RENDER_STYLE }, { "script", RENDER_SCRIPT }, { ICON "green", RENDER_ICON },
    { ICON "amber", RENDER_ICON }, { ICON "red", RENDER_ICON }
};

/* Whoever can read OpenMetrics says so first; its version is not looked at, there is one. */
static bool wants_openmetrics(const char *accept)
{
    return accept && strstr(accept, "application/openmetrics-text");
}

/* "metrics=" is how Prometheus asks: its parameters always have a value, be it empty. */
static bool asks_for(const char *query, const char *form)
{
    size_t length = strlen(form);

    return !strncmp(query, form, length)
           && (query[length] == '\0' || (length > 0 && !strcmp(query + length, "=")));
}

render_form_e render_form(const char *query, const char *accept)
{
    size_t i;

    for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (asks_for(query ? query : "", forms[i].query)) {
            return forms[i].form == RENDER_METRICS && wants_openmetrics(accept)
                   ? RENDER_OPENMETRICS : forms[i].form;
        }
    }
    return RENDER_UNKNOWN;
}

const char *render_content_type(render_form_e form)
{
    static const char *const types[RENDER_FORMS] = {
        [RENDER_PAGE] = "text/html; charset=utf-8",
        [RENDER_JSON] = "application/json",
        [RENDER_METRICS] = "text/plain; version=0.0.4; charset=utf-8",
        [RENDER_OPENMETRICS] = "application/openmetrics-text; version=1.0.0; charset=utf-8",
        [RENDER_STYLE] = "text/css; charset=utf-8",
        [RENDER_SCRIPT] = "text/javascript; charset=utf-8",
        [RENDER_ICON] = "image/svg+xml; charset=utf-8",
        [RENDER_UNKNOWN] = "text/plain; charset=utf-8"
    };

    return types[form];
}

bool render_needs_view(render_form_e form)
{
    return form == RENDER_PAGE || form == RENDER_JSON || form == RENDER_METRICS
           || form == RENDER_OPENMETRICS;
}

void render(out_t *out, render_form_e form, const char *query, const view_t *view)
{
    switch (form) {
    case RENDER_PAGE:
        page_put(out, view);
        break;
    case RENDER_JSON:
        json_put(out, view);
        break;
    case RENDER_METRICS:
        metrics_put(out, view, false);
        break;
    case RENDER_OPENMETRICS:
        metrics_put(out, view, true);
        break;
    case RENDER_STYLE:
        page_put_style(out);
        break;
    case RENDER_SCRIPT:
        page_put_script(out);
        break;
    case RENDER_ICON:
        page_put_icon(out, query + strlen(ICON));
        break;
    case RENDER_UNKNOWN:
    case RENDER_FORMS:
        out_text(out, "There is no such form of this page: ask for nothing, ?json or ?metrics.\n");
        break;
    }
}
