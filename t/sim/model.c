/* A server in simulated time: children, threads, requests, what starting them costs. Policies
 * steer it through model.h. */
#include "model.h"

#include "excess.h"
#include "policy.h"

#include "law/attained.h"
#include "law/controller.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STALL_US          1000.0 /* mean wait of a thread that wakes, for each other on it */
#define CREATE_US         15.0  /* pthread_create itself, one after the other */
#define FORK_US          500.0  /* fork itself, one after the other */
#define BACKEND_WASTE    0.05
#define LOOK_US        500.0    /* until the steward looks again who computes */
#define LEAST_BEHIND     0.02   /* part of the processors that lowered threads have in any case */
/* A mean of this many times what a request has before it is lowered: its target is known. */
#define KNOWN_TO_COMPUTE 2
#define ABSORBED_US   5000.0
#define CHILD_BYTES   (2.0 * 1024 * 1024)
#define THREAD_BYTES  (8.0 * 1024)

enum event_kind { EV_ARRIVAL, EV_CLIENT, EV_HERD, EV_UNBLOCKED, EV_THREAD_UP, EV_FORKED, EV_LOOK,
                  EV_PARENT, EV_BUCKET, EV_STAY, EV_LEAVE, EV_TELL };
enum job_kind { JOB_REQUEST, JOB_CHILD };

static void dispatch(model_t *m, child_t *c);

static void *allocated(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);

    if (!memory) {
        perror("sim");
        exit(2);
    }
    return memory;
}

static void at(model_t *m, double us, enum event_kind kind, uint32_t who, uint64_t version)
{
    heap_add(&m->events, (heap_item_t){ .key = us, .kind = kind, .who = who, .version = version });
}

/* --- statistics ------------------------------------------------------------------- */

static void integrate(model_t *m, double us)
{
    double until_us = fmin(us, m->end_us), length_us = until_us - m->counted_us;

    if (length_us > 0) {
        m->bucket_thread_us += length_us * m->threads;
        m->bucket_child_us += length_us * m->alive;
        m->bucket_busy_us += length_us * m->busy;
        m->counted_us = until_us;
    }
}

static void end_bucket(model_t *m, int bucket)
{
    result_t *r = m->result;
    double length_us = m->end_us / RESULT_BUCKETS;
    int i, admitted = 0;

    for (i = 0; i < m->slots; i++) {
        const child_t *c = &m->children[i];

        admitted += c->state == CHILD_NONE ? 0 : c->admit < c->threads ? c->admit : c->threads;
    }
    integrate(m, m->now_us);
    r->series[bucket].threads = (float)(m->bucket_thread_us / length_us);
    r->series[bucket].children = (float)(m->bucket_child_us / length_us);
    r->series[bucket].busy = (float)(m->bucket_busy_us / length_us);
    r->series[bucket].admitted = (float)admitted;
    r->thread_s += m->bucket_thread_us / 1e6;
    m->bucket_thread_us = m->bucket_child_us = m->bucket_busy_us = 0;
    r->last_children = m->alive;
    if (bucket + 1 < RESULT_BUCKETS) {
        at(m, m->end_us * (bucket + 2) / RESULT_BUCKETS, EV_BUCKET, (uint32_t)bucket + 1, 0);
    }
}

static void change_threads(model_t *m, child_t *c, int change)
{
    result_t *r = m->result;
    double bytes;

    integrate(m, m->now_us);
    c->threads += change;
    m->threads += change;
    bytes = m->alive * CHILD_BYTES + m->threads * THREAD_BYTES;
    r->peak_threads = m->threads > r->peak_threads ? m->threads : r->peak_threads;
    r->peak_bytes = fmax(bytes, r->peak_bytes);
}

static void note_waiting(model_t *m, const request_t *request, double waited_us)
{
    result_t *r = m->result;
    double arrived_s = request->arrived_us / 1e6;
    int bucket = (int)(request->arrived_us / m->end_us * RESULT_BUCKETS), i;

    if (arrived_s < m->trace->starts_at_s) {
        return;
    }
    histogram_add(&r->waiting, waited_us);
    if (request->in_burst) {
        histogram_add(&r->waiting_in_burst, waited_us);
    }
    if (bucket < RESULT_BUCKETS && waited_us > r->series[bucket].waited_us) {
        r->series[bucket].waited_us = (float)waited_us;
    }
    for (i = 0; waited_us >= ABSORBED_US && i < m->trace->burst_count; i++) {
        const burst_t *b = &m->trace->bursts[i];

        if (arrived_s >= b->from_s && arrived_s < b->to_s) {
            r->absorb_s[i] = fmax(r->absorb_s[i], arrived_s - b->from_s);
        }
    }
}

