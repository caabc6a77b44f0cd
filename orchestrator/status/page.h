/* The pages. They are whole without a script; with one, the pieces with an id are replaced as they
 * change. Both come from the same functions. */
#ifndef STATUS_PAGE_H
#define STATUS_PAGE_H

#include "orchestrator/base/buf.h"
#include "orchestrator/status/view.h"

enum {
    PAGE_CHECKS_MAX = 300,  /* rows of the front page; bad ones come first */
    PAGE_JOURNAL_MAX = 50,  /* lines on a page */
    PAGE_SERVICES_MAX = 300 /* cards; the API has all */
};

struct page_assets { /* versions in the addresses of style and script */
    const char *style_tag, *script_tag;
};

void page_overview(const struct view *view, const struct page_assets *assets, struct buf *out);

/* Why is it so: the gates of the rules, the members, their checks, what happened. */
void page_service(const struct view *view, int32_t service, const struct page_assets *assets,
                  struct buf *out);

void page_error(const struct view *view, const struct page_assets *assets, uint32_t status,
                const char *message, struct buf *out);

/* Each piece that lives: html is one element with that id. In the same order for the same policy.
 */
typedef void page_piece_fn(void *data, const char *id, const struct buf *html);
void page_each_piece(const struct view *view, page_piece_fn *emit, void *data);

/* One row of the journal. */
void page_line(const struct view *view, const struct line *line, struct buf *out);

#endif
