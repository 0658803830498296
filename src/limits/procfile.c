/* Small reads of /proc and /sys, without stdio. Any process. */
#include "procfile.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool procfile_read(const char *root, const char *path, char *text, size_t size)
{
    char name[PATH_MAX];
    size_t length = 0;
    ssize_t got = 0;
    int fd;

    text[0] = '\0';
    if (snprintf(name, sizeof(name), "%s%s", root, path) >= (int)sizeof(name)
        || (fd = open(name, O_RDONLY | O_CLOEXEC)) < 0) {
        return false;
    }
    while (length < size - 1
           && ((got = read(fd, text + length, size - 1 - length)) > 0
               || (got < 0 && errno == EINTR))) {
        length += got > 0 ? (size_t)got : 0;
    }
    close(fd);
    text[length] = '\0';
    return length > 0;
}

int64_t procfile_number(const char *text)
{
    char *end;
    long long value;

    while (*text == ' ' || *text == '\t') {
        text++;
    }
    if (!isdigit((unsigned char)*text)) {
        return PROCFILE_NONE;
    }
    errno = 0;
    value = strtoll(text, &end, 10);
    return errno || (*end && !isspace((unsigned char)*end)) ? PROCFILE_NONE : value;
}

int64_t procfile_read_number(const char *root, const char *path)
{
    char text[64];

    return procfile_read(root, path, text, sizeof(text)) ? procfile_number(text)
                                                         : PROCFILE_NONE;
}

const char *procfile_line(const char *text, const char *key)
{
    size_t length = strlen(key);
    const char *line = text;

    while (line && *line) {
        if (!strncmp(line, key, length)
            && (line[length] == ' ' || line[length] == '\t' || line[length] == ':')) {
            return line + length + (line[length] == ':');
        }
        line = strchr(line, '\n');
        line = line ? line + 1 : NULL;
    }
    return NULL;
}

int64_t procfile_field(const char *text, const char *key)
{
    const char *value = procfile_line(text, key);

    return value ? procfile_number(value) : PROCFILE_NONE;
}
