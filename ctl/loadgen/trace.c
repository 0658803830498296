/* Reads a trace. The file's text stays in memory as it is, and a request is a few numbers and where
 * its path and its header lines are in that text. */

#include "trace.h"

#include "tool.h"
#include "options.h"
#include "origin.h"
#include "tls.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define COLUMNS_MAX 6
/* A trace counts from its own start; what is longer is a date. */
#define DAYS_MAX 10
#define AT_MAX_US (DAYS_MAX * INT64_C(86400000000))
#define READ_SIZE 65536

enum column { AT_US, METHOD, SCHEME, HOST, PATH, FIELDS };

trace_request *trace;
long trace_count;

static long room;
static int64_t last_us;
static long line_number;

typedef struct {
    char *text;
    size_t length;
} column_text;

/* For "%.*s": enough of it to find it. */
#define SHOWN(c) ((c).length < 60 ? (int)(c).length : 60), (c).text

#define bad_line(format, ...) \
    complain("%s:%ld: " format, options.trace_file, line_number, ##__VA_ARGS__)

/* All of it, with a NUL at the end: also from a pipe. */
static char *read_file(const char *path, size_t *length)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *text = NULL;
    size_t size = 0;
    ssize_t n = 1;

    *length = 0;
    if (fd < 0) {
        complain("-T %s: %s", path, strerror(errno));
    }
    while (n > 0) {
        if (*length + READ_SIZE >= size) {
            size = size * 2 + 2 * READ_SIZE;
            text = realloc(text, size);
            if (!text) {
                die("trace");
            }
        }
        n = read(fd, text + *length, size - *length - 1);
        if (n < 0) {
            complain("-T %s: %s", path, strerror(errno));
        }
        *length += (size_t)n;
    }
    close(fd);
    text[*length] = '\0';
    return text;
}

static int is_word(column_text c)
{
    size_t i;

    for (i = 0; i < c.length; i++) {
        if ((unsigned char)c.text[i] <= ' ' || c.text[i] == 0x7f) {
            return 0;
        }
    }
    return c.length > 0;
}

static int is_text(column_text c, const char *text)
{
    return c.length == strlen(text) && memcmp(c.text, text, c.length) == 0;
}

static int64_t at_us(column_text c)
{
    int64_t at = 0;
    size_t i;

    for (i = 0; i < c.length; i++) {
        if (c.text[i] < '0' || c.text[i] > '9' || at > AT_MAX_US) {
            break;
        }
        at = at * 10 + (c.text[i] - '0');
    }
    if (!c.length || i < c.length || at > AT_MAX_US) {
        bad_line("AT_US '%.*s' is not a number of microseconds since the start of the trace (at "
                 "most %d days)", SHOWN(c), DAYS_MAX);
    }
    if (at < last_us) {
        bad_line("AT_US %lld comes after %lld: sort the trace by its first column", (long long)at,
                 (long long)last_us);
    }
    return last_us = at;
}

static int is_head(column_text c)
{
    if (!is_text(c, "GET") && !is_text(c, "HEAD")) {
        bad_line("METHOD '%.*s' is not replayed: it may be GET or HEAD, which change nothing",
                 SHOWN(c));
    }
    return is_text(c, "HEAD");
}

static int is_https(column_text c)
{
    int https = is_text(c, "https");

    if (!https && !is_text(c, "http")) {
        bad_line("SCHEME '%.*s' is neither http nor https", SHOWN(c));
    }
    if (https && !tls_is_built_in()) {
        bad_line("SCHEME https: " TLS_MISSING);
    }
    if (https ? !options.https_port : !options.http_port) {
        bad_line("SCHEME %s: there is no port for it, say -%c PORT", https ? "https" : "http",
                 https ? 'S' : 'p');
    }
    return https;
}

/* The two characters "\n" between header lines have the length of CR LF. */
static void end_fields_with_crlf(column_text c)
{
    size_t i;

    for (i = 0; i + 1 < c.length; i++) {
        if (c.text[i] == '\\' && c.text[i + 1] == 'n') {
            c.text[i] = '\r';
            c.text[++i] = '\n';
        }
    }
}

static void check_fields(column_text c)
{
    size_t i;

    for (i = 0; i < c.length; i++) {
        if (c.text[i] == '\r') {
            bad_line("there is a carriage return; lines end with a line feed alone");
        }
    }
    end_fields_with_crlf(c);
    if (!fields_are_good(c.text, c.length)) {
        bad_line("the 6th column is not 'Name: value', further lines separated by \\n");
    }
}

/* How many columns there are; more than there may be if that is so. */
static int split(char *line, size_t length, column_text *columns)
{
    char *end = line + length;
    int n = 0;

    for (;;) {
        char *tab = memchr(line, '\t', (size_t)(end - line));

        if (n == COLUMNS_MAX) {
            return n + 1;
        }
        columns[n++] = (column_text){ line, (size_t)((tab ? tab : end) - line) };
        if (!tab) {
            return n;
        }
        line = tab + 1;
    }
}

static trace_request *add(void)
{
    if (trace_count == room) {
        room = room ? room * 2 : 4096;
        trace = realloc(trace, (size_t)room * sizeof(*trace));
        if (!trace) {
            die("trace");
        }
    }
    return &trace[trace_count++];
}

static void read_line(char *line, size_t length)
{
    column_text c[COLUMNS_MAX] = { { NULL, 0 } };
    int n = split(line, length, c);

    if (n < PATH + 1 || n > COLUMNS_MAX) {
        bad_line("%s columns; a line is AT_US METHOD SCHEME HOST PATH and optionally header lines, "
                 "separated by tabs", n < PATH + 1 ? "too few" : "too many");
    }
    if (!is_word(c[HOST])) {
        bad_line("HOST '%.*s' is empty or has blanks", SHOWN(c[HOST]));
    }
    if (!is_word(c[PATH]) || c[PATH].text[0] != '/') {
        bad_line("PATH '%.*s' does not begin with / or has blanks", SHOWN(c[PATH]));
    }
    if (c[HOST].length + c[PATH].length + c[FIELDS].length + strlen(options.fields) + 128
        > REQUEST_MAX) {
        bad_line("the request has more than %d bytes", REQUEST_MAX);
    }
    check_fields(c[FIELDS]);
    *add() = (trace_request){
        .at_us = at_us(c[AT_US]),
        .is_head = (uint32_t)is_head(c[METHOD]) & 1,
        .origin = origin_number(is_https(c[SCHEME]), c[HOST].text, c[HOST].length) & 0x7fffffff,
        .path = c[PATH].text,
        .path_length = (uint16_t)c[PATH].length,
        .fields = c[FIELDS].text,
        .fields_length = (uint16_t)c[FIELDS].length
    };
}

void trace_read(void)
{
    size_t length;
    char *text = read_file(options.trace_file, &length), *line = text, *end = text + length;

    while (line < end) {
        char *lf = memchr(line, '\n', (size_t)(end - line));
        char *end_of_line = lf ? lf : end;

        line_number++;
        read_line(line, (size_t)(end_of_line - line));
        line = end_of_line + 1;
    }
    if (!trace_count) {
        complain("-T %s: there is no request in it", options.trace_file);
    }
    options.seconds = (double)last_us / 1e6 / options.scale;
}
