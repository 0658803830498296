/* A ring buffer with room for all requests there are. */

#include "queue.h"

#include "tool.h"

static request *waiting;
static long head, count, room;

void queue_begin(long most)
{
    room = most;
    waiting = calloc((size_t)room, sizeof(*waiting));
    if (!waiting) {
        die("start");
    }
}

void queue_put(request r)
{
    if (count == room) {
        die("too many requests wait");
    }
    waiting[(head + count++) % room] = r;
}

long queue_length(void)
{
    return count;
}

request *queue_first(void)
{
    return &waiting[head];
}

void queue_drop_first(void)
{
    head = (head + 1) % room;
    count--;
}

void queue_clear(void)
{
    count = 0;
}
