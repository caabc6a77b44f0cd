/* The tree of values and its arena. */
#include "orchestrator/supervisor/conf_value.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_SIZE = 64 << 10, ALIGNMENT = 16, GUESS_DISTANCE_MAX = 2 };

struct conf_block {
    struct conf_block *next;
    size_t size, used;
    _Alignas(ALIGNMENT) unsigned char data[];
};

void *conf_arena_take(struct conf_arena *arena, size_t size)
{
    size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    struct conf_block *block = arena->blocks;
    if (block == NULL || block->size - block->used < size) {
        size_t room = size > BLOCK_SIZE ? size : BLOCK_SIZE;
        block = calloc(1, sizeof(*block) + room);
        PRE(block != NULL);
        block->size = room;
        block->next = arena->blocks;
        arena->blocks = block;
    }
    void *memory = block->data + block->used;
    block->used += size;
    return memory;
}

char *conf_arena_text(struct conf_arena *arena, const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(conf_arena_take(arena, size), text, size);
}

char *conf_arena_format(struct conf_arena *arena, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    PRE(n >= 0);
    char *text = conf_arena_take(arena, (size_t)n + 1);
    va_start(ap, fmt);
    vsnprintf(text, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return text;
}

void conf_arena_close(struct conf_arena *arena)
{
    while (arena->blocks != NULL) {
        struct conf_block *next = arena->blocks->next;
        free(arena->blocks);
        arena->blocks = next;
    }
}

struct conf_value *conf_value_new(struct conf_arena *arena, enum conf_kind kind, const char *name,
                                  const struct conf_file *file, uint32_t line)
{
    struct conf_value *value = conf_arena_take(arena, sizeof(*value));
    value->kind = kind;
    value->name = name == NULL ? NULL : conf_arena_text(arena, name);
    value->file = file;
    value->line = line;
    return value;
}

void conf_value_append(struct conf_value *parent, struct conf_value *child)
{
    child->parent = parent;
    child->next = NULL;
    if (parent->last == NULL)
        parent->first = child;
    else
        parent->last->next = child;
    parent->last = child;
    child->order = parent->count++;
}

struct conf_value *conf_value_child(const struct conf_value *value, const char *name)
{
    if (value == NULL || value->kind != CONF_GROUP)
        return NULL;
    for (struct conf_value *child = value->first; child != NULL; child = child->next)
        if (strcmp(child->name, name) == 0)
            return child;
    return NULL;
}

bool conf_value_is_sequence(const struct conf_value *value)
{
    return value->kind == CONF_ARRAY || value->kind == CONF_LIST;
}

void conf_value_mark_bad(struct conf_value *value)
{
    for (; value != NULL; value = value->parent)
        value->is_bad = true;
}

const char *conf_value_path(const struct conf_value *value, char path[CONF_PATH_SIZE])
{
    if (value->parent == NULL) {
        path[0] = '\0';
        return path;
    }
    conf_value_path(value->parent, path);
    size_t used = strlen(path);
    if (value->name == NULL)
        text_format(path + used, CONF_PATH_SIZE - used, "[%u]", value->order);
    else
        text_format(path + used, CONF_PATH_SIZE - used, "%s%s", used == 0 ? "" : ".", value->name);
    return path;
}

const char *conf_text_quote(const char *text, char quote[CONF_QUOTE_SIZE])
{
    size_t size = strlen(text);
    size_t used = text_sanitize(quote, CONF_QUOTE_SIZE - 3, text, size);
    for (char *c = quote; *c != '\0'; c++)
        if (*c == '\n' || *c == '\t')
            *c = ' ';
    if (used < size && used + 7 > CONF_QUOTE_SIZE - 3)
        text_copy(quote + used, CONF_QUOTE_SIZE - used, "...");
    return quote;
}

const char *conf_value_quote(const struct conf_value *value, char quote[CONF_QUOTE_SIZE])
{
    char text[CONF_QUOTE_SIZE];
    switch (value->kind) {
    case CONF_BOOL:
        return value->number != 0 ? "true" : "false";
    case CONF_INT:
        text_format(quote, CONF_QUOTE_SIZE, "the number %lld", (long long)value->number);
        return quote;
    case CONF_FLOAT:
        text_format(quote, CONF_QUOTE_SIZE, "the number %g", value->real);
        return quote;
    case CONF_STRING:
        text_format(quote, CONF_QUOTE_SIZE, "the text '%s'", conf_text_quote(value->text, text));
        return quote;
    case CONF_ARRAY:
        return "an array [ ]";
    case CONF_LIST:
        return "a list ( )";
    case CONF_GROUP:
        return "a group { }";
    }
    NEVER("conf_value_quote");
}

void conf_guess_init(struct conf_guess *guess, const char *wanted)
{
    *guess = (struct conf_guess){.wanted = wanted, .distance = GUESS_DISTANCE_MAX + 1};
}

void conf_guess_try(struct conf_guess *guess, const char *name)
{
    size_t distance = text_distance(guess->wanted, name);
    if (distance < guess->distance && distance < strlen(name)) {
        guess->distance = distance;
        guess->best = name;
    }
}

const char *conf_guess_text(const struct conf_guess *guess, char text[CONF_QUOTE_SIZE])
{
    text[0] = '\0';
    if (guess->best != NULL)
        text_format(text, CONF_QUOTE_SIZE, "; did you mean '%s'?", guess->best);
    return text;
}
