/* A configuration from its files to its two halves: read and merge (conf_load.c, with conf_lex.c
 * and conf_parse.c), check each value (conf_check.c) and what they mean to each other
 * (conf_rules*.c, conf_paths.c), then build (conf_build*.c). Nothing is built while there is an
 * error. The supervisor loads at start and at every reload; ephorctl config check loads too. */
#include "orchestrator/supervisor/conf.h"

#include "orchestrator/base/contract.h"
#include "orchestrator/supervisor/conf_build.h"
#include "orchestrator/supervisor/conf_check.h"
#include "orchestrator/supervisor/conf_load.h"
#include "orchestrator/supervisor/conf_rules.h"

#include <stdlib.h>

int conf_load(const char *path, struct conf **conf, struct conf_report *report)
{
    return conf_load_flags(path, 0, conf, report);
}

/* What could not be read may hold what the rest refers to, so that nothing more is said then. */
static void check_and_build(struct conf *conf, struct conf_issues *issues)
{
    if (conf->doc.is_partial)
        return;
    conf_check_required(issues, &conf->doc);
    conf_rules(issues, &conf->doc, conf->flags);
    if (issues->errors > 0)
        return;
    conf_build_local(issues, conf);
    conf_build_policy(issues, conf);
}

int conf_load_flags(const char *path, unsigned flags, struct conf **result,
                    struct conf_report *report)
{
    struct conf *conf = calloc(1, sizeof(*conf));
    *result = NULL;
    if (conf == NULL) {
        buf_text(&report->errors, "out of memory\n");
        report->error_count++;
        return ERR_NOMEM;
    }
    struct conf_issues issues = {.arena = &conf->arena};
    conf->flags = flags;
    conf_doc_init(&conf->doc, &conf->arena);
    conf_load_files(&issues, &conf->doc, path);
    check_and_build(conf, &issues);
    conf_issues_tell(&issues, report);
    if (issues.errors > 0) {
        conf_free(conf);
        return ERR_INVALID;
    }
    *result = conf;
    return ERR_OK;
}

void conf_free(struct conf *conf)
{
    if (conf == NULL)
        return;
    conf_arena_close(&conf->arena);
    free(conf);
}

const Ephor__Policy *conf_policy(const struct conf *conf)
{
    POST(conf->policy != NULL);
    return conf->policy;
}

const struct conf_local *conf_local(const struct conf *conf)
{
    return &conf->local;
}
