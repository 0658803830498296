/* What belongs to a configuration besides the server's children: helper processes, and what leads
 * to them. It ends when the configuration does, and whoever still relies on it then is lost: a
 * child of the last generation would answer with errors.
 *
 * No module says what it has started, and APR keeps its lists to itself. But the kernel shows
 * what this process did not have before it read the configuration:
 *
 *   process    a child of this process that is not a child of the server's: mod_cgid's daemon,
 *              mod_wsgi's, mod_fcgid's, a RewriteMap prg:, a piped log
 *   pipe       with its other end somewhere else, and
 *   socket     of a pair: they lead to a process that was detached
 *   semaphore  of System V (Mutex sysvsem); those of all other kinds live as long as somebody
 *              uses them
 *
 * Pure C: tested without httpd.
 */
#ifndef ADP_BELONGINGS_H
#define ADP_BELONGINGS_H

#include <stdbool.h>
#include <sys/types.h>

#define BELONGINGS_PIDS  256
#define BELONGINGS_FILES 512
#define BELONGINGS_NAME  64

/* What there is before a configuration is read. What finds no place here belongs to the
 * configuration as well, so that the answer errs on the safe side. */
typedef struct belongings_before_t {
    pid_t pids[BELONGINGS_PIDS];
    int pid_count;
    ino_t files[BELONGINGS_FILES];      /* pipes and sockets */
    int file_count;
} belongings_before_t;

/* What is not the configuration's although it is new: the server's own. */
typedef struct belongings_own_t {
    const pid_t *pids;
    int pid_count;
    const int *fds;
    int fd_count;
} belongings_own_t;

typedef enum {
    BELONGING_NONE,
    BELONGING_PROCESS,
    BELONGING_PIPE,
    BELONGING_SOCKET,
    BELONGING_SEMAPHORE,
    BELONGING_UNKNOWN                   /* /proc cannot be read: there may be one */
} belonging_e;

typedef struct belonging_t {
    belonging_e kind;
    int number;                         /* process id, descriptor, or semaphore id */
    char name[BELONGINGS_NAME];         /* the program's */
} belonging_t;

/* Note what there is. Before the configuration is read; any thread, as all of these. */
void belongings_note(belongings_before_t *before);

/* A semaphore that this process has initialised and nobody has used yet: before children run.
 * Returns its id, -1: there is none. */
int belongings_semaphore(void);

/* The first process, pipe or socket of the configuration that is found. */
belonging_t belongings_find(const belongings_before_t *before, const belongings_own_t *own);

/* The programs that logs are piped to: processes of the configuration that read what this
 * process or its children write, and that do not answer. Returns how many, at most most. */
int belongings_log_readers(const belongings_before_t *before, const belongings_own_t *own,
                           pid_t *pids, int most);

#endif
