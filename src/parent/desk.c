/* The parent. Owns the desk's sockets, and the memory of its processes, which outlives the
 * module. */
#include "desk.h"

#include "desk_serve.h"
#include "retained.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/testhook.h"
#include "config/config.h"

#include "ap_config.h"
#include "apr_portable.h"
#include "apr_strings.h"
#include "http_config.h"
#include "http_core.h"
#include "mpm_common.h"
#include "unixd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define DESK_KEY   "mpm_adaptive_desk"
#define DESK_MAGIC 0x4144534bu      /* "ADSK" */
/* Who asks without waiting (curl) is refused when it is full. */
#define BACKLOG    256
/* Of generations that are over; each is gone within seconds. */
#define OLD_DESKS  8
/* A desk that lived for less is followed by a pause, which doubles. */
#define LASTING_US     (10 * CLOCK_US_PER_S)
#define FIRST_PAUSE_US CLOCK_US_PER_S
#define LAST_PAUSE_US  (64 * CLOCK_US_PER_S)

typedef enum { DOOR_SOCKET, DOOR_ADDRESS } door_e;

typedef struct opening_t {
    int fd;                     /* -1: closed */
    char name[128];             /* where it is, as it was asked for */
    dev_t dev;                  /* the file, if there is one */
    ino_t ino;
} opening_t;

typedef struct desk_t {
    /* frozen for all versions */
    apr_uint32_t magic;
    apr_uint32_t version;       /* ADP_RETAINED_VERSION: raise it with every change below */
    apr_size_t size;
    pid_t pid;                  /* of this generation; 0: none */
    pid_t old[OLD_DESKS];       /* of those before; 0: a free place */
    opening_t doors[DESK_DOORS];
    /* of this version */
    int64_t started_us;
    int64_t next_us;            /* none is started before */
    int64_t pause_us;
    bool is_refused;            /* the system has none for us, and that has been said */
} desk_t;

EXT_PINNED(desk_t, 392);

/* old: of another version of this module, whose sockets and processes go on; or NULL. */
static desk_t *begin_desk(const desk_t *old)
{
    desk_t *desk = ap_retained_data_create(DESK_KEY, sizeof(*desk));

    desk->doors[DOOR_SOCKET].fd = desk->doors[DOOR_ADDRESS].fd = -1;
    if (old) {
        memcpy(desk, old, offsetof(desk_t, started_us));
    }
    desk->magic = DESK_MAGIC;
    desk->version = ADP_RETAINED_VERSION;
    desk->size = sizeof(*desk);
    return desk;
}

static desk_t *desk_get(void)
{
    desk_t *desk = ap_retained_data_get(DESK_KEY);

    if (!desk || desk->magic != DESK_MAGIC) {
        return begin_desk(NULL);
    }
    return desk->version == ADP_RETAINED_VERSION && desk->size == sizeof(*desk)
           ? desk : begin_desk(desk);
}

/* --- the Unix socket ------------------------------------------------------------------------ */

/* Does a process that is alive listen there? What cannot be found out counts as one that does: a
 * full backlog, no right to connect. *pid: which; 0: unknown. */
static bool is_listened_to(const struct sockaddr_un *address, pid_t *pid)
{
    struct ucred peer = { 0 };
    socklen_t length = sizeof(peer);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool connected = fd >= 0
                     && connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0;
    bool refused = fd >= 0 && !connected && errno == ECONNREFUSED;

    if (connected) {
        (void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length);
    }
    if (fd >= 0) {
        close(fd);
    }
    *pid = MAX(peer.pid, 0);
    /* a helper process of a server that is gone may still have its socket open */
    return !refused && (*pid == 0 || kill(*pid, 0) == 0 || errno == EPERM);
}

