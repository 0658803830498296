# gdb commands for a child of a server with mod_mpm_adaptive: what its threads and connections are doing,
# also when its main thread is stuck and SIGUSR2 brings no answer.
#
#   gdb -p PID -x tools/gdb/adaptive.gdb        (or -c CORE, with the httpd binary as the program)
#   (gdb) adp-child            phase, listeners, steward, counts
#   (gdb) adp-workers          each thread: slot, kernel's id, whether it serves
#   (gdb) adp-connections      each connection that is not free
#   (gdb) adp-deadlines        the next deadline, timers, jobs
#   (gdb) adp-all
#
# Needs the module's debug information: the build has it (-g), packages have it in -dbgsym. Nothing in the
# process is changed, and no function of it is called.

set pagination off

define adp-self
    # src/child/self.c keeps the child that this process is
    set $adp = 'self.c'::self
    if $adp == 0
        printf "this process is no child (the parent has none): attach to one of its children\n"
    end
end

define adp-child
    adp-self
    if $adp != 0
        printf "slot %d, generation %d, phase ", $adp->slot, $adp->generation
        output (child_phase_e)$adp->phase
        printf ", accept state "
        output (accept_state_e)($adp->listeners.gate.word & 7)
        printf "\ntold to drain: %d, told to stop: %d\n", $adp->told_to_drain, $adp->told_to_stop
        printf "threads %d, arriving %d, idle %d, events %lu\n", $adp->ext->threads, $adp->ext->arriving, \
            (int)($adp->ext->work & 0xfffff), (unsigned long)($adp->ext->work >> 20)
        printf "steward: watching %d, many %d, target %d, probe sent at %ld us, decides at %ld us\n", \
            $adp->steer.steward.watching, $adp->steer.steward.many, $adp->steer.steward.target, \
            (long)$adp->steer.steward.probe_sent_us, (long)$adp->steer.steward.look_us
    end
end
document adp-child
The child that this process is: phase, listeners, threads, steward.
end

define adp-workers
    adp-self
    if $adp != 0
        set $i = 0
        # the janitors' places follow the workers'
        while $i < $adp->workers.limit + 8
            set $w = &$adp->workers.list[$i]
            if $w->tid != 0
                printf "slot %3d  thread %d  event %u  lowered %d  callback %lu  ", $w->slot, $w->tid, $w->event, $w->lowered, \
                    (unsigned long)$w->callback
                output $w->state
                printf "\n"
            end
            set $i = $i + 1
        end
    end
end
document adp-workers
The worker threads of this child, and its janitors (slot -1). `thread apply all bt` shows where each is.
end

define adp-connections
    adp-self
    if $adp != 0
        set $i = 0
        set $shown = 0
        while $i < $adp->connections.item_count
            # SLAB_CHUNK_ITEMS in slab.h is 64: gdb does not see macros
            set $conn = (conn_t *)($adp->connections.chunks[$i / 64] \
                                   + ($i % 64) * $adp->connections.item_size)
            if ($conn->claim.word & 3) != 0
                printf "%5d  fd %d  claim ", $i, $conn->fd
                output (claim_state_e)($conn->claim.word & 3)
                printf "  hint "
                output (conn_hint_e)$conn->hint
                printf "  state "
                output $conn->cs.state
                printf "  due %ld us\n", (long)$conn->deadline.due_us
                set $shown = $shown + 1
            end
            set $i = $i + 1
        end
        printf "%d connections\n", $shown
    end
end
document adp-connections
Each connection that is not free: descriptor, who has it, what it waits for, its state, its deadline.
end

define adp-deadlines
    adp-self
    if $adp != 0
        printf "jobs queued: %d, connections suspended: %d\n", $adp->jobs.count, $adp->suspended != 0
        printf "wheel: "
        print $adp->deadlines
        printf "timers: "
        print $adp->timers
    end
end
document adp-deadlines
The timing wheel, timed callbacks and jobs of this child.
end

define adp-all
    adp-child
    adp-workers
    adp-connections
end
document adp-all
adp-child, adp-workers, adp-connections.
end
