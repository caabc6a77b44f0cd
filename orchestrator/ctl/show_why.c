/* ephorctl why: the rules as they were looked at for a service; what is known about a node, an
 * address, a check or a controller; what is wrong with it, who sees that, and what to do. */
#include "orchestrator/base/text.h"
#include "orchestrator/ctl/ctl.h"

#include <stdio.h>
#include <string.h>

static void print_text(const char *text)
{
    out_text(text);
    putchar('\n');
}

/* The word, who sees what, and what to do. Nothing where nothing is wrong. */
static void print_diagnosis(const json_t *thing, const char *indent)
{
    const json_t *diagnosis = json_object_get(thing, "diagnosis");
    if (!json_is_object(diagnosis))
        return;
    printf("%sDiagnosis: ", indent);
    out_text(json_text(diagnosis, "kind"));
    printf(" (%s)\n%s  ", json_text(diagnosis, "help"), indent);
    print_text(json_text(diagnosis, "evidence"));
    if (json_text(diagnosis, "next")[0] == '\0')
        return;
    printf("%s  Next: ", indent);
    print_text(json_text(diagnosis, "next"));
}

/* ---------------------------------------------------------------- a service */

static void print_rules(const json_t *rules)
{
    size_t i;
    const json_t *rule;
    json_array_foreach(rules, i, rule)
    {
        printf("%s rule %2lld  %-19s ", json_flag(rule, "decides") ? "->" : "  ",
               (long long)json_integer_value(json_object_get(rule, "rule")),
               json_text(rule, "name"));
        print_text(json_text(rule, "text"));
        if (json_flag(rule, "decides"))
            printf("               (%s)\n", json_text(rule, "help"));
    }
}

static void print_members(const struct ctl *ctl, const json_t *service)
{
    size_t i;
    const json_t *member;
    json_array_foreach(json_object_get(service, "members"), i, member)
    {
        bool is_active = json_flag(member, "active"), is_fit = json_flag(member, "fit");
        const char *note = json_text(member, !is_fit && !is_active ? "unfit_reason" : "text");
        printf("   %-12s ", json_text(member, "node"));
        out_state(ctl, json_text(member, "state"));
        printf(", priority %lld, %s%s",
               (long long)json_integer_value(json_object_get(member, "priority")),
               is_active ? "active"
               : is_fit  ? "fit to take over"
                         : "not fit",
               note[0] != '\0' ? ": " : "");
        print_text(note);
        print_diagnosis(member, "      ");
    }
}

static int why_service(const struct ctl *ctl, const char *name)
{
    char path[256], encoded[160], age[32];
    json_t *why;
    text_format(path, sizeof(path), "/api/v1/why?service=%s",
                ctl_encode(encoded, sizeof(encoded), name));
    int code = ctl_get(ctl, path, &why);
    if (code != CTL_OK)
        return code;
    if (ctl->is_json) {
        out_json(why);
        json_decref(why);
        return CTL_OK;
    }
    const json_t *service = json_array_get(json_object_get(why, "services"), 0);
    const char *active = json_text(service, "active");
    printf("%s: ", name);
    out_state(ctl, json_text(service, "state"));
    printf(" for %s, %s%s, %s\n\n", out_age(json_object_get(service, "since"), age),
           active[0] != '\0' ? "active on " : "active nowhere", active,
           json_text(service, "phase"));
    if (json_is_object(json_object_get(service, "diagnosis"))) {
        print_diagnosis(service, "");
        putchar('\n');
    }
    puts("What Ephor makes of it, rule by rule (-> settles it):");
    print_rules(json_object_get(why, "rules"));
    puts("\nMembers:");
    print_members(ctl, service);
    json_decref(why);
    return CTL_OK;
}

/* ---------------------------------------------------------------- a check, a controller */

static void print_census(const json_t *check, const char *before)
{
    const json_t *census = json_object_get(check, "census");
    if (!json_is_object(census))
        return;
    printf("%s", before);
    print_text(json_text(census, "text"));
}

static void why_check(const struct ctl *ctl, const json_t *check)
{
    size_t i;
    const json_t *opinion;
    out_text(json_text(check, "id"));
    printf(": ");
    out_state(ctl, json_text(check, "state"));
    printf(": ");
    print_text(json_text(check, "output"));
    print_diagnosis(check, "");
    puts("\nWho sees what:");
    json_array_foreach(json_object_get(check, "opinions"), i, opinion)
    {
        const char *suspect = json_text(opinion, "suspect");
        const char *state = json_text(opinion, "state");
        const char *cause = json_text(opinion, "cause");
        printf("   %-12s ", json_text(opinion, "controller"));
        if (state[0] == '\0')
            printf("nothing known yet");
        else
            out_state(ctl, state);
        if (suspect[0] != '\0')
            printf(", now %s", suspect);
        if (strcmp(cause, "none") != 0)
            printf(" (%s)", cause);
        puts(json_flag(opinion, "counts") ? "" : ", does not count");
    }
    print_census(check, "   observers: ");
}

