#include "orchestrator/status/observer_links.h"

#include "orchestrator/base/text.h"

const Ephor__FeedObserver *observer_links_find(const struct feed *feed, uint32_t id)
{
    const Ephor__FeedState *state = feed->is_linked ? feed->state : NULL;
    for (size_t i = 0; state != NULL && i < state->n_observers; i++)
        if (state->observers[i]->id == id)
            return state->observers[i];
    return NULL;
}

struct observer_links observer_links_counted(const struct feed *feed)
{
    const struct registry *registry = &feed->machine.registry;
    struct observer_links counts = {.added = registry->count};
    for (uint32_t i = 0; i < registry->count; i++) {
        const Ephor__FeedObserver *link = observer_links_find(feed, registry->observers[i].id);
        counts.linked += link != NULL;
        counts.blind += link != NULL && !link->sees;
        counts.strayed += link != NULL && !link->follows;
    }
    return counts;
}

const char *observer_links_in_words(const struct observer_links *counts, char text[LINE_SIZE])
{
    char blind[64] = "", strayed[64] = "";
    if (counts->blind > 0)
        text_format(blind, sizeof(blind), ", %u of them cannot see", counts->blind);
    if (counts->strayed > 0)
        text_format(strayed, sizeof(strayed), ", %u not by the policy in force", counts->strayed);
    text_format(text, LINE_SIZE, "%u observer%s, %u linked to this controller%s%s", counts->added,
                counts->added == 1 ? "" : "s", counts->linked, blind, strayed);
    return text;
}
