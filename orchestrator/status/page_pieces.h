/* The pieces of pages; for page.c. Each writes one element. */
#ifndef STATUS_PAGE_PIECES_H
#define STATUS_PAGE_PIECES_H

#include "orchestrator/base/buf.h"
#include "orchestrator/status/view.h"

void piece_banner(const struct view *view, struct buf *out);
void piece_problems(const struct view *view, struct buf *out);
void piece_service(const struct view *view, int32_t service, struct buf *out);
void piece_why(const struct view *view, int32_t service, struct buf *out);
enum { MATRIX_ROWS_MAX = 50 };
void piece_matrix(const struct view *view, int32_t service, struct buf *out);
void piece_node(const struct view *view, int32_t node, struct buf *out);
void piece_check(const struct view *view, int32_t check, struct buf *out);
void piece_processes(const struct view *view, struct buf *out);

/* The beginning and the end of a table; columns are NULL-terminated. body_id may be "". */
void table_begin(struct buf *out, const char *caption, const char *const *columns,
                 const char *body_id);
void table_end(struct buf *out);
void cell_begin(struct buf *out, const char *label);
void cell_end(struct buf *out);

#endif
