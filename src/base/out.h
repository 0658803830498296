/* Bytes that are put together and grow as needed: a page, a JSON text. Escaped for where they
 * stand, because much of what is shown was written by clients.
 *
 * Pure C. An out_t belongs to one thread; out_free() gives its memory back. When memory is short
 * what was put in is lost, all of it, and out_t.failed says so: half a page helps nobody.
 */
#ifndef ADP_OUT_H
#define ADP_OUT_H

#include <stdbool.h>
#include <stddef.h>

typedef struct out_t {
    char *bytes;                /* not terminated; NULL: nothing yet */
    size_t used;
    size_t size;
    bool failed;
} out_t;

/* As they are. */
void out_bytes(out_t *out, const char *bytes, size_t count);
void out_text(out_t *out, const char *text);

/* As printf(3) has it; for what needs no escape: numbers, words of ours. */
__attribute__((format(printf, 2, 3)))
void out_format(out_t *out, const char *format, ...);

/* For HTML and SVG: text and attributes in double quotes. Bytes that are no UTF-8, and control
 * characters, become U+FFFD. */
void out_html(out_t *out, const char *text);

/* A JSON string with its quotes; likewise. */
void out_json(out_t *out, const char *text);

/* The value of a label of Prometheus, with its quotes; likewise. */
void out_label(out_t *out, const char *text);

/* Forget all that is in it. */
void out_free(out_t *out);

#endif
