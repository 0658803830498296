/*
 * The module that the tests load: handlers below /adp/ that block, burn CPU, suspend, crash or
 * register timers on demand, counters of the hooks that an MPM has to run, and ways to make a child
 * fail when it starts.
 *
 * With -DADP_NO_PROTOCOL there is no process_connection hook, which with "AcceptFilter http none"
 * would have each connection served at once, in case that it is to be greeted.
 *
 * Everything is off until "AdpTest On". Answers are lines of "key=value" or of space-separated
 * fields.
 *
 * What the tests read afterwards lies in shared memory, made once in the life of the parent,
 * because any child may be the one that answers, and children of an older generation still add to
 * it. What happens when nobody can ask any more (a child that stops) is also appended to the file
 * of AdpTestEventLog, one line an event. */

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "httpd.h"
#include "http_config.h"
#include "http_connection.h"
#include "http_core.h"
#include "http_log.h"
#include "http_protocol.h"
#include "http_request.h"
#include "ap_mpm.h"
#include "mpm_common.h"
#include "scoreboard.h"
#include "util_script.h"
#include "apr_atomic.h"
#include "apr_shm.h"
#include "apr_strings.h"

#define TIMER_RING 8192
#define LINE_MAX_BYTES 256
#define BODY_CHUNK 8192
#define CRASH_SOON_MS 20

/* All else is hidden, as in the module under test. */
extern module AP_MODULE_DECLARE_DATA adaptive_test_module __attribute__((visibility("default")));

typedef struct {
    int enabled;
    int clog;                   /* connections of this server clog their input filters */
    int waitio; /* connections of this server speak the line protocol of process_waitio() */
} server_conf;

/* Directives of the main server that act on the process. */
static const char *crash_at_start_file;
static const char *crash_soon_file;
static const char *exit_at_start_file;
static const char *hang_at_start_file;
static int slow_start_ms;
static int exit_at_start_code;
static const char *hold_file;
static const char *hang_at_end_file;
static apr_file_t *event_log;

typedef struct {
    apr_uint32_t requested_ms;
    apr_uint32_t fired_after_ms;
    apr_uint32_t pid;
    apr_uint32_t done;          /* written last, when the rest is valid */
} timer_record;

/* Shared by the parent and all of its children, of all generations. */
typedef struct {
    apr_uint32_t child_init;
    apr_uint32_t stopping_graceful;
    apr_uint32_t stopping_hard;
    apr_uint32_t stopping_twice;        /* more than one child_stopping in one process */
    apr_uint32_t suspend;
    apr_uint32_t resume;
    apr_uint32_t suspend_twice;
    apr_uint32_t resume_without_suspend;
    apr_uint32_t request_while_suspended;
    apr_uint32_t sbh_null_at_resume;
    apr_uint32_t sbh_null_in_handler;
    apr_uint32_t sbh_set_while_suspended;
    apr_uint32_t sbh_null_while_suspended;
    apr_uint32_t monitor;
    apr_uint32_t started;
    apr_uint32_t exited;
    apr_uint32_t lost_slot;
    apr_uint32_t end_generation;
    apr_uint32_t busy;                  /* handlers that sleep or hold right now */
    apr_uint32_t busy_max;
    apr_uint32_t timers_registered;
    apr_uint32_t timers_fired;
    apr_uint32_t timers_refused;
    timer_record timers[TIMER_RING];
} shared_data;

static shared_data *shared;
static apr_uint32_t stopping_seen;      /* in this process */

/* Per connection, to see whether suspend and resume alternate. */
typedef struct {
    int suspended;
    apr_uint32_t process_calls;         /* of process_waitio() */
    apr_size_t line_length;
    apr_size_t to_write;
    char line[LINE_MAX_BYTES];
} conn_data;

static void count(apr_uint32_t *counter)
{
    apr_atomic_inc32(counter);
}

static long thread_id(void)
{
    return (long)syscall(SYS_gettid);
}

static int test_enabled(server_rec *s)
{
    server_conf *conf = ap_get_module_config(s->module_config, &adaptive_test_module);

    return conf->enabled;
}

