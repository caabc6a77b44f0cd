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
    const char *digest, *replaces;                   /* of policies */
    int64_t number, for_ms;
    bool on, trial;
};

struct field { /* with one of the three to be filled in */
    const char *name;
    bool is_required;
    size_t size_max; /* of text */
    const char **text;
    bool *flag;
    int64_t *number; /* from 1 */
};

enum { FIELDS_MAX = 6, ADDRESS_MAX = 128, FINGERPRINT_MAX = 65 };

static int take_field(const struct field *field, const json_t *value, struct errbuf *e)
{
    if (field->flag != NULL) {
        if (!json_is_boolean(value))
            return err_set(e, ERR_INVALID, "'%s' has to be true or false", field->name);
        *field->flag = json_is_true(value);
        return ERR_OK;
    }
    if (field->number != NULL) {
        if (!json_is_integer(value) || json_integer_value(value) < 1)
            return err_set(e, ERR_INVALID, "'%s' has to be a number from 1", field->name);
        *field->number = json_integer_value(value);
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

static bool is_of_policy(enum handler handler)
{
    return handler == HANDLER_CONFIG_APPLY || handler == HANDLER_CONFIG_ROLLBACK;
}

#define TEXT_FIELD(n, required, size, to)                                \
    (struct field)                                                       \
    {                                                                    \
        .name = n, .is_required = required, .size_max = size, .text = to \
    }
#define FLAG_FIELD(n, required, to)                    \
    (struct field)                                     \
    {                                                  \
        .name = n, .is_required = required, .flag = to \
    }

static void choose_fields(enum handler handler, struct body *body, struct field fields[FIELDS_MAX])
{
    fields[0] = TEXT_FIELD("reason", false, TEXT_SIZE, &body->reason);
    if (handler == HANDLER_FAILOVER) {
        fields[1] = TEXT_FIELD("service", true, NAME_SIZE, &body->service);
        fields[2] = TEXT_FIELD("node", false, NAME_SIZE, &body->node);
    } else if (handler == HANDLER_MAINTENANCE) {
        fields[1] = TEXT_FIELD("node", true, NAME_SIZE, &body->node);
        fields[2] = FLAG_FIELD("on", true, &body->on);
        fields[3] = (struct field){.name = "for_ms", .number = &body->for_ms};
    } else if (handler == HANDLER_PAUSE) {
        fields[1] = (struct field){.name = "for_ms", .number = &body->for_ms};
    } else if (is_of_cluster(handler)) {
        bool is_required = handler != HANDLER_CLUSTER_TRANSFER;
        fields[1] = TEXT_FIELD("name", is_required, NAME_SIZE, &body->name);
    } else if (is_of_policy(handler)) {
        fields[0] = TEXT_FIELD("replaces", true, DIGEST_SIZE, &body->replaces);
        fields[1] = FLAG_FIELD("trial", false, &body->trial);
        fields[2] = TEXT_FIELD("digest", true, DIGEST_SIZE, &body->digest);
    }
    if (handler == HANDLER_CONFIG_ROLLBACK)
        fields[2] = (struct field){.name = "number", .number = &body->number};
    if (handler == HANDLER_CLUSTER_ADD) {
        fields[2] = TEXT_FIELD("address", false, ADDRESS_MAX, &body->address);
        fields[3] = TEXT_FIELD("fingerprint", true, FINGERPRINT_MAX, &body->fingerprint);
        fields[4] = TEXT_FIELD("kind", false, 16, &body->kind);
    }
}

/* They are no members: they have no address, and no kind that the log knows. */
static bool is_observer(const struct body *body)
{
    return strcmp(body->kind, "observer") == 0;
}

static int read_body(const struct http_request *request, enum handler handler, struct body *body,
                     struct errbuf *e)
{
    struct field fields[FIELDS_MAX] = {{.name = NULL}};
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
                          .digest = "",
                          .replaces = "",
                          .on = true};
    choose_fields(handler, body, fields);
    body->json =
        size == 0 ? json_object() : json_loadb(bytes, size, JSON_REJECT_DUPLICATES, &error);
    if (body->json == NULL)
        return err_set(e, ERR_INVALID, "the body is not JSON: %s (line %d)", error.text,
                       error.line);
    if (!json_is_object(body->json))
        return err_set(e, ERR_INVALID, "the body has to be a JSON object");
    int err = take_fields(body->json, fields, e);
    bool needs_address = handler == HANDLER_CLUSTER_ADD && !is_observer(body);
    if (err == ERR_OK && needs_address && json_object_get(body->json, "address") == NULL)
        return err_set(e, ERR_INVALID, "'address' is missing");
    return err;
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
    m.observer = handler == HANDLER_CLUSTER_ADD && is_observer(body);
    m.author = author;
    if (text_parse_hex(body->fingerprint, fingerprint, sizeof(fingerprint))) {
        m.fingerprint.data = fingerprint;
        m.fingerprint.len = sizeof(fingerprint);
    }
    requests_start_cluster(routes->requests, request, handler, &m);
}

static void start_policy(struct routes *routes, struct http_request *request, enum handler handler,
                         const struct body *body, char *author)
{
    Ephor__PolicyApply apply = EPHOR__POLICY_APPLY__INIT;
    Ephor__PolicyRollback rollback = EPHOR__POLICY_ROLLBACK__INIT;
    if (handler == HANDLER_CONFIG_APPLY) {
        apply.digest = (char *)(uintptr_t)body->digest;
        apply.replaces = (char *)(uintptr_t)body->replaces;
        apply.author = author;
        apply.trial = body->trial;
        requests_start_apply(routes->requests, request, handler, &apply);
    } else {
        rollback.number = (uint64_t)body->number;
        rollback.replaces = (char *)(uintptr_t)body->replaces;
        rollback.author = author;
        rollback.trial = body->trial;
        requests_start_rollback(routes->requests, request, handler, &rollback);
    }
}

static void start_request(struct routes *routes, struct http_request *request, enum handler handler,
                          const struct body *body, char *author)
{
    Ephor__Request m = EPHOR__REQUEST__INIT;
    char reason[TEXT_SIZE];
    text_sanitize(reason, sizeof(reason), body->reason, strlen(body->reason));
    reason[strcspn(reason, "\n")] = '\0';
    m.verb = verb_of(handler, body->on);
    m.service = (char *)(uintptr_t)body->service;
    m.node = (char *)(uintptr_t)body->node;
    m.author = author;
    m.reason = reason;
    m.for_ms = body->for_ms;
    requests_start(routes->requests, request, handler, &m);
}

bool actions_are_open_to(struct routes *routes, struct http_request *request, enum handler handler)
{
    char text[ERR_TEXT_SIZE];
    uid_t uid;
    gid_t gid;
    pid_t pid;
    if (!http_peer(request, &uid, &gid, &pid)) {
        answer_error(&routes->counts, handler, request, 403, "local_only",
                     "this is asked for over the local socket, with ephorctl");
        return false;
    }
    if (may_act(&routes->operators, uid, gid))
        return true;
    text_format(text, sizeof(text),
                "user id %u is not an operator; see local.operators in the configuration",
                (unsigned)uid);
    answer_error(&routes->counts, handler, request, 403, "not_an_operator", text);
    return false;
}

void actions_start(struct routes *routes, struct http_request *request, enum handler handler)
{
    struct errbuf e = {.text = ""};
    struct body body = {.json = NULL};
    char author[NAME_SIZE];
    uid_t uid;
    gid_t gid;
    pid_t pid;
    if (!actions_are_open_to(routes, request, handler))
        return;
    if (read_body(request, handler, &body, &e) != ERR_OK) {
        answer_error(&routes->counts, handler, request, 400, "bad_request", e.text);
    } else if (http_peer(request, &uid, &gid, &pid)) {
        write_author(request, uid, author);
        if (is_of_cluster(handler))
            start_cluster(routes, request, handler, &body, author);
        else if (is_of_policy(handler))
            start_policy(routes, request, handler, &body, author);
        else
            start_request(routes, request, handler, &body, author);
    }
    json_decref(body.json);
}
