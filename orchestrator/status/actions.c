/* Requests that change something are taken over the local socket only, from root, the daemon's own
 * user and the operators: the kernel says who is at the other end. */
#include "orchestrator/status/actions.h"

#include "orchestrator/base/text.h"

#include <jansson.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

/* ---------------------------------------------------------------- who */

static bool may_act(const struct operators *operators, uid_t uid, gid_t gid)
{
    if (uid == 0 || uid == getuid() || (operators->gid != 0 && gid == operators->gid))
        return true;
    for (uint32_t i = 0; i < operators->uid_count; i++)
        if (operators->uids[i] == uid)
            return true;
    return false;
}

static void write_author(const struct http_request *request, uid_t uid, char author[NAME_SIZE])
{
    const char *agent = http_header(request, "User-Agent");
    const struct passwd *user = getpwuid(uid);
    char name[32];
    if (user != NULL)
        text_copy(name, sizeof(name), user->pw_name);
    else
        text_format(name, sizeof(name), "uid %u", (unsigned)uid);
    text_format(author, NAME_SIZE, "%s%s", name,
                agent != NULL && text_starts_with(agent, "ephorctl") ? " via ephorctl" : "");
}

/* ---------------------------------------------------------------- what */

struct body { /* all strings belong to json */
    json_t *json;
    const char *service, *node, *reason;
    const char *name, *address, *fingerprint, *kind; /* of a controller */
    bool on;
};

struct field {
    const char *name;
    bool is_bool, is_required;
    size_t size_max;
    const char **text;
    bool *flag;
};

enum { FIELDS_MAX = 6, ADDRESS_MAX = 128, FINGERPRINT_MAX = 65 };

static int take_field(const struct field *field, const json_t *value, struct errbuf *e)
{
    if (field->is_bool) {
        if (!json_is_boolean(value))
            return err_set(e, ERR_INVALID, "'%s' has to be true or false", field->name);
        *field->flag = json_is_true(value);
        return ERR_OK;
    }
    if (!json_is_string(value))
        return err_set(e, ERR_INVALID, "'%s' has to be a string", field->name);
    if (json_string_length(value) >= field->size_max)
        return err_set(e, ERR_INVALID, "'%s' is longer than %zu bytes", field->name,
                       field->size_max - 1);
    *field->text = json_string_value(value);
    return ERR_OK;
}

/* Every key must be one of the fields, every required field there. */
static int take_fields(const json_t *json, const struct field *fields, struct errbuf *e)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)json, key, value)
    {
        const struct field *field = fields;
        while (field->name != NULL && strcmp(field->name, key) != 0)
            field++;
        if (field->name == NULL)
            return err_set(e, ERR_INVALID, "'%.60s' is not known here", key);
        int err = take_field(field, value, e);
        if (err != ERR_OK)
            return err;
    }
    for (const struct field *field = fields; field->name != NULL; field++)
        if (field->is_required && json_object_get(json, field->name) == NULL)
            return err_set(e, ERR_INVALID, "'%s' is missing", field->name);
    return ERR_OK;
}

static bool is_of_cluster(enum handler handler)
{
    return handler == HANDLER_CLUSTER_ADD || handler == HANDLER_CLUSTER_REMOVE ||
           handler == HANDLER_CLUSTER_PROMOTE || handler == HANDLER_CLUSTER_TRANSFER;
}

static int read_body(const struct http_request *request, enum handler handler, struct body *body,
                     struct errbuf *e)
{
    const struct field reason = {"reason", false, false, TEXT_SIZE, &body->reason, NULL};
    struct field fields[FIELDS_MAX] = {reason};
    json_error_t error;
    size_t size;
    const char *bytes = http_body(request, &size);
    *body = (struct body){.service = "",
                          .node = "",
                          .reason = "",
                          .name = "",
                          .address = "",
                          .fingerprint = "",
                          .kind = "voter",
                          .on = true};
    if (handler == HANDLER_FAILOVER) {
        fields[1] = (struct field){"service", false, true, NAME_SIZE, &body->service, NULL};
        fields[2] = (struct field){"node", false, false, NAME_SIZE, &body->node, NULL};
    } else if (handler == HANDLER_MAINTENANCE) {
        fields[1] = (struct field){"node", false, true, NAME_SIZE, &body->node, NULL};
        fields[2] = (struct field){"on", true, true, 0, NULL, &body->on};
    } else if (is_of_cluster(handler)) {
        bool is_required = handler != HANDLER_CLUSTER_TRANSFER;
        fields[1] = (struct field){"name", false, is_required, NAME_SIZE, &body->name, NULL};
    }
    if (handler == HANDLER_CLUSTER_ADD) {
        fields[2] = (struct field){"address", false, true, ADDRESS_MAX, &body->address, NULL};
        fields[3] =
            (struct field){"fingerprint", false, true, FINGERPRINT_MAX, &body->fingerprint, NULL};
        fields[4] = (struct field){"kind", false, false, 16, &body->kind, NULL};
    }
    body->json =
        size == 0 ? json_object() : json_loadb(bytes, size, JSON_REJECT_DUPLICATES, &error);
    if (body->json == NULL)
        return err_set(e, ERR_INVALID, "the body is not JSON: %s (line %d)", error.text,
                       error.line);
    if (!json_is_object(body->json))
        return err_set(e, ERR_INVALID, "the body has to be a JSON object");
    return take_fields(body->json, fields, e);
}

