/* A fuzz target as a program of its own, which goes without clang: each file of its corpus is an
 * input. With libFuzzer, which brings its own main(), this is nothing. */
#ifndef REPLAY_H
#define REPLAY_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#ifndef ADP_LIBFUZZER

#include "t/unit/tap.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#define MOST_INPUT_BYTES (1 << 20)

/* In a block of exactly its size, so that a sanitizer sees who reads beyond. */
static void replay_file(const char *path, const char *name)
{
    char *buffer = malloc(MOST_INPUT_BYTES);
    FILE *file = fopen(path, "rb");
    size_t size = file ? fread(buffer, 1, MOST_INPUT_BYTES, file) : 0;
    uint8_t *data = malloc(size ? size : 1);

    memcpy(data, buffer, size);
    ok(file && LLVMFuzzerTestOneInput(data, size) == 0, name);
    if (file) {
        fclose(file);
    }
    free(data);
    free(buffer);
}

/* A target stops the program when something is wrong; what it was looking at is the last line. */
static int replay(const char *directory)
{
    struct dirent **entries;
    int i, count = scandir(directory, &entries, NULL, alphasort);

    tap_begin(60);
    for (i = 0; i < count; i++) {
        char path[4096];

        if (entries[i]->d_name[0] != '.') {
            snprintf(path, sizeof(path), "%s/%s", directory, entries[i]->d_name);
            diag("%s", path);
            replay_file(path, entries[i]->d_name);
        }
        free(entries[i]);
    }
    ok(tap_run > 0, "there is a corpus");
    return tap_done();
}

int main(int argc, char **argv)
{
    return replay(argc > 1 ? argv[1] : CORPUS);
}

#endif
#endif
