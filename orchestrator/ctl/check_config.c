/* ephorctl config check: every error of a configuration file, without a daemon. */
#include "orchestrator/ctl/ctl.h"
#include "orchestrator/supervisor/conf.h"

#include <stdio.h>
#include <string.h>

static void add_lines(json_t *to, const struct buf *lines)
{
    const char *line = buf_string(lines);
    while (*line != '\0') {
        size_t size = strcspn(line, "\n");
        json_array_append_new(to, json_stringn(line, size));
        line += size + (line[size] == '\n');
    }
}

static void print_json(const char *path, bool is_ok, const struct conf_report *report)
{
    json_t *errors = json_array(), *warnings = json_array();
    add_lines(errors, &report->errors);
    add_lines(warnings, &report->warnings);
    json_t *json = json_pack("{s:s,s:b,s:o,s:o}", "path", path, "ok", is_ok, "errors", errors,
                             "warnings", warnings);
    out_json(json);
    json_decref(json);
}

void tell_config(const struct ctl *ctl, const char *path, const struct conf *conf,
                 const struct conf_report *report)
{
    bool is_ok = conf != NULL;
    if (ctl->is_json) {
        print_json(path, is_ok, report);
    } else {
        fputs(buf_string(&report->errors), stderr);
        fputs(buf_string(&report->warnings), stderr);
    }
    if (!is_ok)
        out_error("%u error%s in %s", report->error_count, report->error_count == 1 ? "" : "s",
                  path);
}

int check_config(const struct ctl *ctl)
{
    const char *path = ctl->operand_count > 1 ? ctl->operands[1] : EPHOR_SYSCONFDIR "/ephor.conf";
    struct conf_report report;
    struct conf *conf = NULL;
    conf_report_init(&report);
    conf_load(path, &conf, &report);
    tell_config(ctl, path, conf, &report);
    if (conf != NULL && !ctl->is_json)
        printf("%s: ok\n", path);
    conf_report_close(&report);
    if (conf == NULL)
        return CTL_FAILED;
    conf_free(conf);
    return CTL_OK;
}
