/* Decisions as a person would tell them: one line for what belongs together. Pure.
 *
 *     load fell: 23 -> 17 children, 321 -> 180 threads over 9 s
 *
 *     threads followed the load: 48 to 56 over 40 s
 *
 * Decisions belong together if they go in the same direction, of whichever child and of whichever
 * kind, with no pause of STORY_PAUSE_US between one and the next.
 */
#ifndef ADP_STORY_H
#define ADP_STORY_H

#include "report_text.h"
#include "view.h"

#define STORY_PAUSE_US INT64_C(10000000)
#define STORIES_MOST   EXT_MOST_DECISIONS

typedef struct story_t {
    int64_t began_wall_us;      /* since 1970 */
    int64_t lasted_us;          /* from the first decision to the last */
    bool observed;              /* AdaptiveMode observe: what would have been done */
    int direction;              /* 1: more, -1: fewer, 0: neither */
    ctl_reason_e reason;        /* of the decision that weighs most */
    ctl_ceiling_e ceiling;
    int first, count;           /* its decisions: view->decisions[first ...], newest first */
    char text[REPORT_TEXT_SIZE];    /* without the time; no full stop */
} story_t;

/* The last ones, newest first, at most `most`. Returns how many. */
int story_tell(story_t *stories, int most, const view_t *view);

/* All of them; the last is followed by one whose count is 0. The caller's, by story_list_free().
 * NULL: memory is short. */
story_t *story_list(const view_t *view);
void story_list_free(story_t *stories);

#endif
