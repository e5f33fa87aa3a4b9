/* Phases of a kernel: its work-items (one a work-group, a thread of a CPU each) take the items of a phase and go on when
 * all are done. Item i of a phase belongs to the work-item that began as number i modulo their number, so that what it
 * reads step after step stays in the caches of one thread; who is through with its own takes what others have left. Of
 * each phase there is a counter for each of them, of its items handed out, and one of all items done, in all steps that
 * the launch does; behind the last phase are counters of work-items that have begun and that have left. All are zero
 * between launches, and each has a cache line.
 */
#define KILN_PHASE_PATIENCE (1u << 17) /* reads: some 0.1 ms */
#define KILN_COUNTER 16                /* the distance of counters */

/* Takes up to `share` of the items before `end`: the first one's number, or `end` when none is left. */
static inline uint kiln_phase_take(volatile __global uint *counter, uint share, uint end)
{
    uint from = *counter;
    while (from < end) {
        const uint found = atomic_cmpxchg(counter, from, min(from + share, end));
        if (found == from)
            return from;
        from = found;
    }
    return end;
}

/* Says that so many items are done, and waits until all before `end` are. false: the others take too long (their
 * threads may have lost their processors), and what is left is theirs; they do it without this work-item. */
static inline bool kiln_phase_ends(volatile __global uint *counter, uint done, uint end)
{
    mem_fence(CLK_GLOBAL_MEM_FENCE);
    if (done > 0 && atomic_add(counter, done) + done == end)
        return true;
    for (uint i = 0; *counter < end; i++)
        if (i == KILN_PHASE_PATIENCE)
            return false;
    const bool all = atomic_add(counter, 0u) >= end;
    mem_fence(CLK_GLOBAL_MEM_FENCE);
    return all;
}

/* The last of all work-items to leave sets all counters back to zero. */
static inline void kiln_phases_leave(volatile __global uint *counters, uint count, uint items)
{
    if (atomic_add(counters + (count - 1) * KILN_COUNTER, 1u) + 1 < items)
        return;
    for (uint i = 0; i < count; i++)
        counters[i * KILN_COUNTER] = 0;
}
