/* The names of the three things that everything in a child is about; their owners' headers say
 * what is in them: child_internal.h, worker.h, conn.h. */
#ifndef ADP_FWD_H
#define ADP_FWD_H

typedef struct child_t child_t;
typedef struct worker_t worker_t;
typedef struct conn_t conn_t;

#endif
