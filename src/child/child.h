/* The life of a child process: initialisation, the steward's loop, teardown. */
#ifndef ADP_CHILD_H
#define ADP_CHILD_H

#include "config/config.h"
#include "scoreboard_ext.h"

#include "httpd.h"
#include "ap_listen.h"
#include "ap_mpm.h"

/* What the parent writes into a child's lifeline, one byte an order. End of file (this
 * parent has nothing more to say) means CHILD_ORDER_DRAIN, the end of the parent process,
 * which a pidfd tells, CHILD_ORDER_FINISH. The bytes never change: after an upgrade of the
 * module a new parent speaks to children of the old one.
 *
 * DRAIN    accept no more and end when all connections are closed; nobody else will take
 *          what is in the backlog, so take it along
 * FINISH   the same, and nobody will ever accept from these sockets again: last_call.h
 * RETIRE   like DRAIN, but leave the backlog to siblings or to the next generation
 * LOOK     look at the backlog: a sibling was woken for something that it could not take
 * PARK     stop accepting, keep the connections: the child is not needed right now
 * RESUME   accept again
 * DECIDE   decide about threads anew: the part of this child has changed
 * DUMP     log what this child is doing */
#define CHILD_ORDER_DRAIN  'G'
#define CHILD_ORDER_FINISH 'F'
#define CHILD_ORDER_RETIRE 'R'
#define CHILD_ORDER_LOOK   'A'
#define CHILD_ORDER_PARK   'P'
#define CHILD_ORDER_RESUME 'S'
#define CHILD_ORDER_DECIDE 'D'
#define CHILD_ORDER_DUMP   'I'

/* What a new child has to know. */
typedef struct child_start_t {
    server_rec *server;
    apr_pool_t *pconf;
    const adp_config_t *config;
    scoreboard_ext_t *board;
    ap_listen_rec *bucket;      /* the listening sockets that it accepts from */
    int slot;
    ap_generation_t generation;
    int start_threads;          /* how many at first */
    int lifeline_fd;            /* read end; -1: no parent */
    pid_t parent_pid;           /* 0: no parent */
    int parent_fd;              /* wakes the parent; -1: no parent */
    double cpus;                /* processors that the server may use */
    bool one_process;
    volatile int *mpm_state;    /* what AP_MPMQ_MPM_STATE answers */
} child_start_t;

/* Be a child until it is over. Returns the exit code, with which the caller exits. In the
 * freshly forked process, signals blocked. */
int child_run(const child_start_t *start);

/* Hook mpm_register_timed_callback: run callback(baton) on a worker after delay. Any
 * thread of a child. APR_ENOTIMPL elsewhere, APR_ENOMEM. */
apr_status_t child_hook_register_timer(apr_time_t delay, ap_mpm_callback_fn_t *callback,
                                       void *baton);

#endif
