/* Two sorted lists of objects, side by side; of those in both, two lists of settings. What may hold
 * macros is compared for each target, and told once for each check of the file. */
#include "orchestrator/proto/policy_diff.h"

#include "orchestrator/base/err.h"
#include "orchestrator/base/text.h"
#include "orchestrator/proto/policy_settings.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct word_change { /* of the checks of one name */
    uint32_t count;
    const Ephor__Check *old, *fresh; /* the first of them */
};

struct diff {
    struct policy_objects old, fresh;
    struct policy_settings a, b;
    struct word_change *words; /* by place among the sorted checks of fresh */
    policy_change_fn *tell;
    void *data;
    bool is_told;
};

static void tell(struct diff *diff, const struct policy_change *change)
{
    diff->is_told = true;
    diff->tell(diff->data, change);
}

static const char *object_name(char text[NAME_SIZE + 32], enum policy_noun noun, const char *name)
{
    static const char *const plurals[POLICY_NOUNS] = {"nodes", "checks", "vips", "services"};
    text_format(text, NAME_SIZE + 32, "%s.%s", plurals[noun], name);
    return text;
}

/* ---------------------------------------------------------------- settings */

/* Those of a, then those that only b has. */
static void compare_rows(struct diff *diff, struct policy_change *change)
{
    for (size_t i = 0; i < diff->a.count; i++) {
        change->setting = diff->a.rows[i].name;
        change->old_value = policy_settings_find(&diff->a, change->setting);
        change->new_value = policy_settings_find(&diff->b, change->setting);
        if (change->new_value == NULL || strcmp(change->old_value, change->new_value) != 0)
            tell(diff, change);
    }
    for (size_t i = 0; i < diff->b.count; i++) {
        change->setting = diff->b.rows[i].name;
        change->old_value = NULL;
        change->new_value = policy_settings_find(&diff->b, change->setting);
        if (policy_settings_find(&diff->a, change->setting) == NULL)
            tell(diff, change);
    }
}

static void compare(struct diff *diff, enum policy_noun noun, const struct policy_object *old,
                    const struct policy_object *fresh)
{
    char name[NAME_SIZE + 32];
    struct policy_change change = {.kind = POLICY_CHANGED,
                                   .object = object_name(name, noun, fresh->name)};
    policy_settings_take(&diff->a, &diff->old, noun, old->number);
    policy_settings_take(&diff->b, &diff->fresh, noun, fresh->number);
    compare_rows(diff, &change);
    const struct word_change *words =
        noun == POLICY_CHECK ? &diff->words[fresh - diff->fresh.sorted[noun]] : NULL;
    if (words == NULL || words->count == 0)
        return;
    policy_settings_take_words(&diff->a, words->old);
    policy_settings_take_words(&diff->b, words->fresh);
    change.example = words->fresh->id;
    change.count = words->count;
    compare_rows(diff, &change);
}

/* ---------------------------------------------------------------- objects */

static void tell_object(struct diff *diff, enum policy_noun noun, enum policy_change_kind kind,
                        const char *name)
{
    char text[NAME_SIZE + 32];
    struct policy_change change = {.kind = kind, .object = object_name(text, noun, name)};
    tell(diff, &change);
}

static void compare_noun(struct diff *diff, enum policy_noun noun)
{
    const struct policy_object *old = diff->old.sorted[noun], *fresh = diff->fresh.sorted[noun];
    const struct policy_object *old_end = old + diff->old.counts[noun];
    const struct policy_object *fresh_end = fresh + diff->fresh.counts[noun];
    while (old < old_end || fresh < fresh_end) {
        int order = old == old_end ? 1 : fresh == fresh_end ? -1 : strcmp(old->name, fresh->name);
        if (order < 0)
            tell_object(diff, noun, POLICY_REMOVED, old++->name);
        else if (order > 0)
            tell_object(diff, noun, POLICY_ADDED, fresh++->name);
        else
            compare(diff, noun, old++, fresh++);
    }
}

static int by_name(const void *key, const void *object)
{
    return strcmp(key, ((const struct policy_object *)object)->name);
}

static void count_words(struct diff *diff, const Ephor__Check *old, const Ephor__Check *fresh)
{
    const struct policy_object *sorted = diff->fresh.sorted[POLICY_CHECK];
    const struct policy_object *object =
        bsearch(fresh->name, sorted, diff->fresh.counts[POLICY_CHECK], sizeof(*object), by_name);
    if (policy_words_are_alike(old, fresh))
        return;
    struct word_change *words = &diff->words[object - sorted];
    if (words->count++ == 0) {
        words->old = old;
        words->fresh = fresh;
    }
}

