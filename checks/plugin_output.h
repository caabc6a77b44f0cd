/* What a plugin printed, split into text and performance data as Nagios does: the first line is
 * the summary, up to an optional '|' with performance data behind it; further lines are long text
 * until a line holds the second '|', and everything from there on is performance data.
 * One deviation: a '|' counts only if a '=' follows it, so that a pipe in prose stays text. */
#ifndef CHECKS_PLUGIN_OUTPUT_H
#define CHECKS_PLUGIN_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

/* Split size bytes into text (lines joined by \n, the first one trimmed) and perfdata (items joined
 * by one space); both valid UTF-8 and cut to fit, perfdata between items. Bytes from the first NUL
 * on are ignored. Returns true if nothing was cut. */
bool plugin_output_split(const char *bytes, size_t size, char *text, size_t text_size,
                         char *perfdata, size_t perfdata_size);

#endif
