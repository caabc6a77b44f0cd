/* A plugin: how many of the file handles that the kernel allows are in use. A complete example of
 * a plugin in C, see ephor-plugins(7): options, ranges, one line of output, performance data, exit
 * status. Reads /proc/sys/fs/file-nr, needs no rights. */
#include "checks/plugins/range.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

enum status { STATUS_OK, STATUS_WARNING, STATUS_CRITICAL, STATUS_UNKNOWN };

static const char usage_text[] =
    "Usage: check_open_files [-w RANGE] [-c RANGE] [-v]\n"
    "Checks the share of open file handles of this machine, in percent.\n"
    "\n"
    " -w, --warning=RANGE   WARNING outside of this range (default 80)\n"
    " -c, --critical=RANGE  CRITICAL outside of this range (default 90)\n"
    " -f, --file=PATH       read PATH instead of /proc/sys/fs/file-nr\n"
    " -v, --verbose         more lines of output\n"
    " -h, --help            this text\n"
    " -V, --version         the version\n";

struct options {
    const char *path;
    const char *warning_text, *critical_text;
    struct range warning, critical;
    int verbosity;
};

static int unknown(const char *what, const char *value)
{
    printf("OPEN FILES UNKNOWN - %s '%s', see --help\n", what, value);
    return STATUS_UNKNOWN;
}

/* STATUS_OK to go on; else what to exit with, and everything is said. */
static int parse_options(int argc, char **argv, struct options *options)
{
    static const struct option names[] = {
        {"warning", required_argument, NULL, 'w'},
        {"critical", required_argument, NULL, 'c'},
        {"file", required_argument, NULL, 'f'},
        {"verbose", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0},
    };
    int letter;
    opterr = 0; /* everything is said on standard output, in one line */
    while ((letter = getopt_long(argc, argv, "w:c:f:vhV", names, NULL)) != -1) {
        switch (letter) {
        case 'w':
            options->warning_text = optarg;
            break;
        case 'c':
            options->critical_text = optarg;
            break;
        case 'f':
            options->path = optarg;
            break;
        case 'v':
            options->verbosity++;
            break;
        case 'h':
            fputs(usage_text, stdout);
            return STATUS_UNKNOWN;
        case 'V':
            puts("check_open_files (ephor)");
            return STATUS_UNKNOWN;
        default:
            return unknown("cannot use the option", argv[optind - 1]);
        }
    }
    if (optind < argc)
        return unknown("cannot use the argument", argv[optind]);
    if (!range_parse(options->warning_text, &options->warning))
        return unknown("warning is not a range:", options->warning_text);
    if (!range_parse(options->critical_text, &options->critical))
        return unknown("critical is not a range:", options->critical_text);
    return STATUS_OK;
}

/* "used free max"; free is 0 since Linux 2.6. */
static int read_numbers(const char *path, double *used, double *max)
{
    char line[128] = "";
    char *end;
    FILE *f = fopen(path, "r");
    if (f == NULL)
        return -1;
    if (fgets(line, sizeof(line), f) == NULL)
        line[0] = '\0';
    fclose(f);
    *used = strtod(line, &end);
    (void)strtod(end, &end);
    *max = strtod(end, &end);
    return *max > 0 ? 0 : -1;
}

int main(int argc, char **argv)
{
    static const char *const words[] = {"OK", "WARNING", "CRITICAL", "UNKNOWN"};
    struct options options = {
        .path = "/proc/sys/fs/file-nr", .warning_text = "80", .critical_text = "90"};
    double used, max;
    enum status status = STATUS_OK;
    int end = parse_options(argc, argv, &options);
    if (end != STATUS_OK)
        return end;
    if (read_numbers(options.path, &used, &max) != 0)
        return unknown("cannot read the numbers from", options.path);
    double percent = 100 * used / max;
    if (range_alerts(&options.critical, percent))
        status = STATUS_CRITICAL;
    else if (range_alerts(&options.warning, percent))
        status = STATUS_WARNING;
    printf("OPEN FILES %s - %.0f of %.0f in use (%.1f%%)", words[status], used, max, percent);
    printf(" | used=%.2f%%;%s;%s;0;100", percent, options.warning_text, options.critical_text);
    printf(" files=%.0f;;;0;%.0f\n", used, max);
    if (options.verbosity > 0)
        printf("read from %s\n", options.path);
    return status;
}
