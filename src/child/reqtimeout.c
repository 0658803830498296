/* Pure: text of RequestReadTimeout in, times out. The text is read by the parent, while it reads
 * the configuration. */
#include "reqtimeout.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/param.h>

#define US_PER_S INT64_C(1000000)

/* What stands between the words of a line. */
static const char separators[] = " \t\r\n\"'";

/* A number that ends at one of these characters, at a separator, or with the text. */
static bool number(const char **text, const char *ends, long *value)
{
    char *end;

    *text += **text == '+';
    if (!isdigit((unsigned char)**text)) {
        return false;
    }
    errno = 0;
    *value = strtol(*text, &end, 10);
    *text = end;
    return !errno && *value <= INT_MAX
           && (!*end || strchr(ends, *end) || strchr(separators, *end));
}

/* ",MinRate=500" */
static bool rate(const char *text, long *bytes_per_s)
{
    static const char name[] = ",minrate=";

    if (strncasecmp(text, name, sizeof(name) - 1)) {
        return false;
    }
    text += sizeof(name) - 1;
    return number(&text, "", bytes_per_s) && *bytes_per_s > 0;
}

/* "20", "20,MinRate=500", "20-40,MinRate=500" */
static bool times_of(const char *value, read_times_t *times)
{
    read_times_t read = { 0, 0, 0 };

    if (!number(&value, "-,", &read.first_s)) {
        return false;
    }
    if (*value == '-') {
        value++;
        if (!number(&value, ",", &read.most_s) || *value != ',') {
            return false;
        }
    }
    if (*value == ',' && !rate(value, &read.bytes_per_s)) {
        return false;
    }
    if (read.most_s > 0 && read.first_s >= read.most_s) {
        return false;
    }
    *times = read;
    return true;
}

bool reqtimeout_stage(const char *args, const char *stage, read_times_t *times)
{
    size_t length = strlen(stage);
    bool found = false;

    for (args += strspn(args, separators); *args; args += strspn(args, separators)) {
        if (!strncasecmp(args, stage, length) && args[length] == '='
            && times_of(args + length + 1, times)) {
            found = true;
        }
        args += strcspn(args, separators);
    }
    return found;
}

int64_t reqtimeout_due_us(const read_times_t *times, int64_t since_us, uint64_t bytes)
{
    int64_t due_us = since_us + times->first_s * US_PER_S;

    if (times->first_s == 0) {
        return INT64_MAX;
    }
    if (times->bytes_per_s > 0) {
        /* in this order as mod_reqtimeout rounds: a byte is worth a whole number of µs */
        due_us += (int64_t)MIN(bytes, (uint64_t)INT32_MAX) * (US_PER_S / times->bytes_per_s);
    }
    return times->most_s > 0 ? MIN(due_us, since_us + times->most_s * US_PER_S) : due_us;
}
