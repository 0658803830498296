/*
 * A child that somebody has taken over: on request it writes whatever it likes into all the memory
 * that the processes of the server share, and meddles with the descriptors that it has inherited,
 * while the other threads go on serving.
 *
 * GET /hostile?ms=5000&seed=1&pids=4711,4712    starts a thread that does so that long ("pid=...")
 *
 * pids: what it writes as process ids into httpd's scoreboard beside noise, to have these signalled
 * by the parent. It finds the shared memory of mod_mpm_adaptive by its size; under another MPM
 * there is only the scoreboard.
 */

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "httpd.h"
#include "http_config.h"
#include "http_protocol.h"
#include "ap_mpm.h"
#include "mpm_common.h"
#include "scoreboard.h"
#include "apr_strings.h"

#include "scoreboard_ext.h"

#define MOST_PIDS  16
#define MOST_FDS   64
/* Between two bouts, so that the processor is not what the others lack. */
#define PAUSE_NS   200000
#define BOUT_BYTES 512

extern module AP_MODULE_DECLARE_DATA adaptive_hostile_module __attribute__((visibility("default")));

typedef struct area_t {
    unsigned char *at;
    size_t size;
} area_t;

typedef struct attack_t {
    long ms;
    apr_uint64_t seed;
    int pids[MOST_PIDS];
    int pid_count;
    area_t areas[2];
    int area_count;
    int eventfds[MOST_FDS];
    int eventfd_count;
} attack_t;

static apr_uint64_t draw(attack_t *a)
{
    a->seed ^= a->seed << 13;
    a->seed ^= a->seed >> 7;
    a->seed ^= a->seed << 17;
    return a->seed;
}

static long now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Noise, and bytes at whose edges numbers overflow. */
static unsigned char draw_byte(attack_t *a)
{
    apr_uint64_t n = draw(a);

    return n % 4 == 0 ? 0xff : n % 4 == 1 ? 0 : n % 4 == 2 ? 0x7f : (unsigned char)(n >> 8);
}

static void scribble(attack_t *a, const area_t *area)
{
    size_t at = draw(a) % area->size, i;

    for (i = 0; i < BOUT_BYTES; i++) {
        area->at[(at + i) % area->size] = draw_byte(a);
    }
}

/* The rows that an MPM reads and acts by. */
static void forge_processes(attack_t *a)
{
    int count = 0, i;

    ap_mpm_query(AP_MPMQ_HARD_LIMIT_DAEMONS, &count);
    for (i = 0; i < count; i++) {
        process_score *score = ap_get_scoreboard_process(i);

        if (a->pid_count && draw(a) % 2) {
            score->pid = a->pids[draw(a) % (unsigned)a->pid_count];
        }
        score->generation = (ap_generation_t)draw(a);
        score->connections = (apr_uint32_t)draw(a);
        score->quiescing = (char)draw(a);
    }
}

/* Counters and flags of descriptors that are shared with the parent. */
static void meddle(attack_t *a)
{
    apr_uint64_t most = ~(apr_uint64_t)1, count;
    int i;

    for (i = 0; i < a->eventfd_count; i++) {
        int fd = a->eventfds[i];
        int flags = fcntl(fd, F_GETFL);

        /* a descriptor that nobody expects to wait, and that is full or empty when it is used */
        fcntl(fd, F_SETFL, flags | O_NONBLOCK);
        if (draw(a) % 2 ? write(fd, &most, sizeof(most)) < 0
                        : read(fd, &count, sizeof(count)) < 0) {
            /* full or empty already */
        }
        fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
    }
}

static void *attack(void *arg)
{
    attack_t *a = arg;
    long until = now_ms() + a->ms;

    while (now_ms() < until) {
        struct timespec pause = { 0, PAUSE_NS };
        int i;

        for (i = 0; i < a->area_count; i++) {
            scribble(a, &a->areas[i]);
        }
        forge_processes(a);
        meddle(a);
        nanosleep(&pause, NULL);
    }
    free(a);
    return NULL;
}

/* --- finding ---- */

static size_t in_pages(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    return (size + page - 1) / page * page;
}

static void find_areas(attack_t *a)
{
    int slots = 0;
    size_t ours;
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512];

    ap_mpm_query(AP_MPMQ_HARD_LIMIT_DAEMONS, &slots);
    ours = in_pages(sizeof(scoreboard_ext_t) + (size_t)slots * sizeof(ext_child_t));
    a->areas[a->area_count++] = (area_t) {
        (unsigned char *)ap_scoreboard_image->global, (size_t)ap_calc_scoreboard_size()
    };
    while (maps && a->area_count < 2 && fgets(line, sizeof(line), maps)) {
        unsigned long from, to;
        char mode[8];

        if (sscanf(line, "%lx-%lx %7s", &from, &to, mode) == 3 && !strcmp(mode, "rw-s")
            && to - from == ours) {
            a->areas[a->area_count++] = (area_t) { (unsigned char *)from, ours };
        }
    }
    if (maps) {
        fclose(maps);
    }
}

static void find_eventfds(attack_t *a)
{
    int fd;

    for (fd = 3; fd < 1024 && a->eventfd_count < MOST_FDS; fd++) {
        char path[64], target[64] = "";

        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        if (readlink(path, target, sizeof(target) - 1) > 0 && strstr(target, "eventfd")) {
            a->eventfds[a->eventfd_count++] = fd;
        }
    }
}

static int handler(request_rec *r)
{
    attack_t *a;
    pthread_t thread;
    char *pids, *pid, *rest;

    if (strcmp(r->uri, "/hostile")) {
        return DECLINED;
    }
    a = calloc(1, sizeof(*a));
    if (!a || !r->args
        || sscanf(r->args, "ms=%ld&seed=%" APR_UINT64_T_FMT, &a->ms, &a->seed) != 2) {
        free(a);
        return HTTP_BAD_REQUEST;
    }
    a->seed |= 1;
    pids = strstr(r->args, "pids=");
    for (pid = pids ? apr_strtok(apr_pstrdup(r->pool, pids + 5), ",", &rest) : NULL;
         pid && a->pid_count < MOST_PIDS; pid = apr_strtok(NULL, ",", &rest)) {
        a->pids[a->pid_count++] = atoi(pid);
    }
    find_areas(a);
    find_eventfds(a);
    ap_set_content_type(r, "text/plain");
    ap_rprintf(r, "pid=%ld\nareas=%d\neventfds=%d\n", (long)getpid(), a->area_count,
               a->eventfd_count);
    if (pthread_create(&thread, NULL, attack, a)) {
        free(a);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    pthread_detach(thread);
    return OK;
}

static void register_hooks(apr_pool_t *p)
{
    (void)p;
    ap_hook_handler(handler, NULL, NULL, APR_HOOK_FIRST);
}

module AP_MODULE_DECLARE_DATA adaptive_hostile_module = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks, AP_MODULE_FLAG_NONE
};
