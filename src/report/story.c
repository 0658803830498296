/* Pure: the rings of decisions and the history in, sentences out. */
#include "story.h"

#include "base/text.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/param.h>

#define US_PER_MS INT64_C(1000)
#define US_PER_S  INT64_C(1000000)

/* A change goes on for a while after it was noted: threads are counted so much later. */
#define SETTLE_S 1
/* So many threads more or less are a change; and such a part of them. */
#define LEAST_CHANGE 4
#define SMALL_PART   5

/* Which reason a story is told with, if its decisions have several: the one that says most. */
static int weight_of(ctl_reason_e reason)
{
    static const int weights[CTL_REASONS] = {
        [CTL_CEILING] = 9, [CTL_NO_DESCRIPTORS] = 8, [CTL_WAITING] = 7, [CTL_DEMAND] = 6,
        [CTL_LEAD_TIME] = 5, [CTL_CPU_BOUND] = 5, [CTL_MIN_SPARE] = 4, [CTL_MAX_SPARE] = 4,
        [CTL_SURPLUS] = 3, [CTL_HOLD] = 2, [CTL_FLOOR] = 1
    };

    return (int)reason >= 0 && reason < CTL_REASONS ? weights[reason] : 0;
}

static int direction_of(const ext_decision_t *d)
{
    int before = d->kind == EXT_CHILDREN ? d->children_before : d->threads_before;
    int after = d->kind == EXT_CHILDREN ? d->children_after : d->threads_after;

    return (after > before) - (after < before);
}

static bool was_observed(const ext_decision_t *d)
{
    return d->mode == EXT_MODE_OBSERVE;
}

/* --- what belongs together ---------------------------------------------------------------- */

/* Does the older decision belong to what follows it? */
static bool belongs(const story_t *story, const ext_decision_t *newer, const ext_decision_t *older)
{
    return was_observed(older) == story->observed
           && direction_of(older) == story->direction
           && newer->now_us - older->now_us <= STORY_PAUSE_US;
}

static int end_of(const story_t *story, const view_t *view)
{
    int i = story->first + 1;

    while (i < view->decision_count
           && belongs(story, &view->decisions[i - 1], &view->decisions[i])) {
        i++;
    }
    return i;
}

/* --- how many there were ------------------------------------------------------------------ */

/* The threads of all children in a second, by the history; -1: unknown. */
static int threads_in(const view_t *view, int64_t second)
{
    int64_t place = view->second_count > 0 ? second - view->seconds[0].second : -1;

    return place >= 0 && place < view->second_count ? view->seconds[place].threads : -1;
}

static int threads_at_begin(const view_t *view, const ext_decision_t *oldest)
{
    return threads_in(view, oldest->now_us / US_PER_S - 1);
}

static int threads_at_end(const view_t *view, const ext_decision_t *newest)
{
    int64_t second = newest->now_us / US_PER_S + SETTLE_S;

    return second >= view->now_us / US_PER_S ? view->threads : threads_in(view, second);
}

/* From the oldest decision about children to the newest. False: there is none. */
static bool children_of(const view_t *view, const story_t *story, int *before, int *after)
{
    bool found = false;
    int i;

    for (i = story->first; i < story->first + story->count; i++) {
        const ext_decision_t *d = &view->decisions[i];

        if (d->kind == EXT_CHILDREN) {
            *after = found ? *after : d->children_after;
            *before = d->children_before;
            found = true;
        }
    }
    return found;
}

static int children_among(const view_t *view, const story_t *story)
{
    int i, j, count = 0;

    for (i = story->first; i < story->first + story->count; i++) {
        for (j = story->first; j < i && view->decisions[j].slot != view->decisions[i].slot; j++) {
        }
        count += j == i;
    }
    return count;
}

/* --- in words ----------------------------------------------------------------------------- */

static const ext_decision_t *weightiest(const view_t *view, const story_t *story)
{
    const ext_decision_t *best = &view->decisions[story->first];
    int i;

    for (i = story->first; i < story->first + story->count; i++) {
        const ext_decision_t *d = &view->decisions[i];
        int more = weight_of((ctl_reason_e)d->reason) - weight_of((ctl_reason_e)best->reason);

        if (more > 0 || (more == 0 && d->waited_us > best->waited_us)) {
            best = d;
        }
    }
    return best;
}

static bool is_for_surplus(const story_t *story)
{
    return story->direction < 0 && (story->reason == CTL_SURPLUS || story->reason == CTL_HOLD);
}

static const char *headline(const story_t *story)
{
    if (story->direction > 0) {
        return story->observed ? "would have grown" : "grew";
    }
    if (story->direction == 0) {
        return story->observed ? "would have stayed" : "stayed";
    }
    if (is_for_surplus(story)) {
        return story->observed ? "load fell, and there would be fewer" : "load fell";
    }
    return story->observed ? "would have shrunk" : "shrank";
}

/* Where the history knows no more than that children began to. */
static void add_child_threads(text_t *out, const view_t *view, const story_t *story)
{
    const ext_decision_t *oldest = &view->decisions[story->first + story->count - 1];
    int children = children_among(view, story);

    if (story->direction == 0) {
        text_add(out, "%d thread%s in child %d", oldest->threads_after,
                 oldest->threads_after == 1 ? "" : "s", oldest->slot);
    }
    else if (children == 1) {
        text_add(out, "child %d %s %d thread%s", oldest->slot,
                 story->direction > 0 ? "beyond" : "below", oldest->threads_before,
                 oldest->threads_before == 1 ? "" : "s");
    }
    else {
        text_add(out, "%s threads in %d children", story->direction > 0 ? "more" : "fewer",
                 children);
    }
}

