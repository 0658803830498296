/* Who holds threads: the table of virtual hosts and backends in the shared memory, and what each
 * child has of them. What follows from it decides law/share.h.
 *
 * Children only, any thread, without locks: places are taken by compare-and-swap, counts are
 * atomics. The parent never reads it; status pages do.
 *
 * The table has room for the classes that are busy. When it is full a place goes to another class
 * once nothing has come for the old one for some seconds and no thread serves it. Requests of
 * classes that find no place are counted together. Whoever remembers a place asks each time whether
 * it is still the class's own. A request that has begun keeps the place, so that the counts are
 * always even.
 *
 * Pure C: tested without httpd.
 */
#ifndef ADP_CLASSES_H
#define ADP_CLASSES_H

#include "law/share.h"
#include "scoreboard_ext.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLASSES_NO_PLACE (-1)

/* Never 0. */
uint64_t classes_hash(bool is_backend, const char *text, size_t length);

/* The place of a class; CLASSES_NO_PLACE: it has none. */
int classes_find(const scoreboard_ext_t *board, uint64_t hash);

/* The same, and it gets one if there is one. Copies the name, which may be cut short. */
int classes_add(scoreboard_ext_t *board, uint64_t hash, bool is_backend, const char *text,
                size_t length, int64_t now_us);

/* A request of the class has come. */
void classes_note_seen(scoreboard_ext_t *board, int place, int64_t now_us);

/* Another class has had one within SHARE_LATELY_S. */
bool classes_has_others(const scoreboard_ext_t *board, int place, int64_t now_us);

/* A thread of this child begins to serve a request of the class (now_us: by the coarse clock), and
 * ends: it has held the thread for held_us. */
void classes_begin(ext_child_t *child, int place, int64_t now_us);
void classes_end(ext_child_t *child, int place, int64_t held_us);

/* It has not begun after all. */
void classes_take_back(ext_child_t *child, int place);

/* Threads of this child that serve the class. */
int classes_held(const ext_child_t *child, int place);

/* A request of a class without a place begins, and ends. */
void classes_begin_nameless(ext_child_t *child);
void classes_end_nameless(ext_child_t *child);

/* Threads of a child that serve requests, of whatever class, or carry streams. Unlike ext_busy()
 * without those that have only been woken, of which there are many for a moment when clients come
 * together: for one connection the kernel may wake all that idle. */
int classes_serving(const ext_child_t *child);

/* How long they do so. */
share_seen_t classes_seen(const ext_child_t *child, int place, int64_t now_us);

#endif