static Ephor__Verb verb_of(enum handler handler, bool on)
{
    if (handler == HANDLER_FAILOVER)
        return EPHOR__VERB__FAILOVER;
    if (handler == HANDLER_PAUSE)
        return EPHOR__VERB__PAUSE;
    if (handler == HANDLER_RESUME)
        return EPHOR__VERB__RESUME;
    return on ? EPHOR__VERB__MAINTENANCE_ON : EPHOR__VERB__MAINTENANCE_OFF;
}

static Ephor__ClusterVerb cluster_verb_of(enum handler handler)
{
    if (handler == HANDLER_CLUSTER_ADD)
        return EPHOR__CLUSTER_VERB__CLUSTER_ADD;
    if (handler == HANDLER_CLUSTER_REMOVE)
        return EPHOR__CLUSTER_VERB__CLUSTER_REMOVE;
    return handler == HANDLER_CLUSTER_PROMOTE ? EPHOR__CLUSTER_VERB__CLUSTER_PROMOTE
                                              : EPHOR__CLUSTER_VERB__CLUSTER_TRANSFER;
}

static Ephor__MemberKind kind_of(const char *text)
{
    if (strcmp(text, "voter") == 0)
        return EPHOR__MEMBER_KIND__VOTER;
    if (strcmp(text, "learner") == 0)
        return EPHOR__MEMBER_KIND__LEARNER;
    return strcmp(text, "witness") == 0 ? EPHOR__MEMBER_KIND__WITNESS
                                        : EPHOR__MEMBER_KIND__NO_MEMBER; /* refused by the quorum */
}

static void start_cluster(struct routes *routes, struct http_request *request, enum handler handler,
                          const struct body *body, char *author)
{
    Ephor__ClusterRequest m = EPHOR__CLUSTER_REQUEST__INIT;
    uint8_t fingerprint[32];
    m.verb = cluster_verb_of(handler);
    m.name = (char *)(uintptr_t)body->name;
    m.address = (char *)(uintptr_t)body->address;
    m.wanted = kind_of(body->kind);
    m.author = author;
    if (text_parse_hex(body->fingerprint, fingerprint, sizeof(fingerprint))) {
        m.fingerprint.data = fingerprint;
        m.fingerprint.len = sizeof(fingerprint);
    }
    requests_start_cluster(routes->requests, request, handler, &m);
}

void actions_start(struct routes *routes, struct http_request *request, enum handler handler)
{
    struct errbuf e = {.text = ""};
    struct body body = {.json = NULL};
    char author[NAME_SIZE], reason[TEXT_SIZE];
    uid_t uid;
    gid_t gid;
    pid_t pid;
    if (!http_peer(request, &uid, &gid, &pid)) {
        answer_error(&routes->counts, handler, request, 403, "local_only",
                     "changes are asked for over the local socket, with ephorctl");
    } else if (!may_act(&routes->operators, uid, gid)) {
        text_format(e.text, sizeof(e.text),
                    "user id %u is not an operator; see local.operators in the configuration",
                    (unsigned)uid);
        answer_error(&routes->counts, handler, request, 403, "not_an_operator", e.text);
    } else if (read_body(request, handler, &body, &e) != ERR_OK) {
        answer_error(&routes->counts, handler, request, 400, "bad_request", e.text);
    } else if (is_of_cluster(handler)) {
        write_author(request, uid, author);
        start_cluster(routes, request, handler, &body, author);
    } else {
        Ephor__Request m = EPHOR__REQUEST__INIT;
        write_author(request, uid, author);
        text_sanitize(reason, sizeof(reason), body.reason, strlen(body.reason));
        reason[strcspn(reason, "\n")] = '\0';
        m.verb = verb_of(handler, body.on);
        m.service = (char *)(uintptr_t)body.service;
        m.node = (char *)(uintptr_t)body.node;
        m.author = author;
        m.reason = reason;
        requests_start(routes->requests, request, handler, &m);
    }
    json_decref(body.json);
}
