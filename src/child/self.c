/* Set once, before the child has a second thread; read by hooks and signal handlers. */
#include "self.h"

#include "child_internal.h"

#include <stddef.h>

static child_t *self;

void self_set(child_t *child)
{
    self = child;
}

child_t *self_get(void)
{
    return self;
}
