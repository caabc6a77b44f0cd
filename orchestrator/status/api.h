/* The answers of the API as JSON. Moments are RFC 3339 in UTC, null when there is none. */
#ifndef STATUS_API_H
#define STATUS_API_H

#include "orchestrator/base/buf.h"
#include "orchestrator/base/jsonw.h"
#include "orchestrator/status/view.h"

enum { API_BODY_LIMIT = 48 << 20, API_JOURNAL_MAX = LINES_MAX };

void api_status(const struct view *view, struct buf *out);

/* The rules as they were looked at for one service. */
void api_why(const struct view *view, int32_t service, struct buf *out);

/* The newest `count` lines about an object ("" = all), oldest first. */
void api_journal(const struct feed *feed, uint32_t count, const char *object, struct buf *out);

/* One line as an open object, so that more can be added. */
void api_line_begin(struct jsonw *w, const struct line *line);

/* The controllers: who leads, who is linked, how far each one's log is. */
void api_cluster(const struct view *view, struct buf *out);

/* What became of a change of the cluster, with the members as they are now. */
void api_cluster_reply(const Ephor__ClusterReply *reply, struct buf *out);

/* The configuration file, and the policies that are and were in force. */
void api_config(const struct view *view, struct buf *out);

void api_error(const char *code, const char *message, struct buf *out);

#endif
