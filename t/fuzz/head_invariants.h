/* What holds for the verdict on any bytes, however they come: for the unit test, which has examples
 * and changes them, and for the fuzzer. */
#ifndef HEAD_INVARIANTS_H
#define HEAD_INVARIANTS_H

#include "child/request_head.h"
#include "t/unit/random.h"

#include <stdlib.h>
#include <string.h>

/* Of a longer input only this many places are tried. */
#define HEAD_ALL_PLACES 300
#define HEAD_SOME_PLACES 20

/* The verdict on bytes that are all there. */
static inline head_verdict_e head_whole(const head_limits_t *limits, const char *data, size_t size,
                                        head_t *head)
{
    head_begin(head);
    return head_look(head, limits, data, size);
}

/* Byte by byte, up to the first verdict: how many it took. What must not be looked at is something
 * else at that time: behind the bytes that have come stand ends of lines, which would end it, and
 * in place of lines that are done with stand NULs. */
static inline head_verdict_e head_trickle(const head_limits_t *limits, const char *data,
                                          size_t size, head_t *head, size_t *came)
{
    char *buffer = malloc(size + 1);
    head_verdict_e verdict = HEAD_UNFINISHED;
    size_t forgotten = 0;

    memset(buffer, '\n', size + 1);
    head_begin(head);
    for (*came = 0; *came < size && verdict == HEAD_UNFINISHED;) {
        buffer[*came] = data[*came];
        verdict = head_look(head, limits, buffer, ++*came);
        memset(buffer + forgotten, 0, head->line_at - forgotten);
        forgotten = head->line_at;
    }
    free(buffer);
    return verdict;
}

/* The first part is looked at, then all. */
static inline head_verdict_e head_split(const head_limits_t *limits, const char *data, size_t first,
                                        size_t size)
{
    head_t head;
    head_verdict_e verdict = head_whole(limits, data, first, &head);

    return verdict == HEAD_UNFINISHED ? head_look(&head, limits, data, size) : verdict;
}

/* Both found the same head. */
static inline bool head_agrees(const head_t *a, const head_t *b)
{
    return a->bytes == b->bytes && a->body_bytes == b->body_bytes
           && a->wants_continue == b->wants_continue && a->has_coding == b->has_coding
           && head_body_to_wait_for(a, 1000) == head_body_to_wait_for(b, 1000);
}

/* NULL, or what is wrong with a part of the bytes: it has a verdict when the one byte is there that
 * brings it, not before. */
static inline const char *head_wrong_at(const head_limits_t *limits, const char *data, size_t size,
                                        size_t first, head_verdict_e verdict, size_t came)
{
    head_t head;
    head_verdict_e early = head_whole(limits, data, first, &head);

    if (first < came || verdict == HEAD_UNFINISHED ? early != HEAD_UNFINISHED : early != verdict) {
        return "a part has another verdict than one byte after the other";
    }
    return head_split(limits, data, first, size) == verdict ? NULL
           : "in two parts it has another verdict than as a whole";
}

static inline const char *head_wrong_result(const head_limits_t *limits, const char *data,
                                            const head_t *head, head_verdict_e verdict, size_t came)
{
    size_t body = head_body_to_wait_for(head, 100);

    if (verdict == HEAD_UNFINISHED) {
        return came > limits->head_bytes ? "it is waited for beyond the limit" : NULL;
    }
    if (verdict != HEAD_COMPLETE) {
        return NULL;
    }
    if (head->bytes != came || data[came - 1] != '\n' || came > limits->head_bytes) {
        return "it is complete in another place";
    }
    return body > 100 || (body > 0 && (int64_t)body != head->body_bytes)
           ? "the body has another length" : NULL;
}

/* NULL, or what is wrong. */
static inline const char *head_wrong(const head_limits_t *limits, const char *data, size_t size,
                                     random_t *dice)
{
    size_t places = size <= HEAD_ALL_PLACES ? size + 1 : HEAD_SOME_PLACES;
    head_t whole, head;
    size_t came, i;
    head_verdict_e verdict = head_whole(limits, data, size, &whole);
    const char *wrong;

    if (head_trickle(limits, data, size, &head, &came) != verdict) {
        return "byte by byte it has another verdict than as a whole";
    }
    if (verdict == HEAD_COMPLETE && !head_agrees(&whole, &head)) {
        return "byte by byte it says something else than as a whole";
    }
    wrong = head_wrong_result(limits, data, &whole, verdict, came);
    for (i = 0; i < places && !wrong; i++) {
        size_t first = places > size ? i : (size_t)random_below(dice, (int64_t)size + 1);

        wrong = head_wrong_at(limits, data, size, first, verdict, came);
    }
    return wrong;
}

#endif
