/* The chunked transfer coding (RFC 9112, 7.1), decoded as its bytes come and dropped. */
#ifndef LOADGEN_CHUNKED_H
#define LOADGEN_CHUNKED_H

#include <stddef.h>
#include <stdint.h>

enum chunked_state {
    CHUNKED_SIZE,               /* hexadecimal digits */
    CHUNKED_EXTENSION,          /* what follows them in their line */
    CHUNKED_SIZE_LF,
    CHUNKED_DATA,
    CHUNKED_DATA_CR,
    CHUNKED_DATA_LF,
    CHUNKED_TRAILER,            /* the beginning of a line behind the last chunk */
    CHUNKED_TRAILER_LINE,
    CHUNKED_TRAILER_LF,
    CHUNKED_END_LF,
    CHUNKED_DONE,
    CHUNKED_BAD
};

typedef struct {
    enum chunked_state state;
    int digits;                 /* of the size of this chunk */
    uint64_t left;              /* of this chunk */
    size_t extra;               /* bytes of extensions and trailers */
    int64_t bytes;              /* of the body, all chunks together */
} chunked;

void chunked_begin(chunked *c);

/* Takes what belongs to the body: how many bytes that is. Less than length only when the body is
 * complete (CHUNKED_DONE) or not well-formed (CHUNKED_BAD). */
size_t chunked_feed(chunked *c, const char *data, size_t length);

#endif