/* What a server left behind that was killed goes; what somebody else needs stays. */
static bool make_way(const generation_t *g, const struct sockaddr_un *address)
{
    char process[32] = "";
    struct stat file;
    pid_t pid;

    if (lstat(address->sun_path, &file) || !S_ISSOCK(file.st_mode)) {
        return true;            /* bind(2) says what is wrong */
    }
    if (is_listened_to(address, &pid) && pid != getpid()) {
        if (pid) {
            apr_snprintf(process, sizeof(process), ", process %d", (int)pid);
        }
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, g->server, ADPNO(0132)
                     "AdaptiveStatusSocket %s belongs to another server%s: going on without; give "
                     "this one a path of its own", address->sun_path, process);
        return false;
    }
    (void)unlink(address->sun_path);
    return true;
}

static void cannot_open(const generation_t *g, const char *directive, const char *name, int error)
{
    ap_log_error(APLOG_MARK, APLOG_WARNING, error, g->server, ADPNO(0131)
                 "%s %s cannot be opened: nobody can look at the server's state there", directive,
                 name);
}

static int bind_socket(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* nobody else connects before it has the rights that it is to have */
    mode_t before = umask(0177);
    int error = 0;

    if (fd >= 0 && (bind(fd, (const struct sockaddr *)address, sizeof(*address))
                    || listen(fd, BACKLOG))) {
        error = errno;
        close(fd);
        fd = -1;
    }
    umask(before);
    errno = error ? error : errno;
    return fd;
}

static void open_socket(const generation_t *g, desk_t *desk, const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    struct stat file;
    int fd;

    if (strlen(path) >= sizeof(address.sun_path)) {
        cannot_open(g, "AdaptiveStatusSocket", path, ENAMETOOLONG);
        return;
    }
    apr_cpystrn(address.sun_path, path, sizeof(address.sun_path));
    if (!make_way(g, &address)) {
        return;
    }
    fd = bind_socket(&address);
    if (fd < 0 || lstat(path, &file)) {
        cannot_open(g, "AdaptiveStatusSocket", path, errno);
        if (fd >= 0) {
            close(fd);
        }
        return;
    }
    desk->doors[DOOR_SOCKET].fd = fd;
    desk->doors[DOOR_SOCKET].dev = file.st_dev;
    desk->doors[DOOR_SOCKET].ino = file.st_ino;
}

/* Who may look: the parent's user, and a group if one is named. */
static void let_in(const generation_t *g, const char *path)
{
    gid_t group = g->config->status_group;
    bool has_group = group != (gid_t)-1;

    if (has_group && lchown(path, (uid_t)-1, group)) {
        cannot_open(g, "the group of AdaptiveStatusSocket", path, errno);
        has_group = false;
    }
    if (fchmodat(AT_FDCWD, path, has_group ? 0660 : 0600, AT_SYMLINK_NOFOLLOW)) {
        cannot_open(g, "the mode of AdaptiveStatusSocket", path, errno);
    }
}

/* --- an address ----------------------------------------------------------------------------- */

static void open_address(const generation_t *g, desk_t *desk, const char *name)
{
    const struct sockaddr *address = (const struct sockaddr *)&g->config->status_address;
    socklen_t length = address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                      : sizeof(struct sockaddr_in);
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int one = 1;

    if (fd >= 0) {
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    }
    if (fd < 0 || bind(fd, address, length) || listen(fd, BACKLOG)) {
        cannot_open(g, "AdaptiveStatusListen", name, errno);
        if (fd >= 0) {
            close(fd);
        }
        return;
    }
    desk->doors[DOOR_ADDRESS].fd = fd;
}

/* Those of generations before have somebody in their place. */
static void dismiss_old(desk_t *desk)
{
    int i;

    for (i = 0; i < OLD_DESKS; i++) {
        if (desk->old[i] > 0) {
            kill(desk->old[i], SIGTERM);
        }
    }
}

/* --- what the configuration asks for -------------------------------------------------------- */

/* Somebody may have removed the file, or put another in its place. */
static bool has_its_file(const opening_t *place)
{
    struct stat file;

    return !lstat(place->name, &file) && file.st_dev == place->dev && file.st_ino == place->ino;
}

