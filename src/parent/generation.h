/* The generation that is being run: what each file of this room works on. The parent. */
#ifndef ADP_GENERATION_H
#define ADP_GENERATION_H

#include "belongings.h"
#include "rehearsal.h"
#include "retained.h"

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
    rehearsal_t rehearsal;      /* of the restart that is to end it */
} generation_t;

/* This run is over, or a signal has come that the loop has to look at (rehearsal_lets_end()). */
static inline bool generation_is_told_to_end(const generation_t *g)
{
    const ap_unixd_mpm_retained_data *mpm = g->retained->mpm;

    return mpm->shutdown_pending || g->rehearsal.accepted
           || (mpm->restart_pending && !g->rehearsal.pid);
}

/* During a graceful stop. Only another stop can be the cause: restarts are ignored by then. */
static inline bool generation_is_told_to_hurry(const generation_t *g)
{
    return g->retained->mpm->is_ungraceful;
}

#endif
