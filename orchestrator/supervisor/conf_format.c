/* The forms that a text setting can have. Strict: these texts end up in commands, in lines to
 * nodes and in names of files. */
#include "orchestrator/supervisor/conf_format.h"

#include "orchestrator/base/text.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { HOST_SIZE = 254 };

/* Only letters, digits and these; not empty. */
static bool has_only(const char *text, const char *also)
{
    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++)
        if (!isalnum((unsigned char)*text) && strchr(also, *text) == NULL)
            return false;
    return true;
}

/* The canonical form of an IP literal. */
static bool parse_ip(const char *text, char ip[ADDRESS_SIZE])
{
    unsigned char bytes[sizeof(struct in6_addr)];
    int family = strchr(text, ':') == NULL ? AF_INET : AF_INET6;
    return inet_pton(family, text, bytes) == 1 &&
           inet_ntop(family, bytes, ip, ADDRESS_SIZE) != NULL;
}

bool conf_format_is_ip(const char *text)
{
    char ip[ADDRESS_SIZE];
    return parse_ip(text, ip);
}

/* A link-local IPv6 address may name its interface: fe80::1%eth0. */
static bool is_ip_with_zone(const char *text)
{
    char ip[HOST_SIZE];
    const char *zone = strchr(text, '%');
    if (zone == NULL)
        return conf_format_is_ip(text);
    text_format(ip, sizeof(ip), "%.*s", (int)(zone - text), text);
    return strchr(ip, ':') != NULL && conf_format_is_ip(ip) && has_only(zone + 1, "-_.");
}

static bool is_host(const char *text)
{
    if (strlen(text) >= HOST_SIZE)
        return false;
    if (strchr(text, ':') != NULL)
        return is_ip_with_zone(text);
    if (has_only(text, ".") && text[strspn(text, "0123456789.")] == '\0')
        return conf_format_is_ip(text);
    return has_only(text, "-_.") && isalnum((unsigned char)text[0]) && strstr(text, "..") == NULL;
}

/* "host:port" and "[v6]:port" in two. */
static bool split_port(const char *text, char host[HOST_SIZE], uint16_t *port)
{
    const char *colon = strrchr(text, ':');
    int64_t number;
    if (colon == NULL || !text_parse_int(colon + 1, 1, 65535, &number))
        return false;
    size_t size = (size_t)(colon - text);
    bool is_bracketed = size > 2 && text[0] == '[' && text[size - 1] == ']';
    if (is_bracketed) {
        text++;
        size -= 2;
    }
    if (size == 0 || size >= HOST_SIZE)
        return false;
    memcpy(host, text, size);
    host[size] = '\0';
    *port = (uint16_t)number;
    return (strchr(host, ':') != NULL) == is_bracketed;
}

bool conf_format_listen(const char *text, struct conf_listen *listen)
{
    char host[HOST_SIZE];
    char ip[ADDRESS_SIZE];
    if (!split_port(text, host, &listen->port) || !parse_ip(host, ip))
        return false;
    text_copy(listen->address, sizeof(listen->address), ip);
    return true;
}

bool conf_format_address(const char *text, char address[ADDRESS_SIZE])
{
    char ip[ADDRESS_SIZE];
    const char *slash = strchr(text, '/');
    size_t size = slash == NULL ? strlen(text) : (size_t)(slash - text);
    if (size >= sizeof(ip))
        return false;
    memcpy(ip, text, size);
    ip[size] = '\0';
    return parse_ip(ip, address);
}

bool conf_format_status(const char *text, uint32_t *min, uint32_t *max)
{
    char first[8];
    int64_t from, to;
    size_t size = strcspn(text, "-");
    text_format(first, sizeof(first), "%.*s", (int)(size < 7 ? size : 7), text);
    const char *last = text[size] == '-' ? text + size + 1 : first;
    if (!text_parse_int(first, 100, 599, &from) || !text_parse_int(last, 100, 599, &to) ||
        from > to)
        return false;
    *min = (uint32_t)from;
    *max = (uint32_t)to;
    return true;
}

static const char *address_flaw(const char *text)
{
    char ip[ADDRESS_SIZE];
    const char *slash = strchr(text, '/');
    if (!conf_format_address(text, ip))
        return "is not an IP address; a VIP is not looked up by name";
    bool is_v6 = strchr(ip, ':') != NULL;
    if (slash != NULL && strcmp(slash, is_v6 ? "/128" : "/32") != 0)
        return "has a prefix length; a VIP is one address, held as /32 or /128: leave it out";
    unsigned char bytes[sizeof(struct in6_addr)];
    inet_pton(is_v6 ? AF_INET6 : AF_INET, ip, bytes);
    bool is_multicast = is_v6 ? bytes[0] == 0xff : bytes[0] >= 224;
    if (is_multicast || strcmp(ip, "::") == 0 || strcmp(ip, "0.0.0.0") == 0)
        return "cannot be held by one node: it is no unicast address";
    return NULL;
}

