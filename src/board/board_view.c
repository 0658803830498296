/* Every number that another process may have written comes through here, loaded once and
 * brought into its range. The parent, and the steward for its own record, which a sibling may
 * have written over. */
#include "board_view.h"

static int clamp(int64_t told, int64_t most)
{
    return (int)(told < 0 ? 0 : told > most ? most : told);
}

static int64_t clamp_wait(int64_t told_us)
{
    return told_us < 0 ? 0 : told_us > BOARD_MOST_WAITED_US ? BOARD_MOST_WAITED_US : told_us;
}

#define LOAD(field) atomic_load_explicit(&(field), memory_order_relaxed)

board_view_t board_view(const ext_child_t *ext, int thread_limit)
{
    uint64_t work = LOAD(ext->work);
    int64_t threads = LOAD(ext->threads), arriving = LOAD(ext->arriving);
    int benched = clamp(LOAD(ext->benched), thread_limit);
    int computing = clamp(LOAD(ext->computing_permille), 1000);
    board_view_t view = {
        .admitted = clamp(threads, thread_limit),
        .idle = clamp(ext_idle_of(work), thread_limit),
        .busy = clamp(threads - arriving - ext_idle_of(work), thread_limit),
        .waiting = clamp(LOAD(ext->waiting), BOARD_MOST_WAITING),
        .events = work >> EXT_IDLE_BITS,
        .ready = atomic_load(&ext->ready),
        .closed = atomic_load(&ext->closed),
        .wants_successor = atomic_load(&ext->wants_successor),
        .exhausted = atomic_load(&ext->exhausted),
        .out_of_descriptors = atomic_load(&ext->out_of_descriptors)
    };

    view.threads = clamp((int64_t)view.admitted + benched, thread_limit);
    view.blocked_permille = (int64_t)view.busy * (1000 - computing);
    view.waited_us = clamp_wait(LOAD(ext->waited_us));
    return view;
}

board_peak_t board_peak(const ext_child_t *ext, int thread_limit)
{
    return (board_peak_t) {
        .busy = clamp(LOAD(ext->busy_most), thread_limit),
        .waited_us = clamp_wait(LOAD(ext->waited_most_us))
    };
}

board_peak_t board_take_peak(ext_child_t *ext, int thread_limit)
{
    return (board_peak_t) {
        .busy = clamp(atomic_exchange(&ext->busy_most, 0), thread_limit),
        .waited_us = clamp_wait(atomic_exchange(&ext->waited_most_us, 0))
    };
}

uint64_t board_events_since(uint64_t before, uint64_t now)
{
    uint64_t events = (now - before) & (UINT64_MAX >> EXT_IDLE_BITS);

    return events < BOARD_MOST_EVENTS ? events : BOARD_MOST_EVENTS;
}

int board_requests_in(const ext_child_t *ext, int64_t second)
{
    return clamp(ext_requests_in(ext, second), (int64_t)BOARD_MOST_EVENTS);
}

int64_t board_ready_us(const ext_child_t *ext, int64_t earliest_us, int64_t latest_us)
{
    int64_t ready_us = LOAD(ext->ready_us);

    ready_us = ready_us > latest_us ? latest_us : ready_us;
    return ready_us < earliest_us ? earliest_us : ready_us;
}

bool board_take_relief(ext_child_t *ext)
{
    return atomic_exchange(&ext->wants_relief, false);
}

int board_count(const uint32_t *count, int most)
{
    return clamp(__atomic_load_n(count, __ATOMIC_RELAXED), most);
}
