/* The chunked transfer coding, byte by byte except for the data itself. */

#include "chunked.h"

/* Far beyond what fits into memory, and far from an overflow. */
#define SIZE_DIGITS_MAX 15
#define EXTRA_MAX 65536

void chunked_begin(chunked *c)
{
    *c = (chunked){ .state = CHUNKED_SIZE };
}

static int hex_value(char ch)
{
    if (ch >= '0' && ch <= '9') {
        return ch - '0';
    }
    ch |= 0x20;
    return ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
}

static enum chunked_state size_byte(chunked *c, char ch)
{
    int value = hex_value(ch);

    if (value >= 0) {
        c->left = c->left * 16 + (unsigned)value;
        return ++c->digits > SIZE_DIGITS_MAX ? CHUNKED_BAD : CHUNKED_SIZE;
    }
    if (c->digits == 0) {
        return CHUNKED_BAD;
    }
    return ch == '\r' ? CHUNKED_SIZE_LF
           : ch == ';' || ch == ' ' || ch == '\t' ? CHUNKED_EXTENSION : CHUNKED_BAD;
}

/* Of a line that is of no interest, up to its CR. */
static enum chunked_state skipped_byte(chunked *c, char ch, enum chunked_state at_cr)
{
    if (++c->extra > EXTRA_MAX || ch == '\n') {
        return CHUNKED_BAD;
    }
    return ch == '\r' ? at_cr : c->state;
}

static enum chunked_state expected(char ch, char wanted, enum chunked_state next)
{
    return ch == wanted ? next : CHUNKED_BAD;
}

static enum chunked_state byte(chunked *c, char ch)
{
    switch (c->state) {
    case CHUNKED_SIZE:
        return size_byte(c, ch);
    case CHUNKED_EXTENSION:
        return skipped_byte(c, ch, CHUNKED_SIZE_LF);
    case CHUNKED_SIZE_LF:
        return expected(ch, '\n', c->left ? CHUNKED_DATA : CHUNKED_TRAILER);
    case CHUNKED_DATA_CR:
        return expected(ch, '\r', CHUNKED_DATA_LF);
    case CHUNKED_DATA_LF:
        c->digits = 0;
        return expected(ch, '\n', CHUNKED_SIZE);
    case CHUNKED_TRAILER:
        if (ch == '\r') {
            return CHUNKED_END_LF;
        }
        c->state = CHUNKED_TRAILER_LINE;
        return skipped_byte(c, ch, CHUNKED_TRAILER_LF);
    case CHUNKED_TRAILER_LINE:
        return skipped_byte(c, ch, CHUNKED_TRAILER_LF);
    case CHUNKED_TRAILER_LF:
        return expected(ch, '\n', CHUNKED_TRAILER);
    case CHUNKED_END_LF:
        return expected(ch, '\n', CHUNKED_DONE);
    default:
        return CHUNKED_BAD;
    }
}

static size_t data_bytes(chunked *c, size_t length)
{
    size_t n = length < c->left ? length : (size_t)c->left;

    c->left -= n;
    c->bytes += (int64_t)n;
    if (c->left == 0) {
        c->state = CHUNKED_DATA_CR;
    }
    return n;
}

size_t chunked_feed(chunked *c, const char *data, size_t length)
{
    size_t used = 0;

    while (used < length && c->state != CHUNKED_DONE && c->state != CHUNKED_BAD) {
        if (c->state == CHUNKED_DATA) {
            used += data_bytes(c, length - used);
        }
        else {
            c->state = byte(c, data[used++]);
        }
    }
    return used;
}
