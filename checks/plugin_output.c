/* The split of a plugin's output. Works on the raw bytes and cleans each piece as it is kept. */
#include "checks/plugin_output.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/base/text.h"

#include <string.h>

enum {
    PIECE_MAX = 4096,
    REPLACEMENT_SIZE = 3, /* U+FFFD in UTF-8 stands for one bad byte */
};

struct piece {
    const char *start;
    const char *end;
};

/* Behind the first '|' that has a '=' after it in the line, or NULL. */
static const char *perfdata_start(struct piece line)
{
    const char *bar = memchr(line.start, '|', (size_t)(line.end - line.start));
    if (bar == NULL || memchr(bar, '=', (size_t)(line.end - bar)) == NULL)
        return NULL;
    return bar + 1;
}

static struct piece first_line(const char *start, const char *end)
{
    const char *newline = memchr(start, '\n', (size_t)(end - start));
    return (struct piece){start, newline == NULL ? end : newline};
}

static struct piece trimmed(struct piece piece)
{
    while (piece.start < piece.end && strchr(" \t\r\n", *piece.start) != NULL)
        piece.start++;
    while (piece.end > piece.start && strchr(" \t\r\n", piece.end[-1]) != NULL)
        piece.end--;
    return piece;
}

/* Append the piece, cleaned, behind `separator` if there is something already. False: cut. */
static bool append(char *dst, size_t dst_size, const char *separator, struct piece piece)
{
    char clean[PIECE_MAX + 8];
    size_t used = strlen(dst);
    PRE(dst_size <= PIECE_MAX);
    if (piece.start == piece.end)
        return true;
    if (used > 0 && !text_copy(dst + used, dst_size - used, separator))
        return false;
    used = strlen(dst);
    /* with room for a bit more than fits, so that a cut shows in the size */
    text_sanitize(clean, dst_size + REPLACEMENT_SIZE + 1, piece.start,
                  (size_t)(piece.end - piece.start));
    return text_copy(dst + used, dst_size - used, clean);
}

/* A cut item would be a wrong number: go back to the end of the one before. */
static void drop_last_item(char *perfdata)
{
    size_t keep = 0;
    bool is_quoted = false;
    for (size_t i = 0; perfdata[i] != '\0'; i++) {
        if (perfdata[i] == '\'')
            is_quoted = !is_quoted;
        else if (perfdata[i] == ' ' && !is_quoted)
            keep = i;
    }
    perfdata[keep] = '\0';
}

static void newlines_to_spaces(char *text)
{
    for (; *text != '\0'; text++)
        if (*text == '\n' || *text == '\t')
            *text = ' ';
}

/* Where in the long text the line with the second '|' is; text ends and perfdata starts there. */
static struct piece split_long_text(const char *start, const char *end, const char **perfdata)
{
    *perfdata = end;
    for (const char *s = start; s < end;) {
        struct piece line = first_line(s, end);
        const char *found = perfdata_start(line);
        if (found != NULL) {
            *perfdata = found;
            return (struct piece){start, found - 1};
        }
        s = line.end < end ? line.end + 1 : end;
    }
    return (struct piece){start, end};
}

bool plugin_output_split(const char *bytes, size_t size, char *text, size_t text_size,
                         char *perfdata, size_t perfdata_size)
{
    const char *end = bytes + strnlen(bytes, size);
    struct piece line = first_line(bytes, end);
    const char *long_start = line.end < end ? line.end + 1 : end;
    struct piece first_perfdata = {end, end};
    const char *found = perfdata_start(line);
    if (found != NULL) {
        first_perfdata = (struct piece){found, line.end};
        line.end = found - 1;
    }
    struct piece long_text = split_long_text(long_start, end, &found);

    text[0] = '\0';
    perfdata[0] = '\0';
    bool fits = append(text, text_size, "\n", trimmed(line));
    long_text.end = trimmed(long_text).end; /* indentation is part of long text */
    if (long_text.end > long_text.start)
        fits = append(text, text_size, "\n", long_text) && fits;
    bool perfdata_fits = append(perfdata, perfdata_size, " ", trimmed(first_perfdata)) &&
                         append(perfdata, perfdata_size, " ", trimmed((struct piece){found, end}));
    newlines_to_spaces(perfdata);
    if (!perfdata_fits)
        drop_last_item(perfdata);
    return fits && perfdata_fits;
}
