/* The parent's children: start, tell, bury. What to do with how many is parent.c's. */
#ifndef ADP_CHILDREN_H
#define ADP_CHILDREN_H

#include "belongings.h"
#include "board/board_view.h"
#include "retained.h"

/* The generation that is being run. */
typedef struct generation_t {
    server_rec *server;
    apr_pool_t *pconf;
    retained_t *retained;
    const adp_config_t *config;
    ap_listen_rec **buckets;
    int bucket_count;
    double cpus;                /* processors that the server may use */
    int64_t next_successor_us;  /* MaxConnectionsPerChild: no child is replaced before */
    int carried;                /* children that served when it began */
    uint64_t looks_due;         /* buckets (modulo 64) whose backlog has to be looked at */
    const belongings_before_t *before;  /* what there was before its configuration */
} generation_t;

#define CHILDREN_NO_SLOT (-1)
#define CHILDREN_REFUSED (-2)

/* The bucket that has fewest children. */
int children_neediest_bucket(const generation_t *g);

/* Fork a child of the current generation for a bucket. Returns its slot, or why there is
 * none: no slot is free, or fork was refused (retained_t.start_pace says when to try again). Both
 * are logged. */
int children_start(generation_t *g, int bucket, int64_t now_us);

/* Send one order to a child: from now on it counts as parked, serving or going by it. False: it
 * could not be told. Then it counts as before, but for an order to finish; and one that has
 * closed its lifeline gets SIGTERM and counts as going (draining.h). */
bool children_order(generation_t *g, int slot, char order);

/* Somebody was woken for a connection that will not take it, or has ended: all children that accept
 * from this bucket will have to look at its backlog. */
void children_need_look(generation_t *g, int bucket);

/* Have them look: one order per child, however many children were the cause. In each round of a loop. */
void children_look(generation_t *g);

/* Note which of the starting children have become ready. */
void children_note_ready(generation_t *g, int64_t now_us);

/* A process ended. Takes it out of the books; true if it was a child of ours.
 * *give_up is set if the server has to end because of how the child ended. */
bool children_ended(generation_t *g, apr_proc_t *process, apr_exit_why_e why, int status,
                    int64_t now_us, bool *give_up);

/* End all children, with signals of rising force. */
void children_reclaim(generation_t *g);

/* Current generation, accepting or starting and not late; of one bucket, or of all (-1). */
int children_count(const generation_t *g, int bucket);

/* Those of them that serve. */
int children_serving(const generation_t *g, int bucket);

/* What the child in a slot tells in the shared memory, in its range. */
board_view_t children_view(const generation_t *g, int slot);

/* Its connections, by httpd's scoreboard: no more than it may have descriptors. */
int children_connections(int slot);

/* Those of them that may last when the child is told to finish: a request is under way, or
 * something else than the next request is waited for. */
int children_lasting(int slot);

/* Threads of these children that are busy. */
int children_busy_threads(const generation_t *g);

/* Which child misses least when it goes: of the current generation, serving, not the last
 * of its bucket, with the fewest connections that may last, then the fewest. -1: none. */
int children_least_needed(const generation_t *g);

/* Children that were started to take the place of another, which still serves. */
int children_successors(const generation_t *g);

/* Children of any generation that finish what they have. */
int children_draining(const generation_t *g);

/* Those of them that were told so before they were ready: they end when they hear of it. */
int children_aborted(const generation_t *g);

/* Parked children of the current generation. */
int children_parked(const generation_t *g);

/* Have a parked child of a bucket (of any: -1) accept again. False: there is none, or it could
 * not be told. */
bool children_resurrect(generation_t *g, int bucket);

/* Parked children that have connections that may last: told to finish they would hold their
 * slots for as long, and nobody could bring them back. */
int children_parked_lasting(const generation_t *g);

/* The parked child that misses least when it ends, and has nothing that lasts. -1: none. */
int children_least_missed(const generation_t *g);

bool children_is_current(const generation_t *g, const slot_t *slot);

#endif