/* Where there are bursts the answers to what came in them count. */
static bool is_judged(const model_t *m, const request_t *request)
{
    return m->trace->burst_count ? request->in_burst
                                 : request->arrived_us / 1e6 >= m->trace->starts_at_s;
}

static void note_end(model_t *m, const request_t *request)
{
    result_t *r = m->result;
    double took_us = m->now_us - request->arrived_us;

    r->ended[request->class]++;
    if (is_judged(m, request)) {
        histogram_add(&r->answer[request->class], took_us);
        r->ended_in_bursts += m->now_us <= m->end_us;
    }
}

static void note_rejected(model_t *m, const request_t *request)
{
    result_t *r = m->result;
    double arrived_s = request->arrived_us / 1e6;
    int i;

    r->rejected++;
    histogram_add_lost(&r->waiting);
    if (is_judged(m, request)) {
        histogram_add_lost(&r->answer[request->class]);
    }
    if (request->in_burst) {
        histogram_add_lost(&r->waiting_in_burst);
    }
    for (i = 0; i < m->trace->burst_count; i++) {
        const burst_t *b = &m->trace->bursts[i];

        if (arrived_s >= b->from_s && arrived_s < b->to_s) {
            r->absorb_s[i] = fmax(r->absorb_s[i], arrived_s - b->from_s);
        }
    }
}

/* --- queues ----------------------------------------------------------------------- */

static void queue_init(queue_t *q)
{
    *q = (queue_t){ MODEL_NONE, MODEL_NONE, 0 };
}

static void queue_add(model_t *m, queue_t *q, uint32_t id)
{
    m->requests[id].next = MODEL_NONE;
    m->requests[id].previous = q->last;
    if (q->last == MODEL_NONE) {
        q->first = id;
    }
    else {
        m->requests[q->last].next = id;
    }
    q->last = id;
    q->length++;
}

static uint32_t queue_take_this(model_t *m, queue_t *q, uint32_t id)
{
    const request_t *r = &m->requests[id];

    *(r->previous == MODEL_NONE ? &q->first : &m->requests[r->previous].next) = r->next;
    *(r->next == MODEL_NONE ? &q->last : &m->requests[r->next].previous) = r->previous;
    q->length--;
    return id;
}

static uint32_t queue_take(model_t *m, queue_t *q)
{
    return queue_take_this(m, q, q->first);
}

static double queue_arrived_us(const model_t *m, const queue_t *q)
{
    return q->first == MODEL_NONE ? HUGE_VAL : m->requests[q->first].arrived_us;
}

/* --- children and threads --------------------------------------------------------- */

int model_index(const model_t *m, const child_t *c)
{
    return (int)(c - m->children);
}

int model_idle(const child_t *c)
{
    int light = c->threads - c->lowered, busy = c->busy - c->lowered;
    int may = light < c->admit ? light : c->admit;

    return may > busy ? may - busy : 0;
}

int model_count(const model_t *m, child_state_e state)
{
    int i, count = 0;

    for (i = 0; i < m->slots; i++) {
        count += m->children[i].state == state;
    }
    return count;
}

bool model_may_end(const child_t *c)
{
    return c->stays == 0;
}

double model_waited_us(const model_t *m, const child_t *c)
{
    double oldest_us = queue_arrived_us(m, &c->queue);

    if (c->state == CHILD_SERVING && model_idle(c) == 0) {
        /* what came while others were idle, or before it looked, is no news of this child's */
        oldest_us = fmin(oldest_us, fmax(queue_arrived_us(m, &m->backlog), c->nobody_idle_us));
    }
    return oldest_us < m->now_us ? m->now_us - oldest_us : 0;
}

void model_account(model_t *m, child_t *c)
{
    double wall_us = m->now_us - c->accounted_us;
    double share_us = m->processors.share_us - c->accounted_share_us;

    c->busy_us += wall_us * c->busy;
    c->cpu_us += share_us * c->runnable;
    c->run_delay_us += (wall_us - share_us) * c->runnable;
    c->accounted_us = m->now_us;
    c->accounted_share_us = m->processors.share_us;
}

