/* Pure; any thread, with an out_t of its own. */
#include "out.h"

#include <locale.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEAST_SIZE 16384
/* What is formatted at a time hardly ever takes more. */
#define USUAL_LENGTH 256

/* What an escaped byte becomes; NULL: it stays. */
typedef const char *(*escape_t)(unsigned char byte);

#define REPLACEMENT "\xEF\xBF\xBD"

static bool grow_for(out_t *out, size_t count)
{
    size_t size = out->size ? out->size : LEAST_SIZE;
    char *bytes;

    if (out->failed) {
        return false;
    }
    if (count <= out->size - out->used) {
        return true;
    }
    while (size - out->used < count) {
        size *= 2;
    }
    bytes = realloc(out->bytes, size);
    if (!bytes) {
        out_free(out);
        out->failed = true;
        return false;
    }
    out->bytes = bytes;
    out->size = size;
    return true;
}

void out_bytes(out_t *out, const char *bytes, size_t count)
{
    if (count > 0 && grow_for(out, count)) {
        memcpy(out->bytes + out->used, bytes, count);
        out->used += count;
    }
}

void out_text(out_t *out, const char *text)
{
    out_bytes(out, text, strlen(text));
}

/* A module (PHP, Perl) may have told the C library that the whole process writes 1,5. Whoever reads
 * what is put together here takes that for two numbers, or for none. */
static pthread_once_t plain_once = PTHREAD_ONCE_INIT;
static locale_t plain_numbers;      /* 0 if memory is short: then it stays as it is */

static void make_plain_numbers(void)
{
    plain_numbers = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0);
}

static int print_plain(char *text, size_t size, const char *format, va_list args)
{
    locale_t before;
    int length;

    (void)pthread_once(&plain_once, make_plain_numbers);
    before = uselocale(plain_numbers);
    /* a known mistake of clang-tidy 14: NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized) */
    length = vsnprintf(text, size, format, args);
    (void)uselocale(before);
    return length;
}

void out_format(out_t *out, const char *format, ...)
{
    va_list args;
    int length;

    if (!grow_for(out, USUAL_LENGTH)) {
        return;
    }
    va_start(args, format);
    length = print_plain(out->bytes + out->used, out->size - out->used, format, args);
    va_end(args);
    /* it is ended there, and what comes next takes the place of that */
    if (length > 0 && (size_t)length >= out->size - out->used) {
        if (!grow_for(out, (size_t)length + 1)) {
            return;
        }
        va_start(args, format);
        (void)print_plain(out->bytes + out->used, (size_t)length + 1, format, args);
        va_end(args);
    }
    out->used += length > 0 ? (size_t)length : 0;
}

void out_free(out_t *out)
{
    free(out->bytes);
    *out = (out_t) { 0 };
}

/* --- what others have written ------------------------------------------------------------- */

/* Bytes of the UTF-8 sequence at text (RFC 3629: the shortest form, no surrogates); 0: none. */
static size_t sequence_at(const unsigned char *text)
{
    unsigned char low = 0x80, high = 0xBF;
    size_t length, i;

    if (text[0] < 0x80) {
        return 1;
    }
    if (text[0] < 0xC2 || text[0] > 0xF4) {
        return 0;
    }
    length = text[0] < 0xE0 ? 2 : text[0] < 0xF0 ? 3 : 4;
    low = text[0] == 0xE0 ? 0xA0 : text[0] == 0xF0 ? 0x90 : low;
    high = text[0] == 0xED ? 0x9F : text[0] == 0xF4 ? 0x8F : high;
    if (text[1] < low || text[1] > high) {
        return 0;
    }
    for (i = 2; i < length; i++) {
        if (text[i] < 0x80 || text[i] > 0xBF) {
            return 0;
        }
    }
    return length;
}

static void escaped(out_t *out, const char *text, escape_t escape)
{
    const unsigned char *at = (const unsigned char *)text;

    while (*at) {
        size_t length = sequence_at(at);
        const char *instead = length == 1 ? escape(*at) : NULL;

        if (length == 0 || (length == 1 && !instead && (*at < ' ' || *at == 0x7F))) {
            out_text(out, REPLACEMENT);
            length = 1;
        }
        else if (instead) {
            out_text(out, instead);
        }
        else {
            out_bytes(out, (const char *)at, length);
        }
        at += length;
    }
}

static const char *escape_html(unsigned char byte)
{
    switch (byte) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

void out_html(out_t *out, const char *text)
{
    escaped(out, text, escape_html);
}

static const char *escape_label(unsigned char byte)
{
    switch (byte) {
    case '"':
        return "\\\"";
    case '\\':
        return "\\\\";
    case '\n':
        return "\\n";
    default:
        return NULL;
    }
}

/* What a label needs, and some more. */
static const char *escape_json(unsigned char byte)
{
    switch (byte) {
    case '\r':
        return "\\r";
    case '\t':
        return "\\t";
    case '<':
        /* so that it can stand in a page */
        return "\\u003c";
    default:
        return escape_label(byte);
    }
}

static void in_quotes(out_t *out, const char *text, escape_t escape)
{
    out_text(out, "\"");
    escaped(out, text, escape);
    out_text(out, "\"");
}

void out_json(out_t *out, const char *text)
{
    in_quotes(out, text, escape_json);
}

void out_label(out_t *out, const char *text)
{
    in_quotes(out, text, escape_label);
}
