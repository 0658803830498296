/* The requests of a trace: read once, then only looked at. */
#ifndef LOADGEN_TRACE_H
#define LOADGEN_TRACE_H

#include <stdint.h>

/* The longest request: its line and its header. */
#define REQUEST_MAX 32768

typedef struct {
    int64_t at_us;
    const char *path;
    const char *fields;         /* lines that are separated by CR LF */
    uint16_t path_length, fields_length;
    uint32_t origin : 31;
    uint32_t is_head : 1;
} trace_request;

extern trace_request *trace;
extern long trace_count;

/* Of options.trace_file. Whatever is wrong with it ends the program. */
void trace_read(void);

#endif
