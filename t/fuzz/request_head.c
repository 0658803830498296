/* The scanner of request heads: the first byte of an input chooses limits, the others are what a
 * client sends. make -f Makefile.apxs fuzz */

#define CORPUS "t/fuzz/corpus/request_head"

#include "head_invariants.h"
#include "replay.h"

#include <stdio.h>

/* Small ones, which inputs of a few bytes come across, or httpd's own. */
static head_limits_t limits_for(uint8_t choice)
{
    bool small = choice & 1;

    return (head_limits_t) {
        .line_bytes = small ? 40 : 8190, .field_bytes = small ? 30 : 8190,
        .fields = choice & 16 ? 0 : small ? 3 : 100, .blank_lines = small ? 2 : 10,
        .head_bytes = small ? 150 : 65536, .strict = !(choice & 2),
        .registered_methods = choice & 4, .http2 = choice & 8
    };
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    random_t dice = random_seed(size);
    head_limits_t limits;
    const char *wrong;

    if (size == 0) {
        return 0;
    }
    limits = limits_for(data[0]);
    wrong = head_wrong(&limits, (const char *)data + 1, size - 1, &dice);
    if (wrong) {
        fprintf(stderr, "%s\n", wrong);
        abort();
    }
    return 0;
}