/* Whether it is among those that may take a connection has changed. */
static void mark(model_t *m, child_t *c)
{
    int i = model_index(m, c);
    uint64_t bit = UINT64_C(1) << (i % 64);
    int idle = model_idle(c);

    if (c->state == CHILD_SERVING && idle > 0) {
        m->may_take[i / 64] |= bit;
    }
    else {
        m->may_take[i / 64] &= ~bit;
    }
    if (idle > 0) {
        c->nobody_idle_us = HUGE_VAL;
    }
    else if (c->nobody_idle_us > m->now_us) {
        c->nobody_idle_us = m->now_us;
    }
}

/* A child that can take a connection now; NULL: none. */
static child_t *taker(model_t *m)
{
    int word, count = 0, rank;

    for (word = 0; word < MODEL_CHILDREN / 64; word++) {
        if (m->options->deal_first && m->may_take[word]) {
            return &m->children[word * 64 + __builtin_ctzll(m->may_take[word])];
        }
        count += __builtin_popcountll(m->may_take[word]);
    }
    if (!count) {
        return NULL;
    }
    rank = (int)(dice_uniform(&m->server_dice) * count);
    for (word = 0; ; word++) {
        uint64_t bits = m->may_take[word];

        for (; bits; bits &= bits - 1) {
            if (rank-- == 0) {
                return &m->children[word * 64 + __builtin_ctzll(bits)];
            }
        }
    }
}

static child_t *new_child(model_t *m, int threads)
{
    child_t *c = NULL;
    uint32_t incarnation;
    int i;

    for (i = 0; i < MODEL_CHILDREN && !c; i++) {
        c = m->children[i].state == CHILD_NONE ? &m->children[i] : NULL;
    }
    if (!c) {
        return NULL;
    }
    m->slots = i > m->slots ? i : m->slots;
    incarnation = c->incarnation + 1;
    *c = (child_t){ .state = CHILD_STARTING, .incarnation = incarnation, .starting = threads,
                    .admit = INT32_MAX, .forked_us = m->now_us, .look_us = HUGE_VAL,
                    .look_version = c->look_version + 1, .nobody_idle_us = HUGE_VAL,
                    .accounted_us = m->now_us, .accounted_share_us = m->processors.share_us };
    queue_init(&c->queue);
    queue_init(&c->put_off);
    integrate(m, m->now_us);
    m->alive++;
    m->result->peak_children = m->alive > m->result->peak_children ? m->alive
                                                                   : m->result->peak_children;
    return c;
}

static void add_recent(recent_t *r, double value)
{
    double sorted[RECENT] = { 0 }, x;
    int i, j, count;

    r->values[r->count++ % RECENT] = value;
    count = r->count < RECENT ? r->count : RECENT;
    for (i = 0; i < count; i++) {
        x = r->values[i];
        for (j = i; j > 0 && sorted[j - 1] > x; j--) {
            sorted[j] = sorted[j - 1];
        }
        sorted[j] = x;
    }
    r->p95 = sorted[(int)ceil(0.95 * count) - 1];
}

double model_recent_p95(const recent_t *r)
{
    return r->p95;
}

static void child_ready(model_t *m, child_t *c)
{
    int threads = c->starting;

    add_recent(&m->child_starts, m->now_us - c->forked_us);
    c->starting = 0;
    c->state = CHILD_SERVING;
    change_threads(m, c, threads);
    if (m->policy && policy_ops(m->policy->id)->child_ready) {
        policy_ops(m->policy->id)->child_ready(m, c);
    }
    dispatch(m, c);
}

child_t *model_first_child(model_t *m, int threads)
{
    child_t *c = new_child(m, 0);

    if (c) {
        c->state = CHILD_SERVING;
        change_threads(m, c, threads);
        mark(m, c);
        m->result->initial_children++;
    }
    return c;
}

child_t *model_fork(model_t *m, int threads)
{
    child_t *c = new_child(m, threads);
    double latency_us = dice_lognormal(&m->server_dice, m->options->child_start_us / 2, 0.4);

    if (c) {
        m->fork_free_us = fmax(m->fork_free_us, m->now_us) + FORK_US;
        at(m, m->fork_free_us + latency_us, EV_FORKED, (uint32_t)model_index(m, c), c->incarnation);
        m->result->starts += m->now_us <= m->end_us;
    }
    return c;
}

double model_stall_us(model_t *m)
{
    double crowd = (double)m->processors.jobs.count / m->processors.servers;

    return crowd > 1 ? dice_exponential(&m->server_dice, STALL_US * (crowd - 1)) : 0;
}

static double thread_latency_us(model_t *m)
{
    return dice_lognormal(&m->server_dice, m->options->thread_start_us, 0.5) + model_stall_us(m);
}

