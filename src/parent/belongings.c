/* The parent, between two configurations: helper processes, pipes and semaphores that modules
 * have made are found by comparing before and after. It ends nothing itself. */
#include "belongings.h"

#include "limits/procfile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* For the process ids of this process's children: some eight thousand. */
#define CHILDREN_TEXT (64 * 1024)

/* semctl(2) has its callers define this. */
union semun {
    int val;
    struct semid_ds *buf;
    struct seminfo *info;
};

/* --- processes ---------------------------------------------------------------------- */

static bool has_pid(const pid_t *pids, int count, pid_t pid)
{
    int i;

    for (i = 0; i < count; i++) {
        if (pids[i] == pid) {
            return true;
        }
    }
    return false;
}

/* What a walk does with each child of this process. False: that was enough. */
typedef bool visit_fn(void *ctx, pid_t pid);

/* The children that one thread has started. False: the walk is over. */
static bool walk_thread(const char *tid, visit_fn *visit, void *ctx, bool *readable)
{
    char path[64];
    char *text = malloc(CHILDREN_TEXT);
    char *at = text, *end;
    bool on = true;

    snprintf(path, sizeof(path), "/proc/self/task/%.20s/children", tid);
    *readable = text && access(path, R_OK) == 0;
    if (*readable && procfile_read("", path, text, CHILDREN_TEXT)) {
        while (on) {
            long pid = strtol(at, &end, 10);

            if (end == at) {
                break;
            }
            at = end;
            on = visit(ctx, (pid_t)pid);
        }
    }
    free(text);
    return on;
}

/* False: the kernel does not show children. */
static bool walk_children(visit_fn *visit, void *ctx)
{
    DIR *threads = opendir("/proc/self/task");
    struct dirent *entry;
    bool on = true, readable = false;

    while (on && threads && (entry = readdir(threads)) != NULL) {
        if (entry->d_name[0] != '.') {
            on = walk_thread(entry->d_name, visit, ctx, &readable);
        }
    }
    if (threads) {
        closedir(threads);
    }
    return readable;
}

/* --- pipes and sockets -------------------------------------------------------------- */

typedef struct file_t {
    int fd;
    ino_t inode;
    bool pair;                          /* an end of socketpair(2); otherwise of a pipe */
    bool reads, writes;
} file_t;

static bool is_unnamed(const struct sockaddr_un *address, socklen_t size)
{
    return address->sun_family == AF_UNIX && size <= offsetof(struct sockaddr_un, sun_path);
}

/* One end of socketpair(2): connected, and neither side has a name. */
static bool is_pair(int fd)
{
    struct sockaddr_un near = { .sun_family = AF_UNSPEC }, far = { .sun_family = AF_UNSPEC };
    socklen_t near_size = sizeof(near), far_size = sizeof(far);

    return getsockname(fd, (struct sockaddr *)&near, &near_size) == 0
           && getpeername(fd, (struct sockaddr *)&far, &far_size) == 0
           && is_unnamed(&near, near_size) && is_unnamed(&far, far_size);
}

/* False: it is neither a pipe nor an end of a pair. */
static bool look_at(int fd, file_t *file)
{
    char path[64], target[64] = "";
    struct stat st;
    int flags;

    if (fstat(fd, &st) || (!S_ISSOCK(st.st_mode) && !S_ISFIFO(st.st_mode))
        || (flags = fcntl(fd, F_GETFL)) < 0) {
        return false;
    }
    *file = (file_t) {
        .fd = fd, .inode = st.st_ino, .pair = S_ISSOCK(st.st_mode),
        .reads = (flags & O_ACCMODE) != O_WRONLY, .writes = (flags & O_ACCMODE) != O_RDONLY
    };
    if (file->pair) {
        return is_pair(fd);
    }
    /* a pipe with a name leads to somebody who is there anyway */
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return readlink(path, target, sizeof(target) - 1) > 0 && !strncmp(target, "pipe:[", 6);
}

/* The pipes and the ends of pairs that are open here. */
typedef struct files_t {
    file_t *at;
    int count;
    bool complete;
} files_t;

static bool add_file(files_t *files, const file_t *file)
{
    /* doubled at each power of two */
    if ((files->count & (files->count - 1)) == 0) {
        size_t room = files->count ? 2 * (size_t)files->count : 1;
        file_t *more = realloc(files->at, room * sizeof(*more));

        if (!more) {
            return false;
        }
        files->at = more;
    }
    files->at[files->count++] = *file;
    return true;
}

static files_t list_files(void)
{
    DIR *fds = opendir("/proc/self/fd");
    files_t files = { .complete = fds != NULL };
    struct dirent *entry;

    while (files.complete && (entry = readdir(fds)) != NULL) {
        file_t file;

        if (entry->d_name[0] != '.' && look_at(atoi(entry->d_name), &file)) {
            files.complete = add_file(&files, &file);
        }
    }
    if (fds) {
        closedir(fds);
    }
    return files;
}

/* Which ends of a pipe are open here. */
static void ends_of(const files_t *files, ino_t inode, bool *reads, bool *writes)
{
    int i;

    *reads = *writes = false;
    for (i = 0; i < files->count; i++) {
        if (files->at[i].inode == inode) {
            *reads = *reads || files->at[i].reads;
            *writes = *writes || files->at[i].writes;
        }
    }
}

