/* A ring of journal lines, ordered by (index, number). */
#include "orchestrator/status/lines.h"

#include "orchestrator/base/text.h"

#include <stdlib.h>
#include <string.h>

struct lines {
    uint32_t first, count;
    struct line ring[LINES_MAX];
};

struct lines *lines_new(void)
{
    return calloc(1, sizeof(struct lines));
}

void lines_free(struct lines *lines)
{
    free(lines);
}

void lines_clear(struct lines *lines)
{
    lines->first = lines->count = 0;
}

uint32_t lines_count(const struct lines *lines)
{
    return lines->count;
}

const struct line *lines_at(const struct lines *lines, uint32_t i)
{
    return &lines->ring[(lines->first + i) % LINES_MAX];
}

static bool is_after(const struct line *line, uint64_t index, uint32_t number)
{
    return line->index > index || (line->index == index && line->number > number);
}

void lines_add(struct lines *lines, const struct line *line)
{
    if (lines->count > 0) {
        const struct line *newest = lines_at(lines, lines->count - 1);
        if (!is_after(line, newest->index, newest->number))
            return;
    }
    if (lines->count == LINES_MAX)
        lines->first = (lines->first + 1) % LINES_MAX;
    else
        lines->count++;
    lines->ring[(lines->first + lines->count - 1) % LINES_MAX] = *line;
}

void lines_add_effects(struct lines *lines, uint64_t index, uint64_t term, int64_t wall_ms,
                       const struct effects *effects)
{
    for (uint32_t i = 0; i < effects->count; i++) {
        const struct journal_line *from = &effects->lines[i];
        struct line line = {.index = index,
                            .number = i,
                            .term = term,
                            .wall_ms = wall_ms,
                            .severity = from->severity};
        text_copy(line.event, sizeof(line.event), event_name(from->event));
        text_copy(line.object, sizeof(line.object), from->object);
        text_copy(line.text, sizeof(line.text), from->text);
        lines_add(lines, &line);
    }
}

void lines_add_message(struct lines *lines, const Ephor__JournalLine *m)
{
    struct line line = {
        .index = m->index, .number = m->line, .term = m->term, .wall_ms = m->wall_ms};
    line.severity = m->severity <= SEVERITY_INFO ? (enum severity)m->severity : SEVERITY_INFO;
    text_copy(line.event, sizeof(line.event), m->event);
    text_copy(line.object, sizeof(line.object), m->object);
    text_copy(line.text, sizeof(line.text), m->text);
    lines_add(lines, &line);
}

uint32_t lines_after(const struct lines *lines, uint64_t index, uint32_t number)
{
    uint32_t low = 0, high = lines->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (is_after(lines_at(lines, middle), index, number))
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

bool line_is_about(const struct line *line, const char *object)
{
    return object[0] == '\0' || text_has_word(line->object, object) ||
           text_has_word(line->text, object);
}
