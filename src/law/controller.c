/* Names of reasons and ceilings, from their tables. Pure. */
#include "controller.h"

/* Arrays, not pointers: nothing here is written, not even by the dynamic linker. */
#define TEXT_SIZE 64

#define NAME_ROW(constant, name, words)  [constant] = name,
#define WORDS_ROW(constant, name, words) [constant] = words,

static const char reason_names[CTL_REASONS][TEXT_SIZE] = { CTL_REASON_TABLE(NAME_ROW) };
static const char reasons[CTL_REASONS][TEXT_SIZE] = { CTL_REASON_TABLE(WORDS_ROW) };
static const char ceiling_names[CTL_CEILINGS][TEXT_SIZE] = { CTL_CEILING_TABLE(NAME_ROW) };
static const char ceilings[CTL_CEILINGS][TEXT_SIZE] = { CTL_CEILING_TABLE(WORDS_ROW) };

static const char *text(const char (*texts)[TEXT_SIZE], int count, int i)
{
    return i >= 0 && i < count ? texts[i] : "unknown";
}

const char *controller_reason_text(ctl_reason_e reason)
{
    return text(reasons, CTL_REASONS, (int)reason);
}

const char *controller_reason_name(ctl_reason_e reason)
{
    return text(reason_names, CTL_REASONS, (int)reason);
}

const char *controller_ceiling_text(ctl_ceiling_e ceiling)
{
    return text(ceilings, CTL_CEILINGS, (int)ceiling);
}

const char *controller_ceiling_name(ctl_ceiling_e ceiling)
{
    return text(ceiling_names, CTL_CEILINGS, (int)ceiling);
}
