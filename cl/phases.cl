/* Phases of a kernel: its work-items (one a work-group, a thread of a CPU each) fetch the items of a phase by a counter
 * and go on when all are done. Of each phase turn[0] counts items handed out, turn[16] items done; behind the last
 * phase turn[0] counts work-items that have left. All are zero between launches.
 */
#define KILN_PHASE_PATIENCE (1u << 17) /* reads: some 0.1 ms */

/* Says that so many items are done, and waits until all are. false: the others take too long (their threads may have
 * lost their processors), and what is left is theirs; they do it without this work-item. */
static inline bool kiln_phase_ends(volatile __global uint *turn, uint done, uint items)
{
    mem_fence(CLK_GLOBAL_MEM_FENCE);
    if (done > 0 && atomic_add(turn + 16, done) + done == items)
        return true;
    for (uint i = 0; turn[16] < items; i++)
        if (i == KILN_PHASE_PATIENCE)
            return false;
    const bool all = atomic_add(turn + 16, 0u) >= items;
    mem_fence(CLK_GLOBAL_MEM_FENCE);
    return all;
}

/* The last work-item to leave sets all counters back to zero. */
static inline void kiln_phases_leave(volatile __global uint *turns, uint phases, uint runners)
{
    volatile __global uint *left = turns + phases * 32;
    if (atomic_add(left, 1u) + 1 < runners)
        return;
    for (uint i = 0; i < phases; i++)
        turns[i * 32] = turns[i * 32 + 16] = 0;
    *left = 0;
}
