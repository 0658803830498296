/* Pure: bytes in, verdict out. Whole lines are looked at; where a line begins is remembered. */
#include "request_head.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>
#include <sys/param.h>

/* httpd's buffer for a line has two bytes more than the limit; its last one is for the end of the
 * string, which may overwrite the CR, and the LF is not counted. */
#define MORE_IN_LINE   1
#define MORE_IN_BUFFER 2

/* What HTTP/2 begins with (RFC 9113, 3.4). mod_http2 wants to see all of it, or takes it for a
 * request, of which the first line is malformed. */
static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
#define PREFACE_BYTES (sizeof(preface) - 1)

void head_begin(head_t *head)
{
    memset(head, 0, sizeof(*head));
    head->body_bytes = HEAD_NO_LENGTH;
}

/* RFC 9110, 5.6.2: the characters of a token. */
static bool is_token_char(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')
           || (c && strchr("!#$%&'*+-.^_`|~", c));
}

static size_t token_length(const char *line, size_t size)
{
    size_t n = 0;

    while (n < size && is_token_char((unsigned char)line[n])) {
        n++;
    }
    return n;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Visible, or beyond ASCII. */
static bool is_visible(char c)
{
    return (unsigned char)c > ' ' && c != 0x7f;
}

/* Is it one of these words, which a blank each separates? */
static bool is_word_of(const char *words, const char *text, size_t size)
{
    while (*words) {
        size_t n = strcspn(words, " ");

        if (n == size && !memcmp(words, text, size)) {
            return true;
        }
        words += n + strspn(words + n, " ");
    }
    return false;
}

/* A method that httpd would refuse is for it, and so is CONNECT, whose target is another kind. */
static bool is_method(const head_limits_t *limits, const char *method, size_t size)
{
    /* those of httpd itself; a module may have registered more */
    static const char registered[] =
        "GET HEAD POST PUT DELETE OPTIONS TRACE PATCH PROPFIND PROPPATCH MKCOL COPY MOVE LOCK"
        " UNLOCK VERSION-CONTROL CHECKOUT UNCHECKOUT CHECKIN UPDATE LABEL REPORT MKWORKSPACE"
        " MKACTIVITY BASELINE-CONTROL MERGE";

    return size > 0 && (limits->registered_methods ? is_word_of(registered, method, size)
                                                   : !is_word_of("CONNECT", method, size));
}

/* "www.example.com:8080", and a path or nothing: httpd refuses some of what else may stand here. */
static bool is_plain_authority(const char *text, size_t size)
{
    size_t n = 0;

    while (n < size && (isalnum((unsigned char)text[n]) || text[n] == '.' || text[n] == '-')) {
        n++;
    }
    if (n > 0 && n < size && text[n] == ':') {
        do {
            n++;
        } while (n < size && isdigit((unsigned char)text[n]));
    }
    return n > 0 && (n == size || text[n] == '/');
}

/* "http://..." */
static bool is_absolute(const char *target, size_t size)
{
    static const char *const schemes[] = { "http://", "https://" };
    size_t i;

    for (i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        size_t n = strlen(schemes[i]);

        if (size > n && !strncasecmp(target, schemes[i], n)) {
            return is_plain_authority(target + n, size - n);
        }
    }
    return false;
}

/* What httpd is sure to accept: it judges a target before it reads on. */
static bool is_target(const head_limits_t *limits, bool is_options, const char *target, size_t size)
{
    size_t i;

    for (i = 0; i < size; i++) {
        if (!is_visible(target[i]) || (target[i] == '#' && limits->strict)) {
            return false;
        }
    }
    if (size == 1 && target[0] == '*') {
        return is_options;
    }
    return size > 0 && (target[0] == '/' || is_absolute(target, size));
}

/* "GET /path HTTP/1.1": method, blank, target, blank, version. What looks any different httpd
 * answers, or serves, without reading on. */
static bool is_request_line(const head_limits_t *limits, const char *line, size_t size)
{
    static const char version[] = " HTTP/1.";
    const size_t version_bytes = sizeof(version) - 1;
    size_t method = token_length(line, size);
    const char *target = line + method + 1;
    const char *end = line + size - version_bytes - 1;

    if (method + 1 + version_bytes + 1 >= size || line[method] != ' '
        || !is_method(limits, line, method)) {
        return false;
    }
    return !memcmp(end, version, version_bytes) && isdigit((unsigned char)end[version_bytes])
           && is_target(limits, is_word_of("OPTIONS", line, method), target,
                        (size_t)(end - target));
}

/* Only digits, and not beyond what can be counted; anything else is for httpd. */
static int64_t content_length_of(const char *value, size_t size)
{
    int64_t length = 0;
    size_t i;

    if (size == 0 || size > 15) {
        return HEAD_NO_LENGTH;
    }
    for (i = 0; i < size; i++) {
        if (value[i] < '0' || value[i] > '9') {
            return HEAD_NO_LENGTH;
        }
        length = length * 10 + (value[i] - '0');
    }
    return length;
}

static bool is_field(const char *line, size_t name_bytes, const char *name)
{
    return name_bytes == strlen(name) && !strncasecmp(line, name, name_bytes);
}

/* What a field says about the body. A second length is httpd's to judge. */
static void note_field(head_t *head, const char *line, size_t name_bytes, size_t size)
{
    const char *value = line + name_bytes + 1;
    const char *end = line + size;

    while (value < end && is_blank(*value)) {
        value++;
    }
    while (end > value && is_blank(end[-1])) {
        end--;
    }
    if (is_field(line, name_bytes, "Content-Length")) {
        head->body_bytes = head->has_length ? HEAD_NO_LENGTH
                                            : content_length_of(value, (size_t)(end - value));
        head->has_length = true;
    }
    else if (is_field(line, name_bytes, "Transfer-Encoding")) {
        head->has_coding = true;
    }
    else if (is_field(line, name_bytes, "Expect")) {
        head->wants_continue = true;
    }
}

/* What ends the name of a field: in the strict form any character that no token has, else a colon
 * or a blank of any kind. */
static size_t name_length(const head_limits_t *limits, const char *line, size_t size)
{
    size_t n = 0;

    if (limits->strict) {
        return token_length(line, size);
    }
    while (n < size && line[n] != ':' && !isspace((unsigned char)line[n])) {
        n++;
    }
    return n;
}

/* Characters that httpd refuses in a field. */
static bool has_controls(const head_limits_t *limits, const char *text, size_t size)
{
    size_t i;

    for (i = 0; i < size; i++) {
        char c = text[i];

        if (limits->strict ? !is_visible(c) && !is_blank(c) : c == '\v' || c == '\f' || c == '\r') {
            return true;
        }
    }
    return false;
}

/* A line that continues the last field; httpd puts both together with a single blank. */
static head_verdict_e take_fold(head_t *head, const head_limits_t *limits, const char *line,
                                size_t size)
{
    if (head->fields == 0 || size == 1) {
        return HEAD_FOR_HTTPD;
    }
    while (is_blank(line[1])) {
        line++;
        size--;
    }
    if (head->folded_bytes + size + 1 >= limits->field_bytes) {
        return HEAD_FOR_HTTPD;
    }
    head->folded_bytes += size;
    head->is_bad = head->is_bad || has_controls(limits, line, size);
    /* a length that goes on is httpd's to judge */
    head->body_bytes = HEAD_NO_LENGTH;
    return HEAD_UNFINISHED;
}

static void take_field(head_t *head, const head_limits_t *limits, const char *line, size_t size)
{
    size_t name_bytes = name_length(limits, line, size);

    head->fields++;
    head->folded_bytes = size;
    head->is_bad = name_bytes == 0 || name_bytes == size || line[name_bytes] != ':'
                   || has_controls(limits, line + name_bytes, size - name_bytes)
                   || (limits->fields > 0 && head->fields > limits->fields);
    if (!head->is_bad) {
        note_field(head, line, name_bytes, size);
    }
}

/* A line behind the request line, empty or not. httpd judges a field when it has read the line
 * behind it, because that may continue it. */
static head_verdict_e take_head_line(head_t *head, const head_limits_t *limits, const char *line,
                                     size_t size)
{
    while (size > 1 && is_blank(line[size - 1])) {
        size--;
    }
    if (size > 0 && is_blank(line[0])) {
        return take_fold(head, limits, line, size);
    }
    if (head->is_bad) {
        return HEAD_FOR_HTTPD;
    }
    if (size == 0) {
        return HEAD_COMPLETE;
    }
    take_field(head, limits, line, size);
    return HEAD_UNFINISHED;
}

static size_t most_of_line(const head_t *head, const head_limits_t *limits)
{
    return head->has_request_line ? limits->field_bytes : limits->line_bytes;
}

static head_verdict_e take_line(head_t *head, const head_limits_t *limits, const char *line,
                                size_t size)
{
    if (size > most_of_line(head, limits) + MORE_IN_LINE || memchr(line, '\0', size)) {
        return HEAD_FOR_HTTPD;
    }
    if (head->has_request_line) {
        return take_head_line(head, limits, line, size);
    }
    if (size == 0) {
        return ++head->blank_lines > limits->blank_lines ? HEAD_FOR_HTTPD : HEAD_UNFINISHED;
    }
    head->has_request_line = is_request_line(limits, line, size);
    return head->has_request_line ? HEAD_UNFINISHED : HEAD_FOR_HTTPD;
}

/* Less than the whole preface, and nothing else. */
static bool may_become_preface(const char *data, size_t size)
{
    return size < PREFACE_BYTES && !memcmp(data, preface, size);
}

/* No end of the line is there yet. httpd reads on, whatever it looks like, until it is too long. */
static head_verdict_e judge_rest(const head_t *head, const head_limits_t *limits, size_t size)
{
    return size > most_of_line(head, limits) + MORE_IN_BUFFER
           || head->line_at + size > limits->head_bytes ? HEAD_FOR_HTTPD : HEAD_UNFINISHED;
}

/* Length of the line without its end, which is at lf. False: httpd does not accept that end. */
static bool trim_end(const head_limits_t *limits, const char *line, const char *lf, size_t *size)
{
    bool has_cr = lf > line && lf[-1] == '\r';

    *size = (size_t)(lf - line) - has_cr;
    return has_cr || !limits->strict;
}

head_verdict_e head_look(head_t *head, const head_limits_t *limits, const char *data, size_t size)
{
    head_verdict_e verdict = HEAD_UNFINISHED;

    if (limits->http2 && may_become_preface(data, size)) {
        return HEAD_UNFINISHED;
    }
    while (verdict == HEAD_UNFINISHED) {
        const char *line = data + head->line_at;
        const char *from = data + MAX(head->looked_to, head->line_at);
        const char *lf = memchr(from, '\n', (size_t)(data + size - from));
        size_t line_bytes;

        if (!lf) {
            head->looked_to = size;
            return judge_rest(head, limits, size - head->line_at);
        }
        head->line_at = (size_t)(lf - data) + 1;
        verdict = trim_end(limits, line, lf, &line_bytes)
                  ? take_line(head, limits, line, line_bytes) : HEAD_FOR_HTTPD;
        if (head->line_at > limits->head_bytes) {
            verdict = HEAD_FOR_HTTPD;
        }
    }
    head->bytes = head->line_at;
    return verdict;
}

size_t head_body_to_wait_for(const head_t *head, size_t most)
{
    if (head->body_bytes <= 0 || head->has_coding || head->wants_continue
        || (uint64_t)head->body_bytes > most) {
        return 0;
    }
    return (size_t)head->body_bytes;
}
