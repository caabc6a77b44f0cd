/* For people who were woken up: what is seen, and where to look first. */
#include "orchestrator/core/diagnose_text.h"

#include "orchestrator/base/text.h"
#include "orchestrator/core/board.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void diagnose_add(char line[LINE_SIZE], const char *fmt, ...)
{
    char text[LINE_SIZE];
    size_t used = strlen(line);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    text_copy(line + used, LINE_SIZE - used, text);
}

void diagnose_add_seats(const struct core *core, uint32_t seats, char line[LINE_SIZE])
{
    char name[NAME_SIZE];
    uint32_t left = survey_count(seats);
    for (uint32_t seat = 1; seat <= CONTROLLERS_MAX; seat++) {
        if ((seats & SEAT_BIT(seat)) == 0)
            continue;
        left--;
        diagnose_add(line, "%s%s", board_name(core, seat, name),
                     left > 1    ? ", "
                     : left == 1 ? " and "
                                 : "");
    }
}

static void add_group(const struct core *core, uint32_t seats, const char *what,
                      char line[LINE_SIZE])
{
    if (seats == 0)
        return;
    if (line[0] != '\0')
        diagnose_add(line, "; ");
    diagnose_add_seats(core, seats, line);
    diagnose_add(line, ": %s", what);
}

void diagnose_write_sight(const struct core *core, const struct sight *sight, char line[LINE_SIZE])
{
    line[0] = '\0';
    for (enum cause cause = CAUSE_NONE; cause < CAUSE_COUNT; cause++)
        add_group(core, sight->by_cause[cause], cause == CAUSE_NONE ? "bad" : cause_name(cause),
                  line);
    add_group(core, sight->good, "ok", line);
    add_group(core, sight->waiting, "no answer known yet", line);
    add_group(core, sight->unable, "cannot see", line);
}

void diagnose_add_census(const struct census *census, char line[LINE_SIZE])
{
    char text[LINE_SIZE];
    core_census_text(census, text);
    if (text[0] != '\0')
        diagnose_add(line, "%sobservers: %s", line[0] == '\0' ? "" : "; ", text);
}

/* ---------------------------------------------------------------- the next step */

static void next_for_wrong(const struct concern *concern, const char *where, char next[LINE_SIZE])
{
    if (concern->cause == CAUSE_REFUSED)
        diagnose_add(
            next, "nothing listens: on %s look whether it runs ('ss -ltn'), and at its log", where);
    else if (concern->cause == CAUSE_BROKEN)
        diagnose_add(next, "connections are broken off: on %s read the log of the service", where);
    else
        diagnose_add(next, "it answers, so the network is well: on %s read the log of the service",
                     where);
}

static void next_for_ill(const struct core *core, const struct concern *concern, const char *who,
                         char next[LINE_SIZE])
{
    const struct controller_state *c =
        concern->seat == 0 ? NULL : &core->controllers[concern->seat - 1];
    if (concern->cause == CAUSE_NAME)
        diagnose_add(
            next, "on %s look at /etc/resolv.conf and its name servers; try 'getent hosts'", who);
    else if (concern->cause == CAUSE_LOCAL)
        diagnose_add(next,
                     "on %s look at 'journalctl -u ephord': a program is missing, or memory, "
                     "or descriptors",
                     who);
    else if (c != NULL && c->is_not_calm)
        diagnose_add(next, "on %s look at load, stolen time and disk: 'vmstat 1'", who);
    else
        diagnose_add(next, "on %s look at 'journalctl -u ephord' and 'dmesg'", who);
}

static void next_for_parent(const struct core *core, const struct concern *concern,
                            char next[LINE_SIZE])
{
    diagnose_add(next, "look at");
    for (int i = 0; i < PARENTS_MAX && core_node(core, concern->node)->parents[i] != NONE; i++)
        diagnose_add(next, "%s %s", i > 0 ? " and" : "",
                     core_node(core, core_node(core, concern->node)->parents[i])->name);
    diagnose_add(next, " first; %s is only behind it", core_node(core, concern->node)->name);
}

void diagnose_write_next(const struct core *core, enum diagnosis_kind kind,
                         const struct concern *concern, char next[LINE_SIZE])
{
    char name[NAME_SIZE];
    const char *where = concern->node == NONE ? "its node" : core_node(core, concern->node)->name;
    const char *address =
        concern->node == NONE ? "ADDRESS" : core_node(core, concern->node)->address;
    const char *who =
        concern->seat == 0 ? "the controllers" : board_name(core, concern->seat, name);
    next[0] = '\0';
    switch (kind) {
    case DIAGNOSIS_NONE:
    case DIAGNOSIS_COUNT:
        break;
    case DIAGNOSIS_UNKNOWN:
        diagnose_add(next, "look again in a moment; 'ephorctl cluster status' tells who can see");
        break;
    case DIAGNOSIS_WRONG:
        next_for_wrong(concern, where, next);
        break;
    case DIAGNOSIS_HUNG:
        diagnose_add(
            next, "on %s look what it waits for: its log, its database, 'ps -eo stat,args'", where);
        break;
    case DIAGNOSIS_SLOW:
        diagnose_add(next, "on %s look at load and disk ('vmstat 1'), and at what the service asks",
                     where);
        break;
    case DIAGNOSIS_DEAD:
        diagnose_add(next, "look at the console and the power of %s; if it runs, at its interface",
                     where);
        break;
    case DIAGNOSIS_NETWORK:
        diagnose_add(next,
                     "on %s look at 'ip -s link' and 'nft list ruleset', then at the firewalls "
                     "in between",
                     where);
        break;
    case DIAGNOSIS_PATH:
        diagnose_add(next, "%s is well: on %s try 'ip route get %s' and 'mtr %s'", where, who,
                     address, address);
        break;
    case DIAGNOSIS_CUT_OFF:
        diagnose_add(next,
                     "on %s look at 'ip -s link', 'systemctl status ephord' and 'ephorctl status'; "
                     "whoever else sees goes on",
                     who);
        break;
    case DIAGNOSIS_ILL:
        next_for_ill(core, concern, who, next);
        break;
    case DIAGNOSIS_NAME:
        diagnose_add(next,
                     "try 'getent hosts NAME' on a controller; look at the name servers, and at "
                     "the name in the configuration");
        break;
    case DIAGNOSIS_CERTIFICATE:
        diagnose_add(next,
                     "renew the certificate on %s; 'openssl s_client -connect %s:443' shows it",
                     where, address);
        break;
    case DIAGNOSIS_PARENT:
        next_for_parent(core, concern, next);
        break;
    case DIAGNOSIS_MANY:
        diagnose_add(next,
                     "look at what they have in common (power, switch, storage, a deployment) "
                     "before anything else");
        break;
    }
}