/* --- before ------------------------------------------------------------------------- */

static bool note_pid(void *ctx, pid_t pid)
{
    belongings_before_t *before = ctx;

    before->pids[before->pid_count++] = pid;
    return before->pid_count < BELONGINGS_PIDS;
}

void belongings_note(belongings_before_t *before)
{
    files_t files = list_files();
    int i;

    before->pid_count = before->file_count = 0;
    walk_children(note_pid, before);
    for (i = 0; i < files.count && before->file_count < BELONGINGS_FILES; i++) {
        before->files[before->file_count++] = files.at[i].inode;
    }
    free(files.at);
}

static bool had_file(const belongings_before_t *before, ino_t inode)
{
    int i;

    for (i = 0; i < before->file_count; i++) {
        if (before->files[i] == inode) {
            return true;
        }
    }
    return false;
}

/* --- what is new -------------------------------------------------------------------- */

typedef struct search_t {
    const belongings_before_t *before;
    const belongings_own_t *own;
    files_t files;
    belonging_t found;
    pid_t *readers;
    int reader_count, most_readers;
} search_t;

static bool is_new_process(const search_t *s, pid_t pid)
{
    return !has_pid(s->before->pids, s->before->pid_count, pid)
           && !has_pid(s->own->pids, s->own->pid_count, pid);
}

static void name_process(pid_t pid, char name[BELONGINGS_NAME])
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
    if (!procfile_read("", path, name, BELONGINGS_NAME)) {
        snprintf(name, BELONGINGS_NAME, "?");
    }
    name[strcspn(name, "\n")] = '\0';
}

static bool find_process(void *ctx, pid_t pid)
{
    search_t *s = ctx;

    if (!is_new_process(s, pid)) {
        return true;
    }
    s->found.kind = BELONGING_PROCESS;
    s->found.number = pid;
    name_process(pid, s->found.name);
    return false;
}

static bool is_own_fd(const belongings_own_t *own, int fd)
{
    int i;

    for (i = 0; i < own->fd_count; i++) {
        if (own->fds[i] == fd) {
            return true;
        }
    }
    return false;
}

/* Does it lead out of this process? */
static bool is_new_file(const search_t *s, const file_t *file)
{
    bool reads, writes;

    if (had_file(s->before, file->inode) || is_own_fd(s->own, file->fd)) {
        return false;
    }
    ends_of(&s->files, file->inode, &reads, &writes);
    return file->pair || !reads || !writes;
}

static void find_file(search_t *s)
{
    int i;

    for (i = 0; i < s->files.count && s->found.kind == BELONGING_NONE; i++) {
        const file_t *file = &s->files.at[i];

        if (is_new_file(s, file)) {
            s->found.kind = file->pair ? BELONGING_SOCKET : BELONGING_PIPE;
            s->found.number = file->fd;
        }
    }
}

belonging_t belongings_find(const belongings_before_t *before, const belongings_own_t *own)
{
    search_t s = { .before = before, .own = own };
    bool complete = walk_children(find_process, &s);

    if (s.found.kind == BELONGING_NONE) {
        s.files = list_files();
        find_file(&s);
        complete = complete && s.files.complete;
        free(s.files.at);
    }
    if (s.found.kind == BELONGING_NONE && !complete) {
        s.found.kind = BELONGING_UNKNOWN;
    }
    return s.found;
}

/* The pipe that a process has open as fd, 0: none. */
static ino_t pipe_of(pid_t pid, int fd)
{
    char path[64];
    struct stat st;

    snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, fd);
    return stat(path, &st) == 0 && S_ISFIFO(st.st_mode) ? st.st_ino : 0;
}

static bool is_log_reader(const search_t *s, pid_t pid)
{
    ino_t in = pipe_of(pid, STDIN_FILENO), out = pipe_of(pid, STDOUT_FILENO);
    bool reads, writes;

    if (!in || had_file(s->before, in)) {
        return false;
    }
    ends_of(&s->files, in, &reads, &writes);
    if (!writes) {
        return false;
    }
    ends_of(&s->files, out, &reads, &writes);
    return !out || out == in || had_file(s->before, out) || !reads;
}

static bool find_reader(void *ctx, pid_t pid)
{
    search_t *s = ctx;

    if (is_new_process(s, pid) && is_log_reader(s, pid)) {
        s->readers[s->reader_count++] = pid;
    }
    return s->reader_count < s->most_readers;
}

int belongings_log_readers(const belongings_before_t *before, const belongings_own_t *own,
                           pid_t *pids, int most)
{
    search_t s = { .before = before, .own = own, .readers = pids, .most_readers = most };

    if (most > 0) {
        s.files = list_files();
        walk_children(find_reader, &s);
        free(s.files.at);
    }
    return s.reader_count;
}

/* --- semaphores --------------------------------------------------------------------- */

int belongings_semaphore(void)
{
    struct seminfo info;
    struct semid_ds set;
    int highest = semctl(0, 0, SEM_INFO, (union semun){ .info = &info });
    int i;

    for (i = 0; i <= highest; i++) {
        int id = semctl(i, 0, SEM_STAT, (union semun){ .buf = &set });

        if (id >= 0 && semctl(id, 0, GETPID) == getpid()) {
            return id;
        }
    }
    return -1;
}
