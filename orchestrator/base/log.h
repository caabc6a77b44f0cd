/* The log: one line an event, to standard error (or the systemd journal, which reads the <N>
 * prefix). `event` is a short stable word; the message is for people. The one who handles an error
 * logs it. The sink and the level are the only mutable file-scope variables of the project. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* `role` is printed in each line (copied); lines above `level` are dropped. */
void log_init(const char *role, enum log_level level);

/* "error" "warning" "info" "debug" to a level; -1 if it is none. */
int log_level_parse(const char *text);

void log_error(const char *event, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void log_warning(const char *event, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void log_info(const char *event, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void log_debug(const char *event, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
