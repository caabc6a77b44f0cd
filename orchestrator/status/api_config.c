/* The policies as JSON: which one is in force, and which were. Names of settings, no values: those
 * are in the policy's bytes, which not everybody may have. */
#include "orchestrator/status/api.h"

static void write_policy(struct jsonw *w, const struct machine *machine,
                         const struct past_policy *policy)
{
    char iso[40];
    bool is_in_force = policy->index == machine->policy_index;
    jsonw_object(w, NULL);
    jsonw_int(w, "number", (int64_t)policy->index);
    jsonw_text(w, "at", policy->wall_ms > 0 ? view_iso_time(policy->wall_ms, iso) : NULL);
    jsonw_text(w, "author", policy->author);
    jsonw_text(w, "changes", policy->changes);
    jsonw_text(w, "digest", policy->digest);
    jsonw_bool(w, "in_force", is_in_force);
    jsonw_bool(w, "kept", is_in_force || policy->bytes != NULL);
    jsonw_object_end(w);
}

void api_config(const struct view *view, struct buf *out)
{
    const struct feed *feed = view->feed;
    const struct machine *machine = &feed->machine;
    struct jsonw w;
    jsonw_init(&w, out);
    jsonw_object(&w, NULL);
    jsonw_text(&w, "controller", feed->controller_name);
    jsonw_text(&w, "path", feed->config_path);
    jsonw_bool(&w, "file_differs", feed->state != NULL && feed->state->file_differs);
    if (machine->core == NULL)
        jsonw_null(&w, "number");
    else
        jsonw_int(&w, "number", (int64_t)machine->policy_index);
    jsonw_text(&w, "digest", machine->policy_digest);
    jsonw_array(&w, "history");
    for (uint32_t i = 0; i < machine->history.count; i++)
        write_policy(&w, machine, &machine->history.policies[i]);
    jsonw_array_end(&w);
    jsonw_object_end(&w);
    buf_text(out, "\n");
}