void model_start_threads(model_t *m, child_t *c, int count)
{
    int i;

    for (i = 1; i <= count; i++) {
        double latency_us = i * CREATE_US + thread_latency_us(m);

        add_recent(&m->thread_starts, latency_us - i * CREATE_US);
        at(m, m->now_us + latency_us, EV_THREAD_UP, (uint32_t)model_index(m, c), c->incarnation);
        c->starting++;
    }
}

static void thread_up(model_t *m, child_t *c)
{
    c->starting--;
    change_threads(m, c, 1);
    dispatch(m, c);
}

int model_retire_threads(model_t *m, child_t *c, int count)
{
    int idle = c->threads - c->busy;
    int gone = count < idle ? count : idle;

    if (gone > 0) {
        change_threads(m, c, -gone);
        dispatch(m, c);
    }
    return gone > 0 ? gone : 0;
}

void model_admit(model_t *m, child_t *c, int count)
{
    if (c->admit != count) {
        c->admit = count;
        dispatch(m, c);
    }
}

void model_park(model_t *m, child_t *c)
{
    if (c->state == CHILD_SERVING) {
        c->state = CHILD_PARKED;
        m->result->parks++;
        mark(m, c);
    }
}

void model_resurrect(model_t *m, child_t *c)
{
    if (c->state == CHILD_PARKED) {
        c->state = CHILD_SERVING;
        m->result->resurrections++;
        dispatch(m, c);
    }
}

/* A going child keeps only the threads that it needs, and ends with the last. */
static void finish_draining(model_t *m, child_t *c)
{
    if (c->threads > c->busy) {
        change_threads(m, c, c->busy - c->threads);
    }
    mark(m, c);
    if (c->busy == 0 && c->queue.length == 0 && c->stays == 0) {
        c->state = CHILD_NONE;
        c->incarnation++;
        integrate(m, m->now_us);
        m->alive--;
    }
}

void model_stop_child(model_t *m, child_t *c)
{
    uint32_t id;

    if (c->state != CHILD_SERVING && c->state != CHILD_PARKED) {
        return;
    }
    m->result->stops += m->now_us <= m->end_us;
    c->state = CHILD_DRAINING;
    c->starting = 0;
    c->admit = INT32_MAX;
    while (c->queue.length || c->put_off.length) {
        /* its clients connect again */
        id = queue_take(m, c->queue.length ? &c->queue : &c->put_off);
        queue_add(m, &m->backlog, id);
    }
    finish_draining(m, c);
}

void model_look_at(model_t *m, child_t *c, double us)
{
    if (us < c->look_us && us <= 4 * m->end_us) {
        c->look_us = us;
        at(m, us, EV_LOOK, (uint32_t)model_index(m, c), ++c->look_version);
    }
}

void model_parent_at(model_t *m, double us)
{
    if (us < m->parent_us && us <= 4 * m->end_us) {
        m->parent_us = us;
        at(m, us, EV_PARENT, 0, ++m->parent_version);
    }
}

/* --- requests --------------------------------------------------------------------- */

static uint32_t new_request(model_t *m, const work_t *work, double wait_us, class_e class,
                            uint32_t client)
{
    uint32_t id = m->free_request;
    request_t *r;
    double left_us = fmax(m->end_us - m->now_us, 0);

    if (id == MODEL_NONE) {
        if (m->request_count == m->request_room) {
            m->request_room = m->request_room ? 2 * m->request_room : 4096;
            m->requests = realloc(m->requests, m->request_room * sizeof(*m->requests));
            if (!m->requests) {
                perror("sim");
                exit(2);
            }
        }
        id = m->request_count++;
    }
    else {
        m->free_request = m->requests[id].next;
    }
    r = &m->requests[id];
    *r = (request_t){ .arrived_us = m->now_us,
                      .child = MODEL_NONE,
                      .client = client,
                      .next = MODEL_NONE,
                      .class = (uint8_t) class,
                      .shared = work->shared };
    r->cpu_us = dice_shaped(&m->work_dice, work->heavy ? SHAPE_PARETO : SHAPE_EXPONENTIAL,
                            work->cpu_us);
    r->computes = work->cpu_us > KNOWN_TO_COMPUTE * ATTAINED_US;
    r->wait_us = wait_us > 0 ? dice_shaped(&m->work_dice, work->shape, wait_us) : 0;
    r->in_burst = trace_in_burst(m->trace, m->now_us / 1e6);
    m->result->arrived[class]++;
    m->seen_us[class] = m->now_us;
    m->result->demand_s += fmin(r->cpu_us + r->wait_us, left_us) / 1e6;
    m->open++;
    return id;
}

