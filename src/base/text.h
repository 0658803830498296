/* A text that is put together piece by piece and never passes its end: what has no room is cut off.
 * Pure C; a text belongs to the function that makes it. */
#ifndef ADP_TEXT_H
#define ADP_TEXT_H

#include <stddef.h>

typedef struct text_t {
    char *text;                 /* the caller's; always ended */
    size_t size;
    size_t used;
} text_t;

/* An empty text in `size` bytes at `text`. */
text_t text_begin(char *text, size_t size);

/* Add to it, as printf(3) does. */
__attribute__((format(printf, 2, 3)))
void text_add(text_t *text, const char *format, ...);

/* Take back what was added since it was as long as `used`. */
void text_cut(text_t *text, size_t used);

#endif
