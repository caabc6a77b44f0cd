/* Writing HTML in which no text can become markup. */
#ifndef STATUS_HTML_H
#define STATUS_HTML_H

#include "orchestrator/base/buf.h"
#include "orchestrator/status/view.h"

/* Any bytes as text or as a quoted attribute's value. */
void html_text(struct buf *out, const char *text);

/* The format is markup; each %s is escaped. Knows %s %d %u %lld %llu %% without flags. */
void html_format(struct buf *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A name as a part of a path, percent-encoded. */
void html_path(struct buf *out, const char *name);

/* A moment: its age for people, its date for machines; "never" for 0. */
void html_time(struct buf *out, const struct view *view, int64_t wall_ms);

/* A moment to come, in core time, as a date: ", until 2026-11-24 14:05:00 UTC"; nothing for 0. */
void html_until(struct buf *out, const struct view *view, int64_t until_ms);

/* A state: shape, word and colour. */
void html_state(struct buf *out, enum state state);
const char *html_state_shape(enum state state);

#endif