static void free_request(model_t *m, uint32_t id)
{
    m->requests[id].next = m->free_request;
    m->free_request = id;
    m->open--;
}

/* The client of a closed loop thinks, then sends again. */
static void next_of_client(model_t *m, uint32_t client, class_e class)
{
    const clients_t *clients = &m->trace->clients;
    double us;

    if (class != CLASS_CLIENTS || client == MODEL_NONE || !clients->count) {
        return;
    }
    us = m->now_us + dice_exponential(&m->work_dice, clients->think_us);
    if (us < clients->to_s * 1e6) {
        at(m, us, EV_CLIENT, client, 0);
    }
}

/* A turn on a processor: all that it needs, or as much as it has before the steward looks. */
static void begin_turn(model_t *m, uint32_t id)
{
    request_t *r = &m->requests[id];

    r->turn_us = m->lowers ? fmin(r->left_us, ATTAINED_US + LOOK_US) : r->left_us;
    station_add(&m->processors, r->turn_us, JOB_REQUEST, id);
}

static void stand_back(model_t *m, child_t *c, uint32_t id)
{
    request_t *r = &m->requests[id];

    r->lowered = true;
    r->turn_us = r->left_us;
    c->lowered++;
    station_add(&m->behind, r->left_us, JOB_REQUEST, id);
}

static double cpus_of(const model_t *m)
{
    int serving = model_count(m, CHILD_SERVING);

    return m->trace->cpus / (serving > 1 ? serving : 1);
}

/* Others need the processor, or the thread's place. */
static bool is_crowded(const model_t *m, const child_t *c)
{
    return model_idle(c) == 0 || c->runnable + 1 >= cpus_of(m);
}

static attained_rooms_t rooms_of(const model_t *m, const child_t *c)
{
    int light = c->threads - c->lowered;

    return attained_rooms(m->trace->threads_per_child, c->admit < light ? c->admit : light,
                          cpus_of(m));
}

static bool is_put_off(const model_t *m, const child_t *c, uint32_t id)
{
    return m->lowers && m->requests[id].computes && c->lowered > 0
           && c->lowered >= rooms_of(m, c).computing;
}

static void begin_request(model_t *m, child_t *c, uint32_t id)
{
    request_t *r = &m->requests[id];
    uint32_t i = (uint32_t)model_index(m, c);

    note_waiting(m, r, m->now_us - r->arrived_us);
    m->result->begun++;
    model_account(m, c);
    integrate(m, m->now_us);
    r->child = i;
    r->begun_us = m->now_us;
    excess_begin(m, c, r);
    if (m->homes && r->client != MODEL_NONE) {
        m->homes[r->client] = i;
        m->home_incarnations[r->client] = c->incarnation;
    }
    c->busy++;
    c->taken++;
    m->busy++;
    if (m->infinite && c->busy > c->threads) {
        change_threads(m, c, 1);
    }
    r->left_us = r->cpu_us;
}

static void begin_light(model_t *m, child_t *c, uint32_t id)
{
    begin_request(m, c, id);
    c->runnable++;
    begin_turn(m, id);
    mark(m, c);
}

/* Answered with 503, before it has begun. */
static void tell(model_t *m, uint32_t id)
{
    const request_t *r = &m->requests[id];

    m->result->told++;
    next_of_client(m, r->client, r->class);
    free_request(m, id);
}

/* A child may have a thread for something that waits. */
static void dispatch(model_t *m, child_t *c)
{
    const policy_ops_t *ops = policy_ops(m->policy->id);
    uint32_t id;

    while (m->infinite || model_idle(c) > 0) {
        double own_us = queue_arrived_us(m, &c->queue);
        double shared_us = c->state == CHILD_SERVING ? queue_arrived_us(m, &m->backlog) : HUGE_VAL;

        if (own_us == HUGE_VAL && shared_us == HUGE_VAL) {
            break;
        }
        id = queue_take(m, own_us <= shared_us ? &c->queue : &m->backlog);
        if (excess_is_refused(m, c, &m->requests[id])) {
            tell(m, id);
        }
        else if (is_put_off(m, c, id)) {
            queue_add(m, &c->put_off, id);
            excess_put_off(m, c);
        }
        else {
            begin_light(m, c, id);
        }
    }
    if (c->state == CHILD_DRAINING) {
        finish_draining(m, c);
    }
    else {
        mark(m, c);
        if (model_idle(c) == 0 && !m->infinite && ops->nobody_idle) {
            ops->nobody_idle(m, c);
        }
        else if (ops->busier) {
            ops->busier(m, c);
        }
    }
}

