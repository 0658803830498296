/* What a configuration has brought is found by comparing before and after. */
#include "parent/belongings.h"

#include "tap.h"

#include <signal.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/wait.h>

static belongings_before_t before;
static const belongings_own_t nothing = { NULL, 0, NULL, 0 };

/* A child that lives until it is killed, with these descriptors as its first two. It has them
 * when this returns. */
static pid_t child(int in, int out)
{
    int ready[2];
    pid_t pid;
    char byte;

    if (pipe(ready)) {
        return -1;
    }
    pid = fork();
    if (pid == 0) {
        if (in >= 0) {
            dup2(in, STDIN_FILENO);
        }
        if (out >= 0) {
            dup2(out, STDOUT_FILENO);
        }
        close(ready[0]);
        close(ready[1]);
        for (;;) {
            pause();
        }
    }
    close(ready[1]);
    /* end of file: both ends are closed there */
    if (read(ready[0], &byte, 1) != 0) {
        diag("a child says something");
    }
    close(ready[0]);
    return pid;
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void test_processes(void)
{
    pid_t pid = child(-1, -1);
    belongings_own_t own = { &pid, 1, NULL, 0 };
    belonging_t found = belongings_find(&before, &nothing);

    is(found.kind, BELONGING_PROCESS, "a child process is found");
    is(found.number, pid, "... that one");
    ok(strstr(found.name, "belongings") != NULL, "... with its name");
    is(belongings_find(&before, &own).kind, BELONGING_NONE, "not if it is the server's own");
    belongings_note(&before);
    is(belongings_find(&before, &nothing).kind, BELONGING_NONE, "nor if it was there before");
    end(pid);
    belongings_note(&before);
}

static void test_pipes(void)
{
    int fds[2];
    belongings_own_t own = { NULL, 0, &fds[1], 1 };

    ok(pipe(fds) == 0, "a pipe");
    is(belongings_find(&before, &nothing).kind, BELONGING_NONE,
       "with both ends in this process it leads nowhere");
    close(fds[0]);
    is(belongings_find(&before, &nothing).kind, BELONGING_PIPE, "with one it leads to somebody");
    is(belongings_find(&before, &nothing).number, fds[1], "... that one");
    is(belongings_find(&before, &own).kind, BELONGING_NONE, "not if it is the server's own");
    belongings_note(&before);
    is(belongings_find(&before, &nothing).kind, BELONGING_NONE, "nor if it was there before");
    close(fds[1]);
    belongings_note(&before);

    ok(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0, "a pair of sockets");
    is(belongings_find(&before, &nothing).kind, BELONGING_SOCKET, "is found");
    close(fds[0]);
    close(fds[1]);
    fds[0] = socket(AF_UNIX, SOCK_DGRAM, 0);
    fds[1] = socket(AF_INET, SOCK_STREAM, 0);
    is(belongings_find(&before, &nothing).kind, BELONGING_NONE, "other sockets are not");
    close(fds[0]);
    close(fds[1]);
}

static void test_readers(void)
{
    int log[2], question[2], answer[2];
    pid_t reader, map, other, pids[4] = { 0 };

    ok(pipe(log) == 0 && pipe(question) == 0 && pipe(answer) == 0, "pipes");
    reader = child(log[0], -1);
    map = child(question[0], answer[1]);
    other = child(-1, -1);
    close(question[0]);
    close(answer[1]);
    is(belongings_log_readers(&before, &nothing, pids, 4), 1,
       "of a reader, a program that answers and another one, one is a log's");
    is(pids[0], reader, "the reader");
    close(log[1]);
    is(belongings_log_readers(&before, &nothing, pids, 4), 0,
       "not if what it reads is not written here");
    end(reader);
    end(map);
    end(other);
    close(log[0]);
    close(question[1]);
    close(answer[0]);
}

static void test_semaphores(void)
{
    int id;

    is(belongings_semaphore(), -1, "there is no semaphore");
    id = semget(IPC_PRIVATE, 1, IPC_CREAT | 0600);
    if (id < 0) {
        diag("no System V semaphores here");
        return;
    }
    semctl(id, 0, SETVAL, 1);
    is(belongings_semaphore(), id, "one that this process has initialised is found");
    semctl(id, 0, IPC_RMID);
    is(belongings_semaphore(), -1, "then it is gone");
}

int main(void)
{
    tap_begin(60);
    belongings_note(&before);
    is(belongings_find(&before, &nothing).kind, BELONGING_NONE, "nothing new is there");
    test_processes();
    test_pipes();
    test_readers();
    test_semaphores();
    return tap_done();
}
