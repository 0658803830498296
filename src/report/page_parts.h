/* The parts of the page for people, for page.c. Each puts a <section>. Pure. */
#ifndef ADP_PAGE_PARTS_H
#define ADP_PAGE_PARTS_H

#include "story.h"
#include "view.h"

#include "base/out.h"

/* page_tables.c */
void page_put_holders(out_t *out, const view_t *view);
void page_put_ceilings(out_t *out, const view_t *view);
void page_put_children(out_t *out, const view_t *view);
void page_put_stories(out_t *out, const view_t *view, const story_t *stories);
void page_put_settings(out_t *out, const view_t *view);

/* chart.c: the last ten minutes. stories as by story_list(); they are linked to by name. */
void chart_put(out_t *out, const view_t *view, const story_t *stories);

/* page_text.c: small texts that the parts share. */

/* "35 ms", "3 min 20 s". */
void page_put_duration(out_t *out, int64_t us);
/* Local time, "19:52:04"; with the date if that is not today's. */
void page_put_time(out_t *out, const view_t *view, int64_t wall_us);
/* What a story is called in links: by its first decision, because it may go on. */
void page_put_story_name(out_t *out, const view_t *view, const story_t *story);
/* "1 thread", "3 threads". */
void page_put_count(out_t *out, int64_t count, const char *one, const char *many);
/* "205 MB", "8192 threads". */
void page_put_amount(out_t *out, int64_t amount, ext_unit_e unit);
/* A text of ours with an arrow for "->". */
void page_put_sentence(out_t *out, const char *text);
/* A bar: part of all, at least a hair of it if it is not nothing. level: a class. */
void page_put_bar(out_t *out, double part, const char *level);

#endif