static void why_controller(const json_t *controller)
{
    const char *trouble = json_text(controller, "trouble");
    printf("%s: controller, %s, %s", json_text(controller, "name"),
           json_flag(controller, "there") ? "there" : "not there",
           json_flag(controller, "sees") ? "its opinions count" : "its opinions do not count");
    if (trouble[0] != '\0')
        printf(": ");
    print_text(trouble);
    print_diagnosis(controller, "");
}

/* ---------------------------------------------------------------- a node, an address */

static void print_checks(const struct ctl *ctl, const json_t *status, const char *prefix)
{
    size_t i;
    const json_t *check;
    json_array_foreach(json_object_get(status, "checks"), i, check)
    {
        if (!text_starts_with(json_text(check, "id"), prefix))
            continue;
        printf("   %s ", json_text(check, "id"));
        out_state(ctl, json_text(check, "state"));
        printf(": ");
        print_text(json_text(check, "output"));
        print_census(check, "      observers: ");
    }
}

static void why_node(const struct ctl *ctl, const json_t *status, const json_t *node)
{
    const char *name = json_text(node, "name");
    const json_t *reachable = json_object_get(node, "reachable");
    char prefix[160];
    size_t i;
    const json_t *service;
    printf("%s: node is ", name);
    out_state(ctl, json_text(node, "state"));
    printf(", %s", json_is_true(reachable)    ? "can be worked on"
                   : json_is_false(reachable) ? "cannot be worked on"
                                              : "was not reached yet");
    printf(" (");
    out_text(json_text(node, "channel"));
    puts(")");
    if (json_flag(node, "maintenance")) {
        printf("In maintenance by ");
        out_text(json_text(node, "maintenance_author"));
        printf(": ");
        print_text(json_text(node, "maintenance_reason"));
    }
    print_diagnosis(node, "");
    puts("\nIts checks:");
    text_format(prefix, sizeof(prefix), "node/%s/", name);
    print_checks(ctl, status, prefix);
    puts("\nServices with a member there:");
    json_array_foreach(json_object_get(status, "services"), i, service)
    {
        const json_t *member = json_find(json_object_get(service, "members"), "node", name);
        if (member == NULL)
            continue;
        printf("   %-16s ", json_text(service, "name"));
        out_state(ctl, json_text(member, "state"));
        printf(json_flag(member, "active") ? ", active " : ", ");
        print_text(json_text(member, json_flag(member, "fit") ? "text" : "unfit_reason"));
    }
}

/* The address `name` and the service it belongs to; NULL if there is none. */
static const json_t *find_vip(const json_t *status, const char *name, const json_t **service)
{
    size_t i;
    const json_t *candidate;
    json_array_foreach(json_object_get(status, "services"), i, candidate)
    {
        const json_t *vips = json_object_get(candidate, "vips");
        const json_t *vip = json_find(vips, "name", name);
        if (vip == NULL)
            vip = json_find(vips, "address", name);
        *service = candidate;
        if (vip != NULL)
            return vip;
    }
    return NULL;
}

static int why_vip(const struct ctl *ctl, const json_t *vip, const json_t *service)
{
    char age[32];
    const char *holder = json_text(vip, "holder");
    printf("%s: %s on %s is %s for %s, %s%s\n", json_text(vip, "name"), json_text(vip, "address"),
           json_text(vip, "interface"), json_text(vip, "phase"),
           out_age(json_object_get(vip, "since"), age),
           holder[0] != '\0' ? "holder " : "no node may hold it", holder);
    printf("It follows the service %s:\n\n", json_text(service, "name"));
    return why_service(ctl, json_text(service, "name"));
}

/* What is neither service, node nor address. */
static int why_other(const struct ctl *ctl, const json_t *status, const char *name)
{
    const json_t *check = json_find(json_object_get(status, "checks"), "id", name);
    const json_t *controller = json_find(json_object_get(status, "controllers"), "name", name);
    if (check == NULL && controller == NULL) {
        out_error("there is no service, node, address, check or controller '%s'", name);
        return CTL_FAILED;
    }
    if (ctl->is_json)
        out_json(check != NULL ? check : controller);
    else if (check != NULL)
        why_check(ctl, check);
    else
        why_controller(controller);
    return CTL_OK;
}

int show_why(const struct ctl *ctl)
{
    const char *name = ctl->operands[0];
    const json_t *service = NULL;
    json_t *status;
    if (ctl->at != NULL)
        return show_why_at(ctl);
    int code = ctl_get(ctl, "/api/v1/status", &status);
    if (code != CTL_OK)
        return code;
    const json_t *node = json_find(json_object_get(status, "nodes"), "name", name);
    if (json_find(json_object_get(status, "services"), "name", name) != NULL) {
        code = why_service(ctl, name);
    } else if (node != NULL && ctl->is_json) {
        out_json(node);
    } else if (node != NULL) {
        why_node(ctl, status, node);
    } else {
        const json_t *vip = find_vip(status, name, &service);
        if (vip != NULL && ctl->is_json)
            out_json(vip);
        else if (vip != NULL)
            code = why_vip(ctl, vip, service);
        else
            code = why_other(ctl, status, name);
    }
    json_decref(status);
    return code;
}
