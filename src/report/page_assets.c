/* Pure: what the page loads. The files are built into the module (.incbin), so that nothing has
 * to be installed beside it. */
#include "render.h"

#include <string.h>

/* The assembler knows how long it is; in C the end of one object has no distance from another. */
#define ASSET(name, file) \
    __asm__(".pushsection .rodata\n" \
            ".balign 4\n" \
            ".globl asset_" #name "_size\n.hidden asset_" #name "_size\n" \
            "asset_" #name "_size:\n.long 1f - 0f\n" \
            ".globl asset_" #name "\n.hidden asset_" #name "\nasset_" #name ":\n" \
            "0: .incbin \"" file "\"\n1:\n" \
            ".popsection\n"); \
    extern const char asset_##name[]; \
    extern const unsigned asset_##name##_size

ASSET(style, "src/report/page.css");
ASSET(script, "src/report/page.js");

void page_put_style(out_t *out)
{
    out_bytes(out, asset_style, asset_style_size);
}

void page_put_script(out_t *out)
{
    out_bytes(out, asset_script, asset_script_size);
}

/* In the tab: a shape for each level, so that the colour is not all there is. */
void page_put_icon(out_t *out, const char *level)
{
    bool is_red = level && !strcmp(level, "red"), is_amber = level && !strcmp(level, "amber");

    out_format(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 16 16\">"
               "<path fill=\"%s\" d=\"%s\"/><path fill=\"none\" stroke=\"#fff\" stroke-width=\"2\" "
               "d=\"%s\"/></svg>\n",
               is_red ? "#c5221f" : is_amber ? "#b06000" : "#137333",
               is_red ? "M5 0h6l5 5v6l-5 5H5l-5-5V5z" : is_amber ? "M8 0l8 15H0z"
                      : "M8 0a8 8 0 1 0 .01 0z",
               is_red ? "M5 5l6 6M11 5l-6 6" : is_amber ? "M8 5v5M8 11.500v2" : "M4 8.500l3 3 5-6");
}
