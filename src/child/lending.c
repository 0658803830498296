/* Workers, each with its own nodes and the connection that it serves. */
#include "lending.h"

#include "conn_internal.h"

#include "base/testhook.h"

#include "apr_allocator.h"
#include "mpm_common.h"

/* The size of nodes that APR allocates at least: a pool takes one at a time. */
#define NODE_SIZE      8192
#define NODE_BYTES     (NODE_SIZE - APR_MEMNODE_T_SIZE)
/* What a request needs beyond what its connection has: its pool, the buffer of what was read, one
 * or two pages of headers and logs. Measured with files, CGI and mod_proxy. */
#define NODES_LENT     6
/* What a connection itself takes of them to begin with, of TLS the most. Where connections come and
 * go each finds what the one before it has left. */
#define NODES_TO_BEGIN 8
/* What one keeps free while it carries a tunnel: for what is read, and passed on. */
#define NODES_OF_TUNNEL 1

/* The connection's allocator keeps no more free memory than these nodes, or MaxMemFree. */
static void keep_at_most(const conn_t *conn, apr_size_t nodes)
{
    /* for APR 0 is no bound at all */
    apr_size_t bytes = nodes > 0 ? nodes * NODE_SIZE : 1;

    if (ap_max_mem_free > 0 && ap_max_mem_free < bytes) {
        bytes = ap_max_mem_free;
    }
    apr_allocator_max_free_set(apr_pool_allocator_get(conn->pool), bytes);
}

void lending_begin(const conn_t *conn)
{
    keep_at_most(conn, NODES_LENT + NODES_TO_BEGIN);
}

static void hand_over(apr_allocator_t *allocator, apr_memnode_t **nodes)
{
    if (*nodes) {
        apr_allocator_free(allocator, *nodes);
        *nodes = NULL;
    }
}

void lending_lend(conn_t *conn, worker_t *worker)
{
    hand_over(apr_pool_allocator_get(conn->pool), &worker->nodes);
}

static void push_node(apr_memnode_t **list, apr_memnode_t *node)
{
    node->next = *list;
    *list = node;
}

static bool is_larger(const apr_memnode_t *node)
{
    return node->endp - (char *)node > NODE_SIZE;
}

bool lending_reserve(conn_t *conn, int nodes)
{
    apr_allocator_t *allocator = apr_pool_allocator_get(conn->pool);
    apr_memnode_t *node, *list = NULL;

    while (nodes > 0 && (node = ADP_FAULT(no_memory) ? NULL
                                : apr_allocator_alloc(allocator, NODE_BYTES)) != NULL) {
        push_node(&list, node);
        nodes--;
    }
    hand_over(allocator, &list);
    return nodes == 0;
}

/* An allocator that is destroyed gives back what is free in it. */
static void give_back_to_system(apr_memnode_t *nodes)
{
    apr_allocator_t *allocator;

    if (apr_allocator_create(&allocator) == APR_SUCCESS) {
        apr_allocator_free(allocator, nodes);
        apr_allocator_destroy(allocator);
    }
}

/* Fill the worker's stock. Where it has none of that size the allocator gives larger nodes: these
 * go to larger. */
static void fill_stock(apr_allocator_t *allocator, worker_t *worker, apr_memnode_t **larger)
{
    apr_memnode_t *node;
    int taken = 0;

    while (taken < NODES_LENT && (node = apr_allocator_alloc(allocator, NODE_BYTES)) != NULL) {
        taken += !is_larger(node);
        push_node(is_larger(node) ? larger : &worker->nodes, node);
    }
}

void lending_take_back(conn_t *conn, worker_t *worker)
{
    apr_allocator_t *allocator = apr_pool_allocator_get(conn->pool);
    apr_memnode_t *larger = NULL;

    if (!worker->nodes && !conn_is_janitor(worker)) {
        fill_stock(allocator, worker, &larger);
        /* the next connection that uses this memory may need them */
        hand_over(allocator, &larger);
    }
}

void lending_settle(conn_t *conn, worker_t *worker)
{
    apr_allocator_t *allocator = apr_pool_allocator_get(conn->pool);
    apr_memnode_t *larger = NULL;

    if (conn_is_janitor(worker)) {
        return;
    }
    if (!worker->nodes) {
        fill_stock(allocator, worker, &larger);
        /* it may be long until a request needs these: back to the system with them */
        keep_at_most(conn, 0);
        hand_over(allocator, &larger);
    }
    keep_at_most(conn, NODES_LENT);
}

void lending_forgo(const conn_t *conn)
{
    apr_allocator_t *allocator = apr_pool_allocator_get(conn->pool);
    apr_memnode_t *node, *free_nodes = NULL;
    int left = NODES_LENT + NODES_TO_BEGIN;

    keep_at_most(conn, NODES_OF_TUNNEL);
    /* as many as it may have kept; which of them are free nobody tells */
    while (left-- > 0 && (node = apr_allocator_alloc(allocator, NODE_BYTES)) != NULL) {
        push_node(&free_nodes, node);
    }
    if (free_nodes) {
        give_back_to_system(free_nodes);
    }
}

void lending_end(worker_t *worker)
{
    if (worker->nodes) {
        give_back_to_system(worker->nodes);
        worker->nodes = NULL;
    }
}
