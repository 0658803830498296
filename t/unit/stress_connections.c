/* The life of connections as conn.c has it, with everything but httpd: clients over real
 * sockets, workers behind the poller, a steward that expires deadlines and takes idle
 * connections away, a janitor. Keep-alive times are as short as the clients' pauses, so
 * that events, deadlines and idle claims meet all the time. */

#include "base/claim.h"
#include "base/deadlines.h"
#include "base/jobs.h"
#include "base/poller.h"
#include "base/slab.h"
#include "stress.h"
#include "tap.h"
#include "base/wakeup.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define CLIENTS 6
#define WORKERS 4
#define RUN_US  (2 * CLOCK_US_PER_S)
/* On a busy machine it goes on until enough has happened, but not for ever. */
#define MOST_US (60 * CLOCK_US_PER_S)
/* Longer than any noise of the machine: what takes so long was lost. */
#define LOST_MS 20000
#define RECHECK (4 * DEADLINES_TICK_US)

#define TOKEN_JOBS UINT64_MAX
#define TOKEN_EXIT (UINT64_MAX - 1)

typedef struct connection_t {
    slab_item_t item;               /* first */
    claim_t claim;
    deadline_t deadline;
    job_t job;
    _Atomic bool idle;
    _Atomic int owners;
    _Atomic uint32_t told;          /* latest wait of which the poller has been told */
    /* the owner's */
    int fd;
    bool in_poller;
    bool armed;
    bool greeted;                   /* its first byte has come */
    bool patient;                   /* no deadline that matters: no event may get lost */
    bool lingering;                 /* waits for the client's end */
} connection_t;

static slab_t connections;
static deadlines_t wheel;
static jobs_t jobs;
static poller_t poller;
static int steward_fd, exit_fd;
static _Atomic bool stop_clients, stop_steward;

static _Atomic long begun, ended, answers, expired, idled, client_ended, stale;
/* what must not happen */
static _Atomic long shared, spurious, early, under_poller, unwatched, lost, wrong_answers,
    kept_open;

static _Thread_local random_t rnd;

static connection_t *of_deadline(deadline_t *d)
{
    return (connection_t *)(void *)((char *)d - offsetof(connection_t, deadline));
}

static connection_t *of_job(job_t *job)
{
    return (connection_t *)(void *)((char *)job - offsetof(connection_t, job));
}

static uint64_t token_of(uint32_t generation, uint32_t index)
{
    return (uint64_t)index << 32 | generation;
}

/* --- server: the steps of conn.c --------------------------------------------------- */

static void enter(connection_t *c)
{
    if (atomic_fetch_add(&c->owners, 1) != 0) {
        count(&shared);
    }
    atomic_store(&c->idle, false);
}

static void leave(connection_t *c)
{
    if (atomic_fetch_sub(&c->owners, 1) != 1) {
        count(&shared);
    }
}

static void end(connection_t *c)
{
    deadlines_drop(&wheel, &c->deadline);
    if (c->in_poller && c->armed) {
        poller_remove(&poller, c->fd);
    }
    close(c->fd);
    c->fd = -1;
    leave(c);
    claim_release(&c->claim);
    slab_give(&connections, c);
    count(&ended);
}

/* Only forward: a former owner may come here after the next one. */
static void note_told(connection_t *c, uint32_t generation)
{
    uint32_t told = atomic_load(&c->told);

    while ((int32_t)(generation - told) > 0
           && !atomic_compare_exchange_weak(&c->told, &told, generation)) {
        continue;
    }
}

/* ThreadSanitizer cannot know that an event comes after the EPOLL_CTL_MOD that asked for it,
 * and would report whoever closes the descriptor after the event. That nobody closes it
 * under the poller call otherwise is what "told" checks. */
