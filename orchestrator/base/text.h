/* Text: bounded copies, names, distances, durations and sizes as people write them. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Copy src into dst of dst_size bytes, cut at a UTF-8 boundary if too long. Always terminates.
 * Returns true if it fitted. */
bool text_copy(char *dst, size_t dst_size, const char *src);

/* Is `word` in text, as a whole: not as a part of a longer name? */
bool text_has_word(const char *text, const char *word);

/* printf into dst; cut like text_copy. */
bool text_format(char *dst, size_t dst_size, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Make any bytes printable: invalid UTF-8 becomes U+FFFD, C0 controls but \n and \t become
 * spaces, output ends at the first NUL. Returns the bytes written without the terminator. */
size_t text_sanitize(char *dst, size_t dst_size, const char *src, size_t src_size);

/* Levenshtein distance; both at most 63 bytes are compared, longer ones are cut. */
size_t text_distance(const char *a, const char *b);

/* "10s" "300ms" "5m" "1h" "2d" "1h30m" to milliseconds. False if it is not a duration. */
bool text_parse_duration(const char *text, int64_t *ms);

/* The shortest exact form of a duration: 300ms, 10s, 5m. dst of at least 32 bytes. */
const char *text_from_duration(char *dst, size_t dst_size, int64_t ms);

/* How long ago, for people: "3s", "4m", "2h", "5d". */
const char *text_from_age(char *dst, size_t dst_size, int64_t ms);

/* "64KiB" "10MB" "512" to bytes. */
bool text_parse_size(const char *text, int64_t *bytes);

/* A whole decimal number within [min, max] and nothing else. */
bool text_parse_int(const char *text, int64_t min, int64_t max, int64_t *value);

/* Exactly `size` bytes as two hexadecimal digits each. */
bool text_parse_hex(const char *text, unsigned char *bytes, size_t size);

/* A project name: [A-Za-z][A-Za-z0-9_-]*, at most 47 bytes (NAME_SIZE - 1 of core/limits.h). */
bool text_is_name(const char *text);

bool text_starts_with(const char *text, const char *prefix);

#endif