static void shut(desk_t *desk, door_e which)
{
    opening_t *place = &desk->doors[which];

    if (place->fd < 0) {
        return;
    }
    if (which == DOOR_ADDRESS) {
        /* the desk has it too, and another socket may be to have its port at once */
        shutdown(place->fd, SHUT_RDWR);
    }
    close(place->fd);
    place->fd = -1;
    if (which == DOOR_SOCKET && has_its_file(place)) {
        (void)unlink(place->name);
    }
}

/* Is it to be opened, with this name? One that is open under another, or that nobody can find any
 * more, is shut. */
static bool is_new(desk_t *desk, door_e which, const char *name)
{
    opening_t *place = &desk->doors[which];

    if (name && place->fd >= 0 && !strcmp(place->name, name)
        && (which != DOOR_SOCKET || has_its_file(place))) {
        return false;
    }
    shut(desk, which);
    if (name) {
        apr_cpystrn(place->name, name, sizeof(place->name));
    }
    return name != NULL;
}

static bool is_open(const desk_t *desk)
{
    return desk->doors[DOOR_SOCKET].fd >= 0 || desk->doors[DOOR_ADDRESS].fd >= 0;
}

void desk_open(const generation_t *g)
{
    const adp_config_t *config = g->config;
    desk_t *desk = desk_get();
    const char *path = config->status_socket_off ? NULL : config_status_socket(g->pconf);

    if (is_new(desk, DOOR_SOCKET, path)) {
        open_socket(g, desk, path);
    }
    if (desk->doors[DOOR_SOCKET].fd >= 0) {
        let_in(g, path);
    }
    if (is_new(desk, DOOR_ADDRESS, config->status_listen)) {
        open_address(g, desk, config->status_listen);
    }
    if (!is_open(desk)) {
        dismiss_old(desk);
    }
}

void desk_leave(void)
{
    const desk_t *desk = desk_get();
    int i;

    for (i = 0; i < DESK_DOORS; i++) {
        if (desk->doors[i].fd >= 0) {
            close(desk->doors[i].fd);
        }
    }
}

/* --- the process ---------------------------------------------------------------------------- */

/* False: the kernel is older than 5.9. */
static bool close_between(int first, unsigned last)
{
#ifdef SYS_close_range
    return (unsigned)first > last || syscall(SYS_close_range, (unsigned)first, last, 0U) == 0;
#else
    (void)first;
    (void)last;
    return false;
#endif
}

static void close_listed(const desk_door_t doors[DESK_DOORS])
{
    DIR *fds = opendir("/proc/self/fd");
    const struct dirent *entry;

    while (fds && (entry = readdir(fds)) != NULL) {
        int fd = atoi(entry->d_name);

        if (fd > STDERR_FILENO && fd != dirfd(fds) && fd != doors[0].fd && fd != doors[1].fd) {
            close(fd);
        }
    }
    if (fds) {
        closedir(fds);
    }
}

/* Sockets of the server, lifelines, pipes of logs: whoever waits for their end waits for the
 * parent's. */
static void close_all_but(const desk_door_t doors[DESK_DOORS])
{
    int low = MIN(doors[0].fd, doors[1].fd), high = MAX(doors[0].fd, doors[1].fd);

    low = MAX(low < 0 ? high : low, 1);
    high = MAX(high, STDERR_FILENO);
    if (!close_between(STDERR_FILENO + 1, (unsigned)low - 1)
        || !close_between(low + 1, (unsigned)high - 1) || !close_between(high + 1, ~0U)) {
        close_listed(doors);
    }
}

static void be_desk(const generation_t *g, const desk_t *desk)
{
    const desk_door_t doors[DESK_DOORS] = {
        { desk->doors[DOOR_SOCKET].fd, false }, { desk->doors[DOOR_ADDRESS].fd, true }
    };
    pid_t parent = g->retained->parent_pid;
    apr_pool_t *pool;

    prctl(PR_SET_NAME, "adp-desk");
    ADP_PAUSE(desk_begins);
    apr_pool_create(&pool, g->pconf);
    if (ap_run_drop_privileges(pool, g->server)) {
        _exit(APEXIT_CHILDFATAL);
    }
    /* after the change of user, which takes it back */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(0);
    }
    close_all_but(doors);
    _exit(desk_serve(doors));
}