/* The checks that are in both, by identity. */
static void compare_words(struct diff *diff)
{
    const Ephor__Policy *p = diff->old.policy, *q = diff->fresh.policy;
    for (size_t i = 0, k = 0; i < p->n_checks && k < q->n_checks;) {
        const Ephor__Check *old = p->checks[diff->old.by_id[i]];
        const Ephor__Check *fresh = q->checks[diff->fresh.by_id[k]];
        int order = strcmp(old->id, fresh->id);
        if (order == 0)
            count_words(diff, old, fresh);
        i += order <= 0;
        k += order >= 0;
    }
}

/* ---------------------------------------------------------------- the whole */

static bool are_same_bytes(const Ephor__Policy *a, const Ephor__Policy *b)
{
    size_t size = ephor__policy__get_packed_size(a);
    if (size != ephor__policy__get_packed_size(b))
        return false;
    uint8_t *packed = malloc(2 * size + 1);
    if (packed == NULL)
        return false; /* then the difference is looked for */
    ephor__policy__pack(a, packed);
    ephor__policy__pack(b, packed + size);
    bool is_same = memcmp(packed, packed + size, size) == 0;
    free(packed);
    return is_same;
}

static void compare_all(struct diff *diff)
{
    const Ephor__Policy *old = diff->old.policy, *fresh = diff->fresh.policy;
    struct policy_change change = {.kind = POLICY_CHANGED, .object = "", .setting = "name"};
    change.old_value = old->name[0] == '\0' ? NULL : old->name;
    change.new_value = fresh->name;
    if (strcmp(old->name, fresh->name) != 0)
        tell(diff, &change);
    compare_words(diff);
    for (int noun = 0; noun < POLICY_NOUNS; noun++)
        compare_noun(diff, (enum policy_noun)noun);
    change.setting = "order";
    change.old_value = "the same objects";
    change.new_value = "in another order";
    if (!diff->is_told)
        tell(diff, &change);
}

int policy_diff(const Ephor__Policy *old, const Ephor__Policy *fresh, policy_change_fn *fn,
                void *data)
{
    static const Ephor__Policy none = EPHOR__POLICY__INIT;
    struct diff diff = {.tell = fn, .data = data};
    if (old == NULL)
        old = &none;
    if (are_same_bytes(old, fresh))
        return ERR_OK;
    policy_settings_init(&diff.a);
    policy_settings_init(&diff.b);
    int err = policy_objects_init(&diff.old, old);
    if (err == ERR_OK)
        err = policy_objects_init(&diff.fresh, fresh);
    diff.words = calloc(fresh->n_checks + 1, sizeof(diff.words[0]));
    if (diff.words == NULL)
        err = ERR_NOMEM;
    if (err == ERR_OK)
        compare_all(&diff);
    free(diff.words);
    policy_objects_close(&diff.old);
    policy_objects_close(&diff.fresh);
    policy_settings_close(&diff.a);
    policy_settings_close(&diff.b);
    return err;
}

/* ---------------------------------------------------------------- in one line */

struct line {
    char *text;
    size_t used;
    uint32_t more;
};

enum { LINE_ROOM = 24 /* for ", and 4294967295 more" */ };

static void add_to_line(void *data, const struct policy_change *change)
{
    static const char *const signs[] = {"+", "-", ""};
    struct line *line = data;
    char words[LINE_SIZE];
    bool is_of_all = change->object[0] == '\0';
    text_format(words, sizeof(words), "%s%s%s%s%s", line->used == 0 ? "" : ", ",
                signs[change->kind], change->object,
                change->setting == NULL || is_of_all ? "" : ".",
                change->setting == NULL ? "" : change->setting);
    size_t size = strlen(words);
    if (line->more > 0 || line->used + size + LINE_ROOM >= LINE_SIZE) {
        line->more++;
        return;
    }
    memcpy(line->text + line->used, words, size + 1);
    line->used += size;
}

void policy_diff_line(const Ephor__Policy *old, const Ephor__Policy *fresh, char text[LINE_SIZE])
{
    struct line line = {.text = text};
    text[0] = '\0';
    if (old == NULL) {
        text_copy(text, LINE_SIZE, "the first policy");
        return;
    }
    if (policy_diff(old, fresh, add_to_line, &line) != ERR_OK)
        text_copy(text, LINE_SIZE, "out of memory");
    else if (line.more > 0)
        text_format(text + line.used, LINE_SIZE - line.used, "%sand %u more",
                    line.used == 0 ? "" : ", ", line.more);
    else if (line.used == 0)
        text_copy(text, LINE_SIZE, "nothing");
}
