/* Pure: text of RequestReadTimeout in, seconds out. The parent, while it reads the
 * configuration. */
#include "reqtimeout.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What stands between the words of a line. */
static const char separators[] = " \t\r\n\"'";

/* "20", "20-40", "20-40,MinRate=500" */
static long initial_s(const char *value)
{
    char *end;
    long seconds;

    if (!isdigit((unsigned char)*value)) {
        return REQTIMEOUT_NOT_SET;
    }
    errno = 0;
    seconds = strtol(value, &end, 10);
    return errno || seconds > INT_MAX || (*end && !strchr("-,", *end) && !strchr(separators, *end))
           ? REQTIMEOUT_NOT_SET : seconds;
}

long reqtimeout_stage_s(const char *args, const char *stage)
{
    size_t length = strlen(stage);
    long found_s = REQTIMEOUT_NOT_SET;

    for (args += strspn(args, separators); *args; args += strspn(args, separators)) {
        if (!strncasecmp(args, stage, length) && args[length] == '=') {
            long seconds = initial_s(args + length + 1);

            found_s = seconds == REQTIMEOUT_NOT_SET ? found_s : seconds;
        }
        args += strcspn(args, separators);
    }
    return found_s;
}