void model_tell_at(model_t *m, const child_t *c, double us)
{
    at(m, us, EV_TELL, (uint32_t)model_index(m, c), c->incarnation);
}

static child_t *home_of(model_t *m, uint32_t client)
{
    child_t *c;

    if (!m->homes || client == MODEL_NONE || m->homes[client] == MODEL_NONE) {
        return NULL;
    }
    c = &m->children[m->homes[client]];
    return c->incarnation == m->home_incarnations[client]
           && (c->state == CHILD_SERVING || c->state == CHILD_PARKED) ? c : NULL;
}

/* Nobody took it at once. */
static void tell_ready(model_t *m, child_t *home)
{
    const policy_ops_t *ops = policy_ops(m->policy->id);
    int i;

    if (!ops->ready) {
        return;
    }
    if (home) {
        ops->ready(m, home);
        return;
    }
    for (i = 0; i < m->slots; i++) {
        if (m->children[i].state == CHILD_SERVING) {
            ops->ready(m, &m->children[i]);
        }
    }
}

static void arrive(model_t *m, uint32_t id)
{
    request_t *r = &m->requests[id];
    child_t *c = home_of(m, r->client);

    if (c) {
        queue_add(m, &c->queue, id);
        dispatch(m, c);
        if (c->queue.length > 0) {
            tell_ready(m, c);
        }
        return;
    }
    c = m->infinite ? &m->children[0] : taker(m);
    if (!c && m->backlog.length >= m->options->backlog) {
        note_rejected(m, r);
        next_of_client(m, r->client, r->class);
        free_request(m, id);
        return;
    }
    queue_add(m, &m->backlog, id);
    if (c) {
        dispatch(m, c);
    }
    else {
        tell_ready(m, NULL);
    }
}

/* Where the queue stands the newest has the best chance. */
static uint32_t take_put_off(model_t *m, child_t *c)
{
    uint32_t id = queue_take_this(m, &c->put_off, c->stands ? c->put_off.last : c->put_off.first);

    c->stands = c->stands && c->put_off.length > 0;
    return id;
}

static void tell_late(model_t *m, child_t *c)
{
    while (excess_is_late(m, c)) {
        tell(m, queue_take(m, &c->put_off));
        c->stands = true;
    }
    c->stands = c->stands && c->put_off.length > 0;
}

static void end_request(model_t *m, uint32_t id)
{
    request_t *r = &m->requests[id];
    child_t *c = &m->children[r->child];
    bool lowered;

    model_account(m, c);
    integrate(m, m->now_us);
    c->busy--;
    c->done++;
    m->busy--;
    excess_end(m, c, r);
    lowered = r->lowered;
    c->lowered -= lowered;
    note_end(m, r);
    next_of_client(m, r->client, r->class);
    free_request(m, id);
    if (m->infinite) {
        change_threads(m, c, -1);
    }
    if (lowered && c->put_off.length > 0 && c->lowered < rooms_of(m, c).computing) {
        /* its worker goes on with what has waited for it */
        id = take_put_off(m, c);
        begin_request(m, c, id);
        stand_back(m, c, id);
    }
    dispatch(m, c);
}

static void turn_over(model_t *m, child_t *c, uint32_t id)
{
    if (!is_crowded(m, c)) {
        begin_turn(m, id);
        return;
    }
    model_account(m, c);
    c->runnable--;
    stand_back(m, c, id);
    if (model_idle(c) == 0 && c->starting == 0 && c->threads - c->lowered < c->admit
        && c->threads < m->trace->threads_per_child) {
        model_start_threads(m, c, 1);
    }
    dispatch(m, c);
}

/* Those that were begun wait for something else: what was put off may have the processors. */
static void begin_put_off(model_t *m, child_t *c)
{
    while (c->put_off.length > 0 && model_idle(c) > 0
           && (double)(m->processors.jobs.count + m->behind.jobs.count) < m->trace->cpus) {
        begin_light(m, c, take_put_off(m, c));
    }
}

