/* A streaming JSON writer into a struct buf: commas and escapes are its business. Keys are NULL
 * inside arrays and at the top. Input text may be any bytes; it is made valid UTF-8. */
#ifndef BASE_JSONW_H
#define BASE_JSONW_H

#include "orchestrator/base/buf.h"

#include <stdbool.h>
#include <stdint.h>

struct jsonw {
    struct buf *out; /* borrowed */
    bool comma;
};

void jsonw_init(struct jsonw *w, struct buf *out);
void jsonw_object(struct jsonw *w, const char *key);
void jsonw_object_end(struct jsonw *w);
void jsonw_array(struct jsonw *w, const char *key);
void jsonw_array_end(struct jsonw *w);
void jsonw_text(struct jsonw *w, const char *key, const char *value); /* NULL writes null */
void jsonw_int(struct jsonw *w, const char *key, int64_t value);
void jsonw_double(struct jsonw *w, const char *key, double value); /* not finite writes null */
void jsonw_bool(struct jsonw *w, const char *key, bool value);
void jsonw_null(struct jsonw *w, const char *key);

#endif
