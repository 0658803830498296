/* Sums that do not overflow, of counts that somebody hostile may have written. */
#ifndef ADP_SUM_H
#define ADP_SUM_H

/* No sum is larger. */
#define SUM_LARGEST (1 << 30)

/* What may be believed of a count. Any thread. */
static inline int bounded_count(int count)
{
    return count < 0 ? 0 : count < SUM_LARGEST ? count : SUM_LARGEST;
}

/* The sum of two counts from 0 to SUM_LARGEST: no larger than that. Any thread. */
static inline int bounded_sum(int a, int b)
{
    return a > SUM_LARGEST - b ? SUM_LARGEST : a + b;
}

#endif