static void processor_done(model_t *m, uint32_t id)
{
    request_t *r = &m->requests[id];
    child_t *c = &m->children[r->child];

    r->left_us = fmax(r->left_us - r->turn_us, 0);
    if (r->left_us > 0) {
        turn_over(m, c, id);
        return;
    }
    model_account(m, c);
    c->runnable -= !r->lowered;
    m->result->cpu_s += r->cpu_us / 1e6;
    if (r->wait_us <= 0) {
        end_request(m, id);
        return;
    }
    if (r->shared) {
        station_add(&m->backend, r->wait_us, JOB_REQUEST, id);
    }
    else {
        at(m, m->now_us + r->wait_us, EV_UNBLOCKED, id, 0);
    }
    begin_put_off(m, c);
}

/* --- arrivals --------------------------------------------------------------------- */

static void plan_next_arrival(model_t *m)
{
    if (trace_next_arrival(m->trace, &m->arrivals, &m->arrival_dice)) {
        at(m, m->arrivals.at_s * 1e6, EV_ARRIVAL, 0, 0);
    }
    else {
        m->arrivals_over = true;
    }
}

static void begin_clients(model_t *m)
{
    const clients_t *clients = &m->trace->clients;
    int i;

    for (i = 0; i < clients->count; i++) {
        at(m, clients->from_s * 1e6 + dice_exponential(&m->work_dice, clients->think_us), EV_CLIENT,
           (uint32_t)i, 0);
    }
}

/* The herd has connected one by one while nothing happened: evenly over the children. */
static void begin_herd(model_t *m)
{
    const herd_t *herd = &m->trace->herd;
    int i, k;

    if (!herd->connections) {
        return;
    }
    m->homes = allocated((size_t)herd->connections, sizeof(*m->homes));
    m->home_incarnations = allocated((size_t)herd->connections, sizeof(*m->home_incarnations));
    for (i = 0; i < herd->connections; i++) {
        m->homes[i] = (uint32_t)(i % m->slots);
        m->home_incarnations[i] = m->children[i % m->slots].incarnation;
    }
    for (k = 0; k < herd->times; k++) {
        /* a contiguous stretch of connections, which is spread evenly, too */
        int from = (int)(dice_uniform(&m->arrival_dice) * herd->connections);

        for (i = 0; i < herd->wake; i++) {
            at(m, herd->at_s[k] * 1e6 + dice_uniform(&m->arrival_dice) * herd->within_us, EV_HERD,
               (uint32_t)((from + i) % herd->connections), 0);
        }
    }
}

static void plan_next_stay(model_t *m)
{
    const stays_t *s = &m->trace->stays;
    double us = s->per_s > 0 ? m->now_us + dice_exponential(&m->stay_dice, 1e6 / s->per_s)
                             : HUGE_VAL;

    if (us < m->end_us) {
        at(m, us, EV_STAY, 0, 0);
    }
}

/* A connection that stays: whoever could take another one gets it; if nobody can, it tries
 * again. */
static void begin_stay(model_t *m)
{
    const stays_t *s = &m->trace->stays;
    child_t *c = taker(m);

    if (c) {
        c->stays++;
        at(m, m->now_us + s->for_s * 1e6, EV_LEAVE, (uint32_t)model_index(m, c), c->incarnation);
    }
    plan_next_stay(m);
}

static void end_stay(model_t *m, child_t *c)
{
    c->stays--;
    if (c->state == CHILD_DRAINING) {
        finish_draining(m, c);
    }
}

/* --- the run ---------------------------------------------------------------------- */

static void handle(model_t *m, const heap_item_t *e)
{
    const policy_ops_t *ops = policy_ops(m->policy->id);
    child_t *c = &m->children[e->who % MODEL_CHILDREN];
    const trace_t *t = m->trace;
    const work_t *work;

    switch ((enum event_kind)e->kind) {
    case EV_ARRIVAL:
        plan_next_arrival(m);
        arrive(m,
               new_request(m, &t->work, trace_wait_us(t, m->now_us / 1e6), CLASS_OPEN, MODEL_NONE));
        break;
    case EV_CLIENT:
        work = trace_client_work(t, m->now_us / 1e6);
        arrive(m, new_request(m, work, work->wait_us, CLASS_CLIENTS, e->who));
        break;
    case EV_HERD:
        arrive(m, new_request(m, &t->herd.work, t->herd.work.wait_us, CLASS_CLIENTS, e->who));
        break;
    case EV_UNBLOCKED:
        end_request(m, e->who);
        break;
    case EV_THREAD_UP:
        if (c->incarnation == e->version && c->state != CHILD_DRAINING) {
            thread_up(m, c);
        }
        break;
    case EV_FORKED:
        /* what initialising computes competes with the requests */
        station_add(&m->processors, m->options->child_start_us / 2, JOB_CHILD, e->who);
        break;
    case EV_LOOK:
        if (c->look_version == e->version
            && (c->state == CHILD_SERVING || c->state == CHILD_PARKED)) {
            c->look_us = HUGE_VAL;
            ops->look(m, c);
        }
        break;
    case EV_PARENT:
        if (m->parent_version == e->version) {
            m->parent_us = HUGE_VAL;
            ops->parent(m);
        }
        break;
    case EV_BUCKET:
        end_bucket(m, (int)e->who);
        break;
    case EV_STAY:
        begin_stay(m);
        break;
    case EV_TELL:
        if (c->incarnation == e->version) {
            tell_late(m, c);
        }
        break;
    case EV_LEAVE:
        if (c->incarnation == e->version) {
            end_stay(m, c);
        }
        break;
    }
}