#ifdef __SANITIZE_THREAD__
void AnnotateIgnoreReadsBegin(const char *file, int line);
void AnnotateIgnoreReadsEnd(const char *file, int line);
#else
#define AnnotateIgnoreReadsBegin(file, line) ((void)0)
#define AnnotateIgnoreReadsEnd(file, line) ((void)0)
#endif

static void arm(int fd, poller_token_t token, bool known)
{
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    if (poller_arm(&poller, fd, token, POLLER_READ, known)) {
        count(&unwatched);
    }
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
}

static void wait_for(connection_t *c, int64_t due_us)
{
    uint32_t index = c->item.index, generation;
    bool known = c->in_poller;
    int fd = c->fd;

    c->in_poller = true;
    leave(c);
    if (deadlines_set(&wheel, &c->deadline, due_us)) {
        wakeup_send(steward_fd);
    }
    generation = claim_begin_arming(&c->claim);
    stumble(&rnd, 30);
    arm(fd, token_of(generation, index), known);
    stumble(&rnd, 30);
    note_told(c, generation);
    claim_finish_arming(&c->claim, generation);
}

static void wait_on(connection_t *c)
{
    int64_t keepalive_us = c->patient ? 10 * LOST_MS * CLOCK_US_PER_MS * STRESS_SPEED
                           : DEADLINES_TICK_US + random_below(&rnd, 6 * DEADLINES_TICK_US);

    atomic_store(&c->idle, c->greeted && !c->patient && !c->lingering);
    wait_for(c, fast_now_us() + keepalive_us);
}

/* Answer what is there, then wait or end. False: nothing was there at all. */
static bool serve(connection_t *c)
{
    bool something = false;
    char byte;

    for (;;) {
        ssize_t n = recv(c->fd, &byte, 1, MSG_DONTWAIT);

        if (n < 0 && errno == EAGAIN) {
            wait_on(c);
            return something;
        }
        something = true;
        if (c->lingering && n > 0) {
            continue;
        }
        if (n <= 0 || send(c->fd, &byte, 1, MSG_NOSIGNAL) < 0) {
            count(&client_ended);
            end(c);
            return something;
        }
        c->greeted = true;
    }
}

/* job_fn: a new connection */
static void run_begin(job_t *job, void *worker)
{
    (void)worker;
    serve(of_job(job));
}

/* job_fn: a deadline has passed */
static void run_expired(job_t *job, void *worker)
{
    connection_t *c = of_job(job);

    (void)worker;
    enter(c);
    c->armed = true;
    if (atomic_load(&c->deadline.due_us) > fast_now_us()) {
        count(&early);
    }
    if (c->lingering || !c->greeted) {
        count(&expired);
        end(c);
        return;
    }
    /* lingering close: the connection goes on in another wait */
    shutdown(c->fd, SHUT_WR);
    c->lingering = true;
    serve(c);
}

/* job_fn: nobody needs this connection, unless a request has come meanwhile */
static void run_idle(job_t *job, void *worker)
{
    connection_t *c = of_job(job);
    char byte;

    (void)worker;
    enter(c);
    c->armed = true;
    if (recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0) {
        serve(c);
        return;
    }
    count(&idled);
    end(c);
}

/* As if preempted for long: meanwhile the wait whose event this is may end otherwise, and
 * another begin. */
static void dawdle(void)
{
    if (random_below(&rnd, 20) == 0) {
        usleep((useconds_t)random_below(&rnd, 3000));
    }
}

static void on_event(poller_token_t token)
{
    connection_t *c = slab_at(&connections, (uint32_t)(token >> 32));

    dawdle();
    if (!claim_by_event(&c->claim, (uint32_t)token)) {
        count(&stale);
        return;
    }
    enter(c);
    c->armed = false;
    if (!serve(c)) {
        count(&spurious);
    }
}