/* One write, so that lines of several processes do not mix. */
static void log_event(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

static void log_event(const char *format, ...)
{
    char line[512];
    apr_size_t length;
    va_list args;
    int n;

    if (!event_log) {
        return;
    }
    n = snprintf(line, sizeof(line), "%" APR_TIME_T_FMT " %ld ", apr_time_as_msec(apr_time_now()),
                 (long)getpid());
    va_start(args, format);
    n += vsnprintf(line + n, sizeof(line) - (size_t)n - 1, format, args);
    va_end(args);
    length = (apr_size_t)n < sizeof(line) - 1 ? (apr_size_t)n : sizeof(line) - 2;
    line[length++] = '\n';
    apr_file_write(event_log, line, &length);
}

/* ---- query arguments ---- */

static const char *arg_string(request_rec *r, const char *name)
{
    apr_table_t *args;

    ap_args_to_table(r, &args);
    return apr_table_get(args, name);
}

static apr_int64_t arg_number(request_rec *r, const char *name, apr_int64_t otherwise)
{
    const char *value = arg_string(r, name);

    return value ? apr_strtoi64(value, NULL, 10) : otherwise;
}

/* ---- handlers ---- */

static void enter_busy(void)
{
    apr_uint32_t now = apr_atomic_inc32(&shared->busy) + 1;
    apr_uint32_t max = apr_atomic_read32(&shared->busy_max);

    while (now > max) {
        max = apr_atomic_cas32(&shared->busy_max, now, max);
    }
}

static void leave_busy(void)
{
    apr_atomic_dec32(&shared->busy);
}

static int send_body(request_rec *r, apr_int64_t bytes)
{
    static const char chunk[BODY_CHUNK] = { 'x' };

    ap_set_content_type(r, "application/octet-stream");
    ap_set_content_length(r, bytes);
    while (bytes > 0) {
        int n = bytes < BODY_CHUNK ? (int)bytes : BODY_CHUNK;

        if (ap_rwrite(chunk, n, r) != n) {
            return OK;
        }
        bytes -= n;
    }
    return OK;
}

static int handle_sleep(request_rec *r)
{
    apr_int64_t ms = arg_number(r, "ms", 0);

    enter_busy();
    apr_sleep(apr_time_from_msec(ms));
    leave_busy();
    return send_body(r, arg_number(r, "bytes", 2));
}

/* Holds its thread while the file of AdpTestHoldFile exists: tests release it at a moment of their
 * choice. */
static void hold_thread(apr_interval_time_t left)
{
    log_event("hold");
    enter_busy();
    while (left > 0 && access(hold_file, F_OK) == 0) {
        apr_sleep(apr_time_from_msec(10));
        left -= apr_time_from_msec(10);
    }
    leave_busy();
}

static int handle_hold(request_rec *r)
{
    if (!hold_file) {
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    hold_thread(apr_time_from_msec(arg_number(r, "ms", 30000)));
    return send_body(r, arg_number(r, "bytes", 2));
}

static void use_processor(apr_int64_t wanted_ns)
{
    struct timespec begin, now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
    do {
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    } while ((now.tv_sec - begin.tv_sec) * APR_INT64_C(1000000000) + now.tv_nsec - begin.tv_nsec
             < wanted_ns);
}

/* Needs a processor for ms milliseconds, and then, while it has a mutex that all such requests of
 * the process want, for lock_us microseconds. */
static int handle_spin(request_rec *r)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    apr_int64_t lock_us = arg_number(r, "lock_us", 0);

    use_processor(arg_number(r, "ms", 0) * 1000000);
    if (lock_us > 0) {
        pthread_mutex_lock(&mutex);
        use_processor(lock_us * 1000);
        pthread_mutex_unlock(&mutex);
    }
    apr_sleep(apr_time_from_msec(arg_number(r, "wait", 0)));
    return send_body(r, arg_number(r, "bytes", 2));
}

static void nothing(void *ignored)
{
    (void)ignored;
}

/* Puts the end of a pipe that nobody writes to in the place of every pipe that this process reads:
 * it hears no more of whoever has the other end, who finds that nobody reads. */
static int handle_deafen(request_rec *r)
{
    struct stat info;
    int fds[2];
    int fd, deaf = 0;

    if (pipe(fds)) {
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    for (fd = 3; fd < getdtablesize() && fd < 4096; fd++) {
        if (fd != fds[0] && fstat(fd, &info) == 0 && S_ISFIFO(info.st_mode)
            && (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY) {
            deaf += dup2(fds[0], fd) == fd;
        }
    }
    /* whoever polls one of them holds it until he wakes up */
    ap_mpm_register_timed_callback(apr_time_from_msec(1), nothing, NULL);
    ap_rprintf(r, "deaf=%d\n", deaf);
    return OK;
}

static int handle_pid(request_rec *r)
{
    ap_set_content_type(r, "text/plain");
    ap_rprintf(r, "pid=%ld\ntid=%ld\nconn=%ld\nkeepalives=%d\n", (long)getpid(), thread_id(),
               r->connection->id, r->connection->keepalives);
    return OK;
}

/* A request that needs memory. */
static int handle_pool(request_rec *r)
{
    long kb = arg_number(r, "kb", 64);

    while (kb-- > 0) {
        memset(apr_palloc(r->pool, 1024), 'x', 1024);
    }
    return handle_pid(r);
}

static int handle_bigbody(request_rec *r)
{
    return send_body(r, arg_number(r, "bytes", 1024 * 1024));
}

static int handle_crash(request_rec *r)
{
    struct rlimit no_core = { 0, 0 };

    (void)r;
    setrlimit(RLIMIT_CORE, &no_core);
    abort();
}

/* Closes a descriptor of the child that is none of a module's business. */
static int handle_close(request_rec *r)
{
    ap_rprintf(r, "closed=%d\n", close(atoi(arg_string(r, "fd"))));
    return OK;
}

static int handle_query(request_rec *r)
{
    static const struct {
        const char *name;
        int code;
    } queries[] = {
        { "MAX_DAEMON_USED", AP_MPMQ_MAX_DAEMON_USED },
        { "IS_THREADED", AP_MPMQ_IS_THREADED },
        { "IS_FORKED", AP_MPMQ_IS_FORKED },
        { "HARD_LIMIT_DAEMONS", AP_MPMQ_HARD_LIMIT_DAEMONS },
        { "HARD_LIMIT_THREADS", AP_MPMQ_HARD_LIMIT_THREADS },
        { "MAX_THREADS", AP_MPMQ_MAX_THREADS },
        { "MIN_SPARE_DAEMONS", AP_MPMQ_MIN_SPARE_DAEMONS },
        { "MIN_SPARE_THREADS", AP_MPMQ_MIN_SPARE_THREADS },
        { "MAX_SPARE_DAEMONS", AP_MPMQ_MAX_SPARE_DAEMONS },
        { "MAX_SPARE_THREADS", AP_MPMQ_MAX_SPARE_THREADS },
        { "MAX_REQUESTS_DAEMON", AP_MPMQ_MAX_REQUESTS_DAEMON },
        { "MAX_DAEMONS", AP_MPMQ_MAX_DAEMONS },
        { "MPM_STATE", AP_MPMQ_MPM_STATE },
        { "IS_ASYNC", AP_MPMQ_IS_ASYNC },
        { "GENERATION", AP_MPMQ_GENERATION },
        { "HAS_SERF", AP_MPMQ_HAS_SERF },
        { "CAN_WAITIO", AP_MPMQ_CAN_WAITIO },
        { "UNKNOWN", 9999 },
    };
    size_t i;

    ap_set_content_type(r, "text/plain");
    for (i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
        int value = 0;

        if (ap_mpm_query(queries[i].code, &value) == APR_SUCCESS) {
            ap_rprintf(r, "%s=%d\n", queries[i].name, value);
        }
        else {
            ap_rprintf(r, "%s=none\n", queries[i].name);
        }
    }
    ap_rprintf(r, "NAME=%s\n", ap_show_mpm());
    return OK;
}

static int handle_hooks(request_rec *r)
{
#define LINE(field) ap_rprintf(r, #field "=%u\n", apr_atomic_read32(&shared->field))
    ap_set_content_type(r, "text/plain");
    LINE(child_init);
    LINE(stopping_graceful);
    LINE(stopping_hard);
    LINE(stopping_twice);
    LINE(suspend);
    LINE(resume);
    LINE(suspend_twice);
    LINE(resume_without_suspend);
    LINE(request_while_suspended);
    LINE(sbh_null_at_resume);
    LINE(sbh_null_in_handler);
    LINE(sbh_set_while_suspended);
    LINE(sbh_null_while_suspended);
    LINE(monitor);
    LINE(started);
    LINE(exited);
    LINE(lost_slot);
    LINE(end_generation);
    LINE(busy);
    LINE(busy_max);
    LINE(timers_registered);
    LINE(timers_fired);
    LINE(timers_refused);
#undef LINE
    return OK;
}

/* ---- timers ---- */

typedef struct {
    apr_pool_t *pool; /* of its own: the connection that asked may be gone when it fires */
    struct timespec registered;
    apr_uint32_t ms;
    apr_uint32_t chain;         /* how many more to register, one from the callback of the other */
    int hold;                   /* the callback holds its thread, as /adp/hold does */
} timer_baton;

static void timer_fired(void *data);

static void register_timer(timer_baton *baton)
{
    clock_gettime(CLOCK_MONOTONIC, &baton->registered);
    count(&shared->timers_registered);
    if (ap_mpm_register_timed_callback(apr_time_from_msec(baton->ms), timer_fired, baton)
        != APR_SUCCESS) {
        count(&shared->timers_refused);
        apr_pool_destroy(baton->pool);
    }
}

static void timer_fired(void *data)
{
    timer_baton *baton = data;
    timer_record *record = &shared->timers[apr_atomic_inc32(&shared->timers_fired) % TIMER_RING];
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    record->requested_ms = baton->ms;
    record->fired_after_ms = (apr_uint32_t)((now.tv_sec - baton->registered.tv_sec) * 1000
                                            + (now.tv_nsec - baton->registered.tv_nsec) / 1000000);
    record->pid = (apr_uint32_t)getpid();
    apr_atomic_set32(&record->done, 1);
    log_event("timer %u %u", record->requested_ms, record->fired_after_ms);
    if (baton->hold && hold_file) {
        hold_thread(apr_time_from_sec(600));
    }
    if (baton->chain == 0) {
        apr_pool_destroy(baton->pool);
        return;
    }
    baton->chain--;
    register_timer(baton);
}

/* ms, and optionally count (as many at once), step (each this many ms after the other), chain, and
 * hold (how many of them hold their thread). */
static int handle_timer(request_rec *r)
{
    apr_int64_t i, n = arg_number(r, "count", 1), step = arg_number(r, "step", 0);

    for (i = 0; i < n; i++) {
        apr_pool_t *pool;
        timer_baton *baton;

        apr_pool_create_unmanaged_ex(&pool, NULL, NULL);
        baton = apr_pcalloc(pool, sizeof(*baton));
        baton->pool = pool;
        baton->ms = (apr_uint32_t)(arg_number(r, "ms", 0) + i * step);
        baton->chain = (apr_uint32_t)arg_number(r, "chain", 0);
        baton->hold = i < arg_number(r, "hold", 0);
        register_timer(baton);
    }
    return send_body(r, 2);
}

/* A line a fired timer: "requested_ms fired_after_ms pid". */
static int handle_timers(request_rec *r)
{
    apr_uint32_t i, n = apr_atomic_read32(&shared->timers_fired);

    ap_set_content_type(r, "text/plain");
    for (i = 0; i < n && i < TIMER_RING; i++) {
        timer_record *record = &shared->timers[i];

        if (apr_atomic_read32(&record->done)) {
            ap_rprintf(r, "%u %u %u\n", record->requested_ms, record->fired_after_ms, record->pid);
        }
    }
    return OK;
}

/* ---- suspended requests ---- */

/* Runs in whichever thread fires the timer. The request's mutex is held by the thread that handed
 * the request over until it has let go of it. */
static void finish_suspended(void *data)
{
    request_rec *r = data;
    conn_rec *c = r->connection;
    apr_thread_mutex_t *mutex = r->invoke_mtx;
    int hold = (int)arg_number(r, "hold", 0);

    if (mutex) {
        apr_thread_mutex_lock(mutex);
        apr_thread_mutex_unlock(mutex);
    }
    count(c->sbh ? &shared->sbh_set_while_suspended : &shared->sbh_null_while_suspended);
    ap_set_content_type(r, "text/plain");
    ap_rprintf(r, "finished pid=%ld\n", (long)getpid());
    ap_finalize_request_protocol(r);
    ap_process_request_after_handler(r);
    /* the connection has its next state, and this callback could still be at work on it */
    if (hold && hold_file) {
        hold_thread(apr_time_from_sec(600));
    }
}

static int handle_suspend(request_rec *r)
{
    apr_status_t rv;

    rv = ap_mpm_register_timed_callback(apr_time_from_msec(arg_number(r, "ms", 100)),
                                        finish_suspended, r);
    return rv == APR_SUCCESS ? SUSPENDED : HTTP_NOT_IMPLEMENTED;
}

static const struct {
    const char *path;
    int (*handle)(request_rec *r);
} handlers[] = {
    { "/adp/sleep", handle_sleep },
    { "/adp/hold", handle_hold },
    { "/adp/spin", handle_spin },
    { "/adp/lock", handle_spin },   /* so that short ones are not taken for long ones */
    { "/adp/pid", handle_pid },
    { "/adp/pool", handle_pool },
    { "/adp/deafen", handle_deafen },
    { "/adp/bigbody", handle_bigbody },
    { "/adp/crash", handle_crash },
    { "/adp/close", handle_close },
    { "/adp/query", handle_query },
    { "/adp/hooks", handle_hooks },
    { "/adp/timer", handle_timer },
    { "/adp/timers", handle_timers },
    { "/adp/suspend", handle_suspend },
};

static conn_data *data_of(conn_rec *c)
{
    return ap_get_module_config(c->conn_config, &adaptive_test_module);
}

static int test_handler(request_rec *r)
{
    conn_rec *c = r->connection;
    conn_data *data;
    size_t i;
    int rv;

    if (strncmp(r->uri, "/adp/", 5) != 0 || !test_enabled(r->server)) {
        return DECLINED;
    }
    apr_table_setn(r->err_headers_out, "X-Adp-Pid", apr_ltoa(r->pool, (long)getpid()));
    if (!c->master) {
        data = data_of(c);
        if (data && data->suspended) {
            count(&shared->request_while_suspended);
        }
        if (!c->sbh) {
            count(&shared->sbh_null_in_handler);
        }
    }
    rv = ap_discard_request_body(r);
    if (rv != OK) {
        return rv;
    }
    for (i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++) {
        if (strcmp(r->uri, handlers[i].path) == 0) {
            return handlers[i].handle(r);
        }
    }
    return HTTP_NOT_FOUND;
}

/* ---- connections ---- */

static int test_pre_connection(conn_rec *c, void *csd)
{
    server_conf *conf = ap_get_module_config(c->base_server->module_config, &adaptive_test_module);

    (void)csd;
    if (c->master || !shared) {
        return OK;
    }
    ap_set_module_config(c->conn_config, &adaptive_test_module,
                         apr_pcalloc(c->pool, sizeof(conn_data)));
    if (conf->clog) {
        c->clogging_input_filters = 1;
    }
    return OK;
}

/* Sends what is owed. APR_EAGAIN: the client does not take it yet. */
static apr_status_t write_owed(apr_socket_t *socket, conn_data *data)
{
    static const char chunk[BODY_CHUNK] = { 'x' };

    while (data->to_write > 0) {
        apr_size_t n = data->to_write < BODY_CHUNK ? data->to_write : BODY_CHUNK;
        apr_status_t rv = apr_socket_send(socket, chunk, &n);

        data->to_write -= n;
        if (rv != APR_SUCCESS) {
            return rv;
        }
    }
    return APR_SUCCESS;
}

/* 0: the connection is to be closed. */
static int obey_line(apr_socket_t *socket, conn_data *data)
{
    char answer[128];
    apr_size_t n;

    if (strncmp(data->line, "ping", 4) == 0) {
        n = (apr_size_t)snprintf(answer, sizeof(answer), "pong pid=%ld tid=%ld calls=%u\n",
                                 (long)getpid(), thread_id(), data->process_calls);
        return apr_socket_send(socket, answer, &n) == APR_SUCCESS;
    }
    if (strncmp(data->line, "write ", 6) == 0) {
        data->to_write = (apr_size_t)apr_atoi64(data->line + 6);
        return 1;
    }
    return 0;
}

/*
 * A line protocol that never blocks and leaves all the waiting to the MPM: "ping" is answered with
 * who serves, "write N" with N bytes, anything else closes. */
static int process_waitio(conn_rec *c)
{
    server_conf *conf = ap_get_module_config(c->base_server->module_config, &adaptive_test_module);
    apr_socket_t *socket = ap_get_conn_socket(c);
    conn_data *data = data_of(c);

    if (!conf->waitio || c->master || !c->cs || !data) {
        return DECLINED;
    }
    data->process_calls++;
    apr_socket_timeout_set(socket, 0);
    c->cs->state = CONN_STATE_ASYNC_WAITIO;
    for (;;) {
        apr_size_t n = 1;
        apr_status_t rv = write_owed(socket, data);

        if (APR_STATUS_IS_EAGAIN(rv)) {
            c->cs->sense = CONN_SENSE_WANT_WRITE;
            return OK;
        }
        if (rv != APR_SUCCESS) {
            break;
        }
        rv = apr_socket_recv(socket, data->line + data->line_length, &n);
        if (APR_STATUS_IS_EAGAIN(rv)) {
            c->cs->sense = CONN_SENSE_WANT_READ;
            return OK;
        }
        if (rv != APR_SUCCESS || n == 0 || data->line_length == LINE_MAX_BYTES - 1) {
            break;
        }
        if (data->line[data->line_length] != '\n') {
            data->line_length++;
            continue;
        }
        data->line[data->line_length] = '\0';
        data->line_length = 0;
        if (!obey_line(socket, data)) {
            break;
        }
    }
    c->cs->state = CONN_STATE_LINGER;
    return OK;
}

static void test_suspend_connection(conn_rec *c, request_rec *r)
{
    conn_data *data = c->master ? NULL : data_of(c);

    (void)r;
    if (!data) {
        return;
    }
    count(&shared->suspend);
    if (data->suspended) {
        count(&shared->suspend_twice);
    }
    data->suspended = 1;
}

static void test_resume_connection(conn_rec *c, request_rec *r)
{
    conn_data *data = c->master ? NULL : data_of(c);

    (void)r;
    if (!data) {
        return;
    }
    count(&shared->resume);
    if (!data->suspended) {
        count(&shared->resume_without_suspend);
    }
    if (!c->sbh) {
        count(&shared->sbh_null_at_resume);
    }
    data->suspended = 0;
}

/* ---- life of the processes ---- */

/* Whether httpd can tell which thread this is. */
static void log_thread(const char *where)
{
#if AP_HAS_THREAD_LOCAL
    log_event("thread %s %s", where, ap_thread_current() ? "known" : "unknown");
#else
    log_event("thread %s known", where);
#endif
}

static void test_child_stopping(apr_pool_t *pchild, int graceful)
{
    (void)pchild;
    if (!shared) {
        return;
    }
    if (apr_atomic_inc32(&stopping_seen)) {
        count(&shared->stopping_twice);
    }
    count(graceful ? &shared->stopping_graceful : &shared->stopping_hard);
    log_event("stopping %d", graceful);
    log_thread("child_stopping");
}

static apr_status_t child_pool_gone(void *ignored)
{
    (void)ignored;
    log_event("child_exit");
    while (hang_at_end_file && access(hang_at_end_file, F_OK) == 0) {
        apr_sleep(apr_time_from_msec(10));
    }
    return APR_SUCCESS;
}

static void *crash_soon(void *ignored)
{
    struct rlimit no_core = { 0, 0 };

    (void)ignored;
    apr_sleep(apr_time_from_msec(CRASH_SOON_MS));
    setrlimit(RLIMIT_CORE, &no_core);
    abort();
}

/* The file is there, and nobody has put his mark beside it yet. */
static int is_first_to_find(apr_pool_t *p, const char *file)
{
    apr_file_t *mark;

    return access(file, F_OK) == 0
           && apr_file_open(&mark, apr_pstrcat(p, file, ".found", NULL),
                            APR_FOPEN_WRITE | APR_FOPEN_CREATE | APR_FOPEN_EXCL,
                            APR_FPROT_OS_DEFAULT, p)
                  == APR_SUCCESS;
}

static void test_child_init(apr_pool_t *pchild, server_rec *s)
{
    struct rlimit no_core = { 0, 0 };
    pthread_t thread;

    (void)s;
    if (!shared) {
        return;
    }
    count(&shared->child_init);
    log_event("child_init");
    log_thread("child_init");
    apr_pool_cleanup_register(pchild, NULL, child_pool_gone, apr_pool_cleanup_null);
    apr_sleep(apr_time_from_msec(slow_start_ms));
    if (hang_at_start_file && is_first_to_find(pchild, hang_at_start_file)) {
        log_event("child_init hangs");
        while (access(hang_at_start_file, F_OK) == 0) {
            apr_sleep(apr_time_from_msec(10));
        }
    }
    if (exit_at_start_file && access(exit_at_start_file, F_OK) == 0) {
        exit(exit_at_start_code);
    }
    if (crash_at_start_file && access(crash_at_start_file, F_OK) == 0) {
        setrlimit(RLIMIT_CORE, &no_core);
        abort();
    }
    if (crash_soon_file && access(crash_soon_file, F_OK) == 0) {
        pthread_create(&thread, NULL, crash_soon, NULL);
    }
}

static void test_child_status(server_rec *s, pid_t pid, ap_generation_t generation, int slot,
                              mpm_child_status state)
{
    static const char *const names[] = { "started", "exited", "lost_slot" };

    (void)s;
    if (!shared) {
        return;
    }
    count(state == MPM_CHILD_STARTED ? &shared->started
          : state == MPM_CHILD_EXITED ? &shared->exited : &shared->lost_slot);
    log_event("%s pid=%ld generation=%d slot=%d", names[state], (long)pid, generation, slot);
}

static void test_end_generation(server_rec *s, ap_generation_t generation)
{
    (void)s;
    if (shared) {
        count(&shared->end_generation);
        log_event("end_generation %d", generation);
    }
}

static int test_monitor(apr_pool_t *p, server_rec *s)
{
    (void)p;
    (void)s;
    if (shared) {
        count(&shared->monitor);
    }
    return DECLINED;
}

static int test_post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    static const char *const key = "adaptive-test-shared";
    apr_pool_t *process_pool = s->process->pool;
    apr_shm_t *shm;
    apr_status_t rv;
    void *data;

    (void)pconf;
    (void)plog;
    (void)ptemp;
    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG) {
        return OK;
    }
    apr_pool_userdata_get(&data, key, process_pool);
    if (!data) {
        rv = apr_shm_create(&shm, sizeof(shared_data), NULL, process_pool);
        if (rv != APR_SUCCESS) {
            ap_log_error(APLOG_MARK, APLOG_CRIT, rv, s, "no shared memory for the test module");
            return HTTP_INTERNAL_SERVER_ERROR;
        }
        data = apr_shm_baseaddr_get(shm);
        memset(data, 0, sizeof(shared_data));
        /* with a copy of the key: this module may come to lie elsewhere on a restart */
        apr_pool_userdata_set(data, key, NULL, process_pool);
    }
    shared = data;
    return OK;
}

/* ---- configuration ---- */

static void *create_server_conf(apr_pool_t *p, server_rec *s)
{
    server_conf *conf = apr_pcalloc(p, sizeof(*conf));

    (void)s;
    conf->enabled = -1;
    return conf;
}

static void *merge_server_conf(apr_pool_t *p, void *base, void *add)
{
    const server_conf *outer = base, *inner = add;
    server_conf *conf = apr_pmemdup(p, inner, sizeof(*inner));

    conf->enabled = inner->enabled < 0 ? outer->enabled : inner->enabled;
    return conf;
}

static const char *set_server_flag(cmd_parms *cmd, void *dummy, int on)
{
    char *conf = ap_get_module_config(cmd->server->module_config, &adaptive_test_module);

    (void)dummy;
    *(int *)(void *)(conf + (size_t)cmd->info) = on;
    return NULL;
}

static const char *set_file(cmd_parms *cmd, void *dummy, const char *file)
{
    const char **where = cmd->info;

    (void)dummy;
    *where = ap_server_root_relative(cmd->pool, file);
    return *where ? NULL : "not a usable file name";
}

/* Reading the configuration takes as long as somebody wants. */
static const char *hang_at_read(cmd_parms *cmd, void *dummy, const char *file)
{
    const char *path = ap_server_root_relative(cmd->pool, file);

    (void)dummy;
    while (path && access(path, F_OK) == 0) {
        apr_sleep(apr_time_from_msec(10));
    }
    return path ? NULL : "not a usable file name";
}

static const char *set_slow_start(cmd_parms *cmd, void *dummy, const char *ms)
{
    (void)cmd;
    (void)dummy;
    slow_start_ms = atoi(ms);
    return NULL;
}

static const char *set_exit_at_start(cmd_parms *cmd, void *dummy, const char *file,
                                     const char *code)
{
    (void)dummy;
    exit_at_start_file = ap_server_root_relative(cmd->pool, file);
    exit_at_start_code = atoi(code);
    return exit_at_start_file ? NULL : "not a usable file name";
}

/* Opened here, with the parent's rights, for all the children. */
static const char *set_event_log(cmd_parms *cmd, void *dummy, const char *file)
{
    const char *path = ap_server_root_relative(cmd->pool, file);

    (void)dummy;
    if (!path
        || apr_file_open(&event_log, path, APR_FOPEN_WRITE | APR_FOPEN_CREATE | APR_FOPEN_APPEND,
                         APR_FPROT_OS_DEFAULT, cmd->pool)
               != APR_SUCCESS) {
        return "cannot be opened";
    }
    return NULL;
}

static const command_rec test_commands[] = {
    AP_INIT_FLAG("AdpTest", set_server_flag, (void *)APR_OFFSETOF(server_conf, enabled), RSRC_CONF,
                 "answer requests below /adp/"),
    AP_INIT_FLAG("AdpTestClog", set_server_flag, (void *)APR_OFFSETOF(server_conf, clog), RSRC_CONF,
                 "connections of this server clog their input filters"),
    AP_INIT_FLAG("AdpTestWaitIO", set_server_flag, (void *)APR_OFFSETOF(server_conf, waitio),
                 RSRC_CONF,
                 "connections of this server speak the line protocol that waits in the MPM"),
    AP_INIT_TAKE1("AdpTestCrashAtStart", set_file, &crash_at_start_file, RSRC_CONF,
                  "a starting child aborts while this file exists"),
    AP_INIT_TAKE1("AdpTestCrashSoon", set_file, &crash_soon_file, RSRC_CONF,
                  "children abort a moment after their start while this file exists"),
    AP_INIT_TAKE1("AdpTestHangAtStart", set_file, &hang_at_start_file, RSRC_CONF,
                  "the first child to start while this file exists hangs until it is gone"),
    AP_INIT_TAKE1("AdpTestSlowStart", set_slow_start, NULL, RSRC_CONF,
                  "ms that the start of a child takes"),
    AP_INIT_TAKE1("AdpTestHangAtRead", hang_at_read, NULL, RSRC_CONF,
                  "the configuration is not read on while this file exists"),
    AP_INIT_TAKE1("AdpTestHangAtEnd", set_file, &hang_at_end_file, RSRC_CONF,
                  "a child's pool is not destroyed while this file exists"),
    AP_INIT_TAKE1("AdpTestHoldFile", set_file, &hold_file, RSRC_CONF,
                  "/adp/hold waits while this file exists"),
    AP_INIT_TAKE2("AdpTestExitAtStart", set_exit_at_start, NULL, RSRC_CONF,
                  "a starting child exits while this file exists, with this code"),
    AP_INIT_TAKE1("AdpTestEventLog", set_event_log, NULL, RSRC_CONF,
                  "file for the events in the life of the children"),
    { .name = NULL }
};

/* Directives are read anew with every configuration, also when the module stays in memory. */
static int test_pre_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp)
{
    (void)pconf;
    (void)plog;
    (void)ptemp;
    crash_at_start_file = crash_soon_file = exit_at_start_file = hang_at_start_file = hold_file =
        hang_at_end_file = NULL;
    slow_start_ms = 0;
    event_log = NULL;
    return OK;
}

static void register_hooks(apr_pool_t *p)
{
    (void)p;
    ap_hook_pre_config(test_pre_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(test_post_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_init(test_child_init, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_stopping(test_child_stopping, NULL, NULL, APR_HOOK_MIDDLE);
    /* Before the core, which derives the end of the generation from it. */
    ap_hook_child_status(test_child_status, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_end_generation(test_end_generation, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_monitor(test_monitor, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_pre_connection(test_pre_connection, NULL, NULL, APR_HOOK_LAST);
    if (!ap_exists_config_define("ADP_NO_PROTOCOL")) {
        ap_hook_process_connection(process_waitio, NULL, NULL, APR_HOOK_FIRST);
    }
    ap_hook_suspend_connection(test_suspend_connection, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_resume_connection(test_resume_connection, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(test_handler, NULL, NULL, APR_HOOK_FIRST);
}

AP_DECLARE_MODULE(adaptive_test) = {
    STANDARD20_MODULE_STUFF,
    NULL,
    NULL,
    create_server_conf,
    merge_server_conf,
    test_commands,
    register_hooks,
    AP_MODULE_FLAG_NONE
};