static pid_t fork_desk(const generation_t *g, const desk_t *desk)
{
    sigset_t all, before;
    pid_t pid;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (ADP_FAULT(no_desk)) {
        pid = -1;
        errno = EAGAIN;
    }
    else if ((pid = fork()) == 0) {
        be_desk(g, desk);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return pid;
}

static void wait_a_while(desk_t *desk, int64_t now_us)
{
    desk->pause_us = desk->pause_us ? MIN(2 * desk->pause_us, LAST_PAUSE_US) : FIRST_PAUSE_US;
    desk->next_us = now_us + desk->pause_us;
}

int64_t desk_round(generation_t *g, int64_t now_us)
{
    desk_t *desk = desk_get();

    if (desk->pid || !is_open(desk)) {
        return CLOCK_NEVER;
    }
    if (desk->next_us > now_us) {
        return desk->next_us;
    }
    desk->started_us = now_us;
    desk->pid = fork_desk(g, desk);
    if (desk->pid > 0) {
        desk->is_refused = false;
        dismiss_old(desk);
        return CLOCK_NEVER;
    }
    desk->pid = 0;
    if (!desk->is_refused) {
        desk->is_refused = true;
        ap_log_error(APLOG_MARK, APLOG_WARNING, errno, g->server, ADPNO(0134)
                     "no process for AdaptiveStatusSocket could be started: who connects there "
                     "waits until one can");
    }
    wait_a_while(desk, now_us);
    return desk->next_us;
}

static bool was_old(desk_t *desk, pid_t pid)
{
    int i;

    for (i = 0; i < OLD_DESKS; i++) {
        if (desk->old[i] == pid) {
            desk->old[i] = 0;
            return true;
        }
    }
    return false;
}

bool desk_ended(generation_t *g, pid_t pid, int64_t now_us)
{
    desk_t *desk = desk_get();

    if (pid <= 0 || was_old(desk, pid)) {
        return pid > 0;
    }
    if (pid != desk->pid) {
        return false;
    }
    desk->pid = 0;
    if (now_us - desk->started_us >= LASTING_US) {
        desk->pause_us = 0;
    }
    wait_a_while(desk, now_us);
    ap_log_error(APLOG_MARK, APLOG_ERR, 0, g->server, ADPNO(0133)
                 "the process that shows the server's state, %d, has ended; another is started in "
                 "%d s", (int)pid, (int)(desk->pause_us / CLOCK_US_PER_S));
    return true;
}

void desk_end_generation(void)
{
    desk_t *desk = desk_get();
    int i;

    for (i = 0; desk->pid && i < OLD_DESKS; i++) {
        if (desk->old[i] == 0) {
            desk->old[i] = desk->pid;
            desk->pid = 0;
        }
    }
    if (desk->pid) {
        /* so many reloads within seconds: the first of them hangs on to a client */
        kill(desk->old[0], SIGKILL);
        desk->old[0] = desk->pid;
        desk->pid = 0;
    }
    desk->next_us = 0;
    desk->pause_us = 0;
}

void desk_close(void)
{
    desk_t *desk = desk_get();

    shut(desk, DOOR_SOCKET);
    shut(desk, DOOR_ADDRESS);
    dismiss_old(desk);
    if (desk->pid > 0) {
        kill(desk->pid, SIGTERM);
    }
}

int desk_pids(pid_t *pids, int most)
{
    const desk_t *desk = desk_get();
    int i, count = 0;

    for (i = 0; i <= OLD_DESKS && count < most; i++) {
        pid_t pid = i < OLD_DESKS ? desk->old[i] : desk->pid;

        if (pid > 0) {
            pids[count++] = pid;
        }
    }
    return count;
}