static const char *user_flaw(const char *text)
{
    if (*text == '\0' || (has_only(text, "-_.$") && *text != '-'))
        return NULL;
    return "is not the name or number of a user or group";
}

static const char *endpoint_flaw(const char *text)
{
    char host[HOST_SIZE];
    uint16_t port;
    if (split_port(text, host, &port) && is_host(host))
        return NULL;
    return "is not a \"host:port\" such as \"10.0.0.1:7400\" or \"[fd00::1]:7400\"";
}

static const char *listen_flaw(const char *text)
{
    struct conf_listen listen;
    if (conf_format_listen(text, &listen))
        return NULL;
    return "is not an \"IP address:port\" such as \"127.0.0.1:7480\" or \"[::1]:7480\"";
}

static const char *host_flaw(const char *text)
{
    if (is_host(text))
        return NULL;
    if (*text == '[')
        return "is not a host name or IP address; write it without brackets";
    return "is not a host name or IP address";
}

bool conf_format_controllers(const char *text, uint32_t *count)
{
    *count = (uint32_t)(text[0] - '0');
    return text[0] >= '1' && text[0] <= '0' + CONTROLLERS_MAX && text[1] == '\0';
}

static bool is_count(const char *text, uint32_t max, uint32_t *count)
{
    int64_t number;
    *count = 0;
    if (text[0] == '0' || !text_parse_int(text, 1, max, &number))
        return false;
    *count = (uint32_t)number;
    return true;
}

bool conf_format_observers(const char *text, uint32_t *count)
{
    *count = strcmp(text, "all") == 0 ? OBSERVERS_MAX : 0;
    return *count > 0 || strcmp(text, "none") == 0 || is_count(text, OBSERVERS_MAX, count);
}

bool conf_format_lookers(const char *text, uint32_t *count)
{
    return is_count(text, CONTROLLERS_MAX + OBSERVERS_MAX, count);
}

static const char *canary_flaw(const char *text)
{
    if (strcmp(text, "gateway") == 0 || conf_format_is_ip(text) || endpoint_flaw(text) == NULL)
        return NULL;
    return "is neither \"gateway\" nor an IP address nor a \"host:port\"";
}

static const char *agree_flaw(const char *text)
{
    uint32_t count;
    if (strcmp(text, "majority") == 0 || strcmp(text, "all") == 0 || strcmp(text, "any") == 0 ||
        conf_format_lookers(text, &count))
        return NULL;
    return "is none of \"majority\", \"all\", \"any\" and the numbers 1 to 521";
}

static const char *vantage_flaw(const char *text)
{
    uint32_t count;
    if (strcmp(text, "all") == 0 || conf_format_controllers(text, &count))
        return NULL;
    return "is neither \"all\" nor a number from 1 to 9; names of controllers stand in [ ]";
}

static const char *observers_flaw(const char *text)
{
    uint32_t count;
    if (conf_format_observers(text, &count))
        return NULL;
    return "is none of \"none\", \"all\" and the numbers 1 to 512";
}

const char *conf_format_flaw(enum conf_type type, const char *text)
{
    uint32_t from, to;
    if (type == CONF_TYPE_ADDRESS)
        return address_flaw(text);
    if (type == CONF_TYPE_USER)
        return user_flaw(text);
    if (type == CONF_TYPE_CANARY)
        return canary_flaw(text);
    if (type == CONF_TYPE_AGREE)
        return agree_flaw(text);
    if (type == CONF_TYPE_VANTAGE)
        return vantage_flaw(text);
    if (type == CONF_TYPE_OBSERVERS)
        return observers_flaw(text);
    if (type == CONF_TYPE_ENDPOINT)
        return endpoint_flaw(text);
    if (type == CONF_TYPE_LISTEN)
        return listen_flaw(text);
    if (type == CONF_TYPE_HOST)
        return host_flaw(text);
    if (type == CONF_TYPE_NAME && !text_is_name(text))
        return "is not a name: at most 47 letters, digits, '-' and '_', the first a letter";
    if (type == CONF_TYPE_INTERFACE && (!has_only(text, "-_.") || *text == '-'))
        return "is not the name of a network interface";
    if (type == CONF_TYPE_STATUS && !conf_format_status(text, &from, &to))
        return "is not a status or range such as \"200\" or \"200-399\", within 100-599";
    return NULL;
}