static void add_change_of_children(text_t *out, int before, int after)
{
    if (before == after) {
        text_add(out, "%d %s", after, after == 1 ? "child" : "children");
    }
    else {
        text_add(out, "%d -> %d children", before, after);
    }
}

static void add_what_changed(text_t *out, const view_t *view, const story_t *story)
{
    int children_before = 0, children_after = 0;
    bool has_children = children_of(view, story, &children_before, &children_after);
    int before = threads_at_begin(view, &view->decisions[story->first + story->count - 1]);
    int after = threads_at_end(view, &view->decisions[story->first]);
    /* what was only planned has changed nothing, and what went the other way is another story */
    bool has_threads = !story->observed && before >= 0 && after >= 0 && story->direction != 0
                       && (after > before) - (after < before) == story->direction;

    if (has_children) {
        add_change_of_children(out, children_before, children_after);
    }
    if (has_threads) {
        text_add(out, "%s%d -> %d threads", has_children ? ", " : "", before, after);
    }
    else if (!has_children) {
        add_child_threads(out, view, story);
    }
}

static void add_why(text_t *out, const view_t *view, const story_t *story)
{
    const ext_decision_t *why = weightiest(view, story);
    char because[REPORT_TEXT_SIZE];

    if (is_for_surplus(story) || story->reason == CTL_STEADY) {
        return;
    }
    report_because(because, sizeof(because), why);
    if (story->reason == CTL_CEILING && story->direction >= 0) {
        text_add(out, ", and %s", because);
    }
    else if (story->reason == CTL_WAITING && story->count > 1) {
        report_duration(because, sizeof(because), why->waited_us);
        text_add(out, " because requests waited up to %s", because);
    }
    else {
        text_add(out, " because %s", because);
    }
}

static void write_text(story_t *story, const view_t *view)
{
    char text[64];
    text_t out = text_begin(story->text, sizeof(story->text));

    text_add(&out, "%s: ", headline(story));
    add_what_changed(&out, view, story);
    if (story->lasted_us >= 10 * US_PER_MS) {
        text_add(&out, " over %s", report_duration(text, sizeof(text), story->lasted_us));
    }
    add_why(&out, view, story);
}

/* --- threads that come and go --------------------------------------------------------------- */

/* A few threads more or less, of no child more or less: that is what following the load looks
 * like, and of many such ones only all together say something. */
static bool is_small(const view_t *view, const story_t *story)
{
    int before = threads_at_begin(view, &view->decisions[story->first + story->count - 1]);
    int after = threads_at_end(view, &view->decisions[story->first]);
    int children_before, children_after;

    return !story->observed && before > 0 && after > 0
           && !children_of(view, story, &children_before, &children_after)
           && abs(after - before) < MAX(LEAST_CHANGE, before / SMALL_PART);
}

static story_t begin_at(const view_t *view, int first)
{
    story_t story = {
        .first = first, .observed = was_observed(&view->decisions[first]),
        .direction = direction_of(&view->decisions[first])
    };

    story.count = end_of(&story, view) - first;
    return story;
}

/* With the small ones before it that follow each other without a pause. True: there are some. */
static bool join_small(story_t *story, const view_t *view)
{
    bool joined = false;

    while (story->first + story->count < view->decision_count && is_small(view, story)) {
        const ext_decision_t *oldest = &view->decisions[story->first + story->count - 1];
        story_t before = begin_at(view, story->first + story->count);

        if (!is_small(view, &before)
            || oldest->now_us - view->decisions[before.first].now_us > STORY_PAUSE_US) {
            break;
        }
        story->count += before.count;
        joined = true;
    }
    return joined;
}

/* "threads followed the load: 48 to 56 over 40 s" */
static void tell_of_following(story_t *story, const view_t *view)
{
    int64_t second = view->decisions[story->first + story->count - 1].now_us / US_PER_S - 1;
    int64_t last = view->decisions[story->first].now_us / US_PER_S;
    int at_last = threads_in(view, last) >= 0 ? threads_in(view, last) : view->threads;
    int low = at_last, high = 0;
    char text[64];
    text_t out = text_begin(story->text, sizeof(story->text));

    for (; second <= last; second++) {
        int threads = threads_in(view, second);

        low = threads >= 0 ? MIN(low, threads) : low;
        high = MAX(high, threads);
    }
    text_add(&out, "threads followed the load: %d to %d over %s", low, MAX(high, at_last),
             report_duration(text, sizeof(text), story->lasted_us));
}

int story_tell(story_t *stories, int most, const view_t *view)
{
    int count = 0, next = 0;

    while (next < view->decision_count && count < most) {
        story_t *story = &stories[count++];
        const ext_decision_t *newest = &view->decisions[next], *oldest;
        bool follows;

        *story = begin_at(view, next);
        follows = join_small(story, view);
        next = story->first + story->count;
        oldest = &view->decisions[next - 1];
        /* nonsense is at most as late as now */
        story->began_wall_us = MIN(MAX(oldest->wall_us, 0), view->wall_us);
        story->lasted_us = MIN(MAX(newest->now_us - oldest->now_us, 0), view->now_us);
        story->reason = (ctl_reason_e)weightiest(view, story)->reason;
        story->ceiling = (ctl_ceiling_e)weightiest(view, story)->ceiling;
        if (follows) {
            story->direction = 0;
            tell_of_following(story, view);
        }
        else {
            write_text(story, view);
        }
    }
    return count;
}

story_t *story_list(const view_t *view)
{
    story_t *stories = calloc((size_t)view->decision_count + 1, sizeof(*stories));

    if (stories) {
        story_tell(stories, view->decision_count, view);
    }
    return stories;
}

void story_list_free(story_t *stories)
{
    free(stories);
}
