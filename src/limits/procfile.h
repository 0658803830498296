/* Small files of /proc and of control groups. No httpd. Any thread; nothing is kept. */
#ifndef ADP_PROCFILE_H
#define ADP_PROCFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROCFILE_NONE INT64_MAX     /* no number: "max", "unlimited", nonsense, no such file */
#define PROCFILE_SIZE 8192          /* enough for any of them that is read in one piece */

/* The beginning of root/path, at most size - 1 bytes of it, with a final 0. False, and an
 * empty string, if it cannot be read. */
bool procfile_read(const char *root, const char *path, char *text, size_t size);

/* The number that text begins with, blanks skipped. NONE for anything else, for a negative
 * one, and for one that is too large. */
int64_t procfile_number(const char *text);

/* The number that root/path begins with. */
int64_t procfile_read_number(const char *root, const char *path);

/* The number after key, where key begins a line of text: "MemTotal:", "total_rss". Key and
 * number are separated by blanks or a colon. NONE: there is no such line. */
int64_t procfile_field(const char *text, const char *key);

/* What follows key on its line; NULL: there is no such line. */
const char *procfile_line(const char *text, const char *key);

#endif
