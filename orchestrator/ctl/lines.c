/* Lines of the journal: what those have in common who look into the past. */
#include "orchestrator/base/text.h"
#include "orchestrator/ctl/ctl.h"

#include <string.h>

enum { LINES_ASKED = 2000 };

int ctl_get_past(const struct ctl *ctl, json_t **status, json_t **journal)
{
    char path[64];
    text_format(path, sizeof(path), "/api/v1/journal?count=%d", LINES_ASKED);
    *journal = NULL;
    int code = ctl_get(ctl, "/api/v1/status", status);
    return code == CTL_OK ? ctl_get(ctl, path, journal) : code;
}

bool line_is_of(const json_t *line, const char *event)
{
    return strcmp(json_text(line, "event"), event) == 0;
}

bool line_is_about(const json_t *line, const json_t *status, const char *name)
{
    const json_t *service = json_find(json_object_get(status, "services"), "name", name);
    const char *object = json_text(line, "object");
    return text_has_word(object, name) ||
           json_find(json_object_get(service, "vips"), "name", object) != NULL;
}
