/* Pure; any thread, with a text of its own. */
#include "text.h"

#include <stdarg.h>
#include <stdio.h>

text_t text_begin(char *text, size_t size)
{
    if (size > 0) {
        text[0] = '\0';
    }
    return (text_t) { .text = text, .size = size, .used = 0 };
}

void text_add(text_t *text, const char *format, ...)
{
    size_t left = text->size - text->used;
    va_list args;
    int length;

    if (left <= 1) {
        return;
    }
    va_start(args, format);
    /* a known mistake of clang-tidy 14: NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized) */
    length = vsnprintf(text->text + text->used, left, format, args);
    va_end(args);
    if (length > 0) {
        text->used += (size_t)length < left ? (size_t)length : left - 1;
    }
}

void text_cut(text_t *text, size_t used)
{
    if (used < text->used) {
        text->used = used;
        text->text[used] = '\0';
    }
}