static void *worker(void *arg)
{
    poller_token_t token = 0;

    rnd = random_seed(400 + (uint64_t)(intptr_t)arg);
    for (;;) {
        if (poller_wait(&poller, &token, -1) != 1) {
            continue;
        }
        if (token == TOKEN_EXIT) {
            return NULL;
        }
        if (token == TOKEN_JOBS) {
            jobs_run_one(&jobs, NULL);
        }
        else {
            on_event(token);
        }
    }
}

/* --- steward ----------------------------------------------------------------------- */

static bool take(connection_t *c)
{
    stumble(&rnd, 20);
    if (!claim_by_deadline(&c->claim)) {
        return false;
    }
    if (atomic_load(&c->told) != claim_generation(&c->claim)) {
        count(&under_poller);
    }
    return true;
}

/* deadlines_claim_fn */
static bool claim_expired(deadline_t *d, void *ctx)
{
    (void)ctx;
    return take(of_deadline(d));
}

/* deadlines_claim_fn */
static bool claim_idle(deadline_t *d, void *ctx)
{
    (void)ctx;
    return atomic_load(&of_deadline(d)->idle) && take(of_deadline(d));
}

static void queue_list(deadline_t *list, job_fn *run)
{
    while (list) {
        connection_t *c = of_deadline(list);

        list = list->next;
        c->job.run = run;
        jobs_push(&jobs, &c->job, clock_now_us());
    }
}

static void *steward(void *arg)
{
    (void)arg;
    rnd = random_seed(500);
    while (!atomic_load(&stop_steward)) {
        queue_list(deadlines_expire(&wheel, fast_now_us(), RECHECK, claim_expired, NULL),
                   run_expired);
        if (random_below(&rnd, 4) == 0) {
            queue_list(deadlines_take(&wheel, 2, claim_idle, NULL), run_idle);
        }
        if (random_below(&rnd, 10) == 0) {
            jobs_run_one(&jobs, NULL);      /* the janitor: without an event */
        }
        if (fast_sleep(steward_fd, deadlines_next(&wheel))) {
            wakeup_receive(steward_fd);
        }
    }
    return NULL;
}

/* --- clients ----------------------------------------------------------------------- */

/* A connection that was accepted and goes to the workers. */
static int open_connection(bool patient)
{
    connection_t *c = slab_take(&connections);
    int fd[2];

    if (!c || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd)) {
        return -1;
    }
    claim_acquire(&c->claim);
    deadline_init(&c->deadline);
    atomic_store(&c->owners, 0);
    atomic_store(&c->told, claim_generation(&c->claim));
    c->fd = fd[0];
    c->in_poller = c->armed = c->greeted = c->lingering = false;
    c->patient = patient;
    enter(c);
    c->job.run = run_begin;
    count(&begun);
    jobs_push(&jobs, &c->job, clock_now_us());
    return fd[1];
}

typedef enum { ANSWERED, ENDED, NOTHING } outcome_e;

static outcome_e await(int fd, char *byte)
{
    struct pollfd pfd = { .fd = fd, .events = POLLIN };

    if (poll(&pfd, 1, LOST_MS) != 1) {
        return NOTHING;
    }
    return recv(fd, byte, 1, 0) == 1 ? ANSWERED : ENDED;
}

/* One request; false when the connection is over. */
static bool request(int fd, bool patient)
{
    char sent = (char)('a' + random_below(&rnd, 26)), got = 0;

    if (send(fd, &sent, 1, MSG_NOSIGNAL) != 1) {
        return false;
    }
    switch (await(fd, &got)) {
    case ANSWERED:
        count(&answers);
        if (got != sent) {
            count(&wrong_answers);
        }
        return true;
    case ENDED:
        if (patient) {
            count(&lost);
        }
        return false;
    default:
        count(&lost);
        return false;
    }
}

static void pause_a_little(void)
{
    switch (random_below(&rnd, 4)) {
    case 0:
        sched_yield();
        break;
    case 1:
        usleep((useconds_t)random_below(&rnd, 2500));
        break;
    default:
        break;
    }
}

