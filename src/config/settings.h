/* The directives as they are in force, for people: each with where its value comes from. Pure but
 * for settings_list(), which the parent and whoever it forks may call once the configuration is
 * read.
 */
#ifndef ADP_SETTINGS_H
#define ADP_SETTINGS_H

typedef enum {
    SETTING_DEFAULT,            /* nobody gave it: the module's default */
    SETTING_FOUND,              /* nobody gave it: from what the machine allows */
    SETTING_GIVEN,
    SETTING_CORRECTED,          /* given, and could not be so */
    SETTING_ORIGINS
} setting_origin_e;

typedef struct setting_t {
    const char *directive;
    setting_origin_e origin;
    char value[40];             /* as it is written in a configuration file */
    char given[40];             /* what was given instead, "" unless SETTING_CORRECTED */
} setting_t;

#define SETTINGS_MOST       24
#define SETTINGS_MOST_NOTES 16

typedef struct settings_t {
    int count;
    setting_t row[SETTINGS_MOST];
    int note_count;
    const char *notes[SETTINGS_MOST_NOTES];     /* what was corrected and why (ADP0002, 10, 15) */
} settings_t;

/* The notes belong to the configuration, and are gone with it. */
settings_t settings_list(void);

/* "default", "found", "given", "corrected". */
const char *settings_origin_name(setting_origin_e origin);

#endif