/* Advance to what comes next, and do it. */
static void turn(model_t *m)
{
    const heap_item_t *first = heap_first(&m->events);
    double event_us = first ? first->key : HUGE_VAL;
    double processor_us = station_next_us(&m->processors),
           backend_us = station_next_us(&m->backend), behind_us;

    m->behind.servers = fmax(m->trace->cpus - (double)m->processors.jobs.count,
                             LEAST_BEHIND * m->trace->cpus);
    behind_us = station_next_us(&m->behind);
    m->now_us = fmax(m->now_us, fmin(fmin(event_us, behind_us), fmin(processor_us, backend_us)));
    station_advance(&m->processors, m->now_us);
    station_advance(&m->backend, m->now_us);
    station_advance(&m->behind, m->now_us);
    if (behind_us <= event_us && behind_us <= processor_us && behind_us <= backend_us) {
        processor_done(m, station_take(&m->behind).who);
    }
    else if (processor_us <= event_us && processor_us <= backend_us) {
        heap_item_t job = station_take(&m->processors);

        if (job.kind == JOB_CHILD) {
            child_ready(m, &m->children[job.who]);
        }
        else {
            processor_done(m, job.who);
        }
    }
    else if (backend_us <= event_us) {
        end_request(m, station_take(&m->backend).who);
    }
    else {
        heap_item_t event = heap_take(&m->events);

        handle(m, &event);
    }
}

static bool is_over(const model_t *m)
{
    return m->now_us >= m->end_us && m->arrivals_over && m->open == 0;
}

static bool has_term(const policy_t *policy, unsigned term)
{
    return policy->id == POLICY_ADAPTIVE && !(policy->terms_off & term);
}

void model_run(const trace_t *trace, const policy_t *policy, const model_options_t *options,
               result_t *result)
{
    model_t *m = allocated(1, sizeof(*m));
    int i;

    memset(result, 0, sizeof(*result));
    result->seconds = trace->seconds;
    m->options = options;
    m->trace = trace;
    m->policy = policy;
    m->result = result;
    m->infinite = policy->id == POLICY_OPTIMUM;
    m->end_us = trace->seconds * 1e6;
    m->free_request = MODEL_NONE;
    m->parent_us = HUGE_VAL;
    m->arrival_dice = dice_seed(options->seed, 1);
    m->work_dice = dice_seed(options->seed, 2);
    m->server_dice = dice_seed(options->seed, 3);
    m->stay_dice = dice_seed(options->seed, 4);
    queue_init(&m->backlog);
    station_init(&m->processors, trace->cpus, trace->waste);
    station_init(&m->behind, trace->cpus, trace->waste);
    m->lowers = has_term(policy, CTL_TERM_LOWERING);
    m->tells = has_term(policy, CTL_TERM_TELLING);
    m->shares = has_term(policy, CTL_TERM_SHARES);
    for (i = 0; i < CLASSES; i++) {
        m->seen_us[i] = -HUGE_VAL;
    }
    station_init(&m->backend, trace->backend_slots > 0 ? trace->backend_slots : 1, BACKEND_WASTE);
    policy_ops(policy->id)->begin(m);
    begin_herd(m);
    begin_clients(m);
    plan_next_stay(m);
    plan_next_arrival(m);
    at(m, m->end_us / RESULT_BUCKETS, EV_BUCKET, 0, 0);
    while (!is_over(m)) {
        turn(m);
    }
    heap_free(&m->events);
    heap_free(&m->processors.jobs);
    heap_free(&m->behind.jobs);
    heap_free(&m->backend.jobs);
    free(m->memory);
    free(m->requests);
    free(m->homes);
    free(m->home_incarnations);
    free(m);
}