static void *client(void *arg)
{
    rnd = random_seed(600 + (uint64_t)(intptr_t)arg);
    while (!atomic_load(&stop_clients)) {
        bool patient = random_below(&rnd, 4) == 0;
        int fd = open_connection(patient);
        int64_t requests = random_below(&rnd, 8);
        bool open = fd >= 0;

        while (open && requests-- > 0) {
            pause_a_little();
            open = request(fd, patient);
        }
        if (open && !patient && random_below(&rnd, 2)) {
            char byte;

            /* the server has to end it some time */
            if (await(fd, &byte) != ENDED) {
                count(&kept_open);
            }
        }
        close(fd);
    }
    return NULL;
}

static bool enough_happened(void)
{
    return atomic_load(&answers) > 500 && atomic_load(&expired) > 50 && atomic_load(&idled) > 10
           && atomic_load(&client_ended) > 50;
}

static void run_for_a_while(void)
{
    int64_t start_us = clock_now_us(), run_us;

    do {
        usleep(20000);
        run_us = clock_now_us() - start_us;
    } while (run_us < RUN_US || (run_us < MOST_US && !enough_happened()));
}

static bool all_ended(void)
{
    int64_t give_up_us = clock_now_us() + LOST_MS * CLOCK_US_PER_MS;

    while (atomic_load(&ended) < atomic_load(&begun) && clock_now_us() < give_up_us) {
        usleep(1000);
    }
    return atomic_load(&ended) == atomic_load(&begun);
}

static void open_parts(void)
{
    slab_init(&connections, sizeof(connection_t));
    deadlines_init(&wheel, fast_now_us());
    jobs_open(&jobs);
    poller_open(&poller);
    wakeup_open(&steward_fd);
    wakeup_open(&exit_fd);
    poller_add_edge(&poller, jobs.event_fd, TOKEN_JOBS);
    poller_add_level(&poller, exit_fd, TOKEN_EXIT);
}

int main(void)
{
    pthread_t workers[WORKERS], clients[CLIENTS], the_steward;

    tap_begin(120);
    open_parts();
    start_threads(workers, WORKERS, worker);
    start_threads(&the_steward, 1, steward);
    start_threads(clients, CLIENTS, client);
    run_for_a_while();
    atomic_store(&stop_clients, true);
    join_threads(clients, CLIENTS);
    ok(all_ended(), "every connection ended");
    atomic_store(&stop_steward, true);
    wakeup_send(steward_fd);
    join_threads(&the_steward, 1);
    wakeup_send(exit_fd);
    join_threads(workers, WORKERS);

    is(atomic_load(&ended), atomic_load(&begun), "each of them once");
    is(wheel.count, 0, "no deadline is left");
    is(atomic_load(&jobs.count), 0, "and no job");
    is(atomic_load(&shared), 0, "no connection was served by two threads at a time");
    is(atomic_load(&lost), 0, "no request was left without an answer");
    is(atomic_load(&wrong_answers), 0, "or with another's");
    is(atomic_load(&kept_open), 0, "no deadline was overlooked");
    is(atomic_load(&early), 0, "nor taken for an earlier wait's");
    is(atomic_load(&spurious), 0, "no event of an earlier wait was taken for one of this");
    is(atomic_load(&under_poller), 0, "no deadline took a connection under its poller call");
    is(atomic_load(&unwatched), 0, "no poller call met a descriptor that was closed or another's");
    ok(enough_happened(), "enough happened of each kind");
    diag("%ld connections, %ld answers; ended: %ld by deadline, %ld idle, %ld by the client",
         atomic_load(&begun), atomic_load(&answers), atomic_load(&expired), atomic_load(&idled),
         atomic_load(&client_ended));
    diag("%ld stale events", atomic_load(&stale));
    poller_close(&poller);
    jobs_close(&jobs);
    deadlines_destroy(&wheel);
    slab_destroy(&connections);
    return tap_done();
}
