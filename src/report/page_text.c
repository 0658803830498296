/* Pure but for the time zone, which the C library knows. */
#include "page_parts.h"

#include "report_text.h"

#include <string.h>
#include <time.h>

#define US_PER_S INT64_C(1000000)

void page_put_duration(out_t *out, int64_t us)
{
    char text[32];

    out_text(out, us > 0 ? report_duration(text, sizeof(text), us) : "0 ms");
}

void page_put_time(out_t *out, const view_t *view, int64_t wall_us)
{
    time_t then_s = (time_t)(wall_us / US_PER_S), now_s = (time_t)(view->wall_us / US_PER_S);
    struct tm then = { 0 }, now = { 0 };
    char text[40] = "";

    localtime_r(&then_s, &then);
    localtime_r(&now_s, &now);
    strftime(text, sizeof(text), then.tm_yday == now.tm_yday && then.tm_year == now.tm_year
                                 ? "%H:%M:%S" : "%Y-%m-%d %H:%M:%S", &then);
    out_text(out, text);
}

void page_put_story_name(out_t *out, const view_t *view, const story_t *story)
{
    const ext_decision_t *oldest = &view->decisions[story->first + story->count - 1];

    out_format(out, "%llu-%d", (unsigned long long)oldest->number, oldest->kind);
}

void page_put_count(out_t *out, int64_t count, const char *one, const char *many)
{
    out_format(out, "%lld %s", (long long)count, count == 1 ? one : many);
}

void page_put_amount(out_t *out, int64_t amount, ext_unit_e unit)
{
    static const char *const scales[] = { "B", "KB", "MB", "GB", "TB" };
    double bytes = (double)amount;
    size_t i = 0;

    if (unit != EXT_UNIT_BYTES) {
        out_format(out, "%lld %s", (long long)amount, view_unit_name(unit));
        return;
    }
    while (bytes >= 1024 && i + 1 < sizeof(scales) / sizeof(scales[0])) {
        bytes /= 1024;
        i++;
    }
    out_format(out, "%.*f %s", bytes < 10 && i > 0 ? 1 : 0, bytes, scales[i]);
}

void page_put_sentence(out_t *out, const char *text)
{
    const char *arrow;
    char piece[REPORT_TEXT_SIZE];

    while ((arrow = strstr(text, "->")) != NULL) {
        size_t length = (size_t)(arrow - text);

        length = length < sizeof(piece) - 1 ? length : sizeof(piece) - 1;
        memcpy(piece, text, length);
        piece[length] = '\0';
        out_html(out, piece);
        out_text(out, "&rarr;");
        text = arrow + 2;
    }
    out_html(out, text);
}

void page_put_bar(out_t *out, double part, const char *level)
{
    double width = part > 1 ? 100 : part > 0.01 ? 100 * part : part > 0 ? 1 : 0;

    out_format(out, "<svg class=\"bar %s\" viewBox=\"0 0 100 8\" preserveAspectRatio=\"none\" "
               "aria-hidden=\"true\"><rect class=\"all\" width=\"100\" height=\"8\"/>"
               "<rect class=\"part\" width=\"%.1f\" height=\"8\"/></svg>", level, width);
}
