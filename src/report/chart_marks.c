/* Pure: what was done, as marks on the chart's axis of time. Each leads to its explanation, by
 * pointer or keyboard. Marks that would cover each other are one: nobody can point at a part of a
 * heap, nor wants to press Tab a hundred times. */
#include "chart_parts.h"

/* Nearer than this they are one mark; in tenths, as all of this file. */
#define MARK_WIDTH 130
/* A change that took longer than this has a tail. */
#define LEAST_TAIL 60
/* Lines that one mark has. */
#define MOST_LINES 5

/* Stories first ... first + count - 1, newest first. */
typedef struct mark_t {
    int first, count;
    int x;
} mark_t;

static const ext_decision_t *newest_of(const chart_t *chart, const story_t *story)
{
    return &chart->view->decisions[story->first];
}

static const ext_decision_t *oldest_of(const chart_t *chart, const story_t *story)
{
    return &chart->view->decisions[story->first + story->count - 1];
}

static int begin_of(const chart_t *chart, const story_t *story)
{
    return chart_x(chart, oldest_of(chart, story)->now_us / CHART_US_PER_S);
}

static bool is_too_old(const chart_t *chart, const story_t *story)
{
    return newest_of(chart, story)->now_us / CHART_US_PER_S < chart->begin_s;
}

static mark_t mark_at(const chart_t *chart, const story_t *stories, int first)
{
    mark_t mark = { .first = first, .count = 1, .x = begin_of(chart, &stories[first]) };
    const story_t *next = &stories[first + 1];

    for (; next->count > 0 && !is_too_old(chart, next); next++) {
        int apart = mark.x - begin_of(chart, next);

        if (apart >= MARK_WIDTH || apart <= -MARK_WIDTH) {
            break;
        }
        mark.count++;
    }
    return mark;
}

/* 1, -1 or 0 if all of them go there; 2 if they do not agree. */
static int direction_of_mark(const story_t *stories, const mark_t *mark)
{
    int i;

    for (i = 1; i < mark->count; i++) {
        if (stories[mark->first + i].direction != stories[mark->first].direction) {
            return 2;
        }
    }
    return stories[mark->first].direction;
}

static void put_mark_title(const chart_t *chart, const story_t *stories, const mark_t *mark)
{
    out_t *out = chart->out;
    int i;

    out_text(out, "<title>");
    for (i = 0; i < mark->count && i < MOST_LINES; i++) {
        const story_t *story = &stories[mark->first + i];

        out_text(out, i > 0 ? "\n" : "");
        page_put_time(out, chart->view, story->began_wall_us);
        out_text(out, " ");
        page_put_sentence(out, story->text);
    }
    if (i < mark->count) {
        out_format(out, "\nand %d more", mark->count - i);
    }
    out_text(out, "</title>");
}

static void put_path_at(out_t *out, const char *class, int x, int top)
{
    out_format(out, "<path class=\"%s\" d=\"M", class);
    chart_put_tenths(out, x);
    out_format(out, " %d", top);
}

/* More points up, fewer down; neither is a square, both a diamond. */
static void put_shape(const chart_t *chart, int direction, int x, int top)
{
    put_path_at(chart->out, "mark", x, top);
    out_text(chart->out, direction == 1 ? "l6 11h-12z" : direction == -1 ? "m0 11l6 -11h-12z"
                         : direction == 0 ? "m-4 2h8v8h-8z" : "l6 6l-6 6l-6 -6z");
    out_text(chart->out, "\"/>");
}

static void put_tails(const chart_t *chart, const story_t *stories, const mark_t *mark, int top)
{
    int i;

    for (i = mark->first; i < mark->first + mark->count; i++) {
        int begin = begin_of(chart, &stories[i]);
        int end = chart_x(chart, newest_of(chart, &stories[i])->now_us / CHART_US_PER_S);

        if (end - begin >= LEAST_TAIL) {
            put_path_at(chart->out, "tail", begin, top + 6);
            chart_put_command(chart->out, 'H', end);
            out_text(chart->out, "\"/>");
        }
    }
}

static void put_mark(const chart_t *chart, const story_t *stories, const mark_t *mark, int top)
{
    out_t *out = chart->out;

    out_text(out, "<a href=\"#story-");
    page_put_story_name(out, chart->view, &stories[mark->first]);
    out_text(out, "\">");
    put_mark_title(chart, stories, mark);
    /* what is seen only while it is pointed at: where that is in the other plots */
    put_path_at(out, "guide", mark->x, chart->layout->gap);
    out_format(out, "V%d\"/>", chart->bottom);
    put_tails(chart, stories, mark, top);
    put_shape(chart, direction_of_mark(stories, mark), mark->x, top);
    /* room for a finger */
    put_path_at(out, "hit", mark->x - MARK_WIDTH / 2, top - 6);
    out_format(out, "h%dv24h-%dz\"/></a>\n", MARK_WIDTH / 10, MARK_WIDTH / 10);
}

void chart_put_marks(const chart_t *chart, const story_t *stories, int top)
{
    int i = 0;

    while (stories && stories[i].count > 0) {
        if (is_too_old(chart, &stories[i])) {
            i++;
        }
        else {
            mark_t mark = mark_at(chart, stories, i);

            put_mark(chart, stories, &mark, top);
            i += mark.count;
        }
    }
}
