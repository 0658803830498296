/* Pure: where a moment is in the chart, and numbers as pictures have them. */
#include "chart_parts.h"

int chart_x(const chart_t *chart, int64_t second)
{
    int plot = chart->layout->width - chart->layout->left - chart->layout->right;
    int64_t age_s = second <= chart->begin_s ? 0 : second - chart->begin_s;

    age_s = age_s < CHART_SPAN_S ? age_s : CHART_SPAN_S;
    return 10 * chart->layout->left + (int)(10 * plot * age_s / CHART_SPAN_S);
}

/* At most 12 bytes. Returns where to go on. */
static char *write_tenths(char *at, int tenths)
{
    char digits[12];
    unsigned left = tenths < 0 ? 0U - (unsigned)tenths : (unsigned)tenths;
    unsigned fraction = left % 10;
    int count = 0;

    if (tenths < 0) {
        *at++ = '-';
    }
    do {
        left /= 10;
        digits[count++] = (char)('0' + left % 10);
    } while (left >= 10);
    while (count > 0) {
        *at++ = digits[--count];
    }
    if (fraction > 0) {
        *at++ = '.';
        *at++ = (char)('0' + fraction);
    }
    return at;
}

void chart_put_tenths(out_t *out, int tenths)
{
    char text[16];

    out_bytes(out, text, (size_t)(write_tenths(text, tenths) - text));
}

void chart_put_command(out_t *out, char command, int tenths)
{
    char text[16] = { command };

    out_bytes(out, text, (size_t)(write_tenths(text + 1, tenths) - text));
}
