/* Pure: words for what settings.c lists. */
#include "settings.h"

const char *settings_origin_name(setting_origin_e origin)
{
    static const char *const names[SETTING_ORIGINS] = {
        [SETTING_DEFAULT] = "default", [SETTING_FOUND] = "found", [SETTING_GIVEN] = "given",
        [SETTING_CORRECTED] = "corrected"
    };

    return names[origin];
}
