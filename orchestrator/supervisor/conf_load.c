/* Reading and merging files. The settings of a file come before those of the files that it
 * includes; maps and groups are merged, anything else may stand in one file only. libconfig's own
 * @include is not used: it knows no patterns and starts from the working directory. */
#include "orchestrator/supervisor/conf_load.h"

#include "orchestrator/base/text.h"
#include "orchestrator/supervisor/conf_check.h"
#include "orchestrator/supervisor/conf_parse.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FILE_SIZE_MAX = 4 << 20,
    INCLUDE_DEPTH_MAX = 10,
    PATH_SIZE = PATH_MAX,
    READ_SIZE = 64 << 10,
    NOT_INCLUDED = -1,
};

struct opened {
    struct conf_file file;
    const char *path;
    dev_t device;
    ino_t inode;
    int includer; /* index of the file that includes it, NOT_INCLUDED for the first */
    int depth;
};

struct load {
    struct conf_issues *issues;
    struct conf_doc *doc;
    struct opened *opened; /* CONF_FILES_MAX of them */
    int count;
};

/* ---------------------------------------------------------------- one file */

/* Fill content with the file at path; otherwise say why not (text of ERR_TEXT_SIZE). */
static int read_content(const char *path, struct buf *content, struct stat *status,
                        struct errbuf *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return err_set(e, err_from_errno(errno), "cannot be read: %s", strerror(errno));
    int err = ERR_OK;
    if (fstat(fd, status) != 0)
        err = err_set(e, err_from_errno(errno), "cannot be read: %s", strerror(errno));
    else if (!S_ISREG(status->st_mode))
        err = err_set(e, ERR_INVALID, "is not a file");
    ssize_t n = 1;
    while (err == ERR_OK && n > 0) {
        char *room = buf_reserve(content, READ_SIZE);
        if (room == NULL)
            break;
        n = read(fd, room, READ_SIZE);
        if (n < 0)
            err = err_set(e, err_from_errno(errno), "cannot be read: %s", strerror(errno));
        else
            buf_commit(content, (size_t)n);
        if (content->size > FILE_SIZE_MAX)
            err = err_set(e, ERR_LIMIT, "is larger than %d MiB", FILE_SIZE_MAX >> 20);
    }
    close(fd);
    return err;
}

/* The directory part of path, made absolute. */
static const char *directory_of(struct conf_arena *arena, const char *path)
{
    char here[PATH_SIZE];
    const char *slash = strrchr(path, '/');
    int size = slash == NULL ? 0 : (int)(slash - path);
    if (path[0] == '/')
        return size == 0 ? "/" : conf_arena_format(arena, "%.*s", size, path);
    if (getcwd(here, sizeof(here)) == NULL)
        text_copy(here, sizeof(here), ".");
    return conf_arena_format(arena, "%s%s%.*s", here, size == 0 ? "" : "/", size, path);
}

/* ---------------------------------------------------------------- merging */

static void merge(struct load *load, const char *prefix, struct conf_value *to,
                  struct conf_value *from)
{
    uint32_t before = to->count; /* names in one file are different */
    for (struct conf_value *child = from->first, *next; child != NULL; child = next) {
        next = child->next;
        const struct conf_row *row = conf_row_find(prefix, child->name);
        struct conf_value *same = before == 0 ? NULL : conf_value_child(to, child->name);
        bool is_group = row != NULL &&
                        (row->type == CONF_TYPE_GROUP || row->type == CONF_TYPE_MAP) &&
                        child->kind == CONF_GROUP;
        if (same == NULL) {
            conf_value_append(to, child);
            if (child->is_bad)
                conf_value_mark_bad(to);
        } else if (is_group && same->kind == CONF_GROUP) {
            merge(load, row->like == NULL ? row->path : row->like, same, child);
        } else {
            conf_issue(load->issues, child, NULL, "is already in %s:%u", same->file->name,
                       same->line);
            conf_value_mark_bad(to);
        }
    }
}

/* ---------------------------------------------------------------- includes */

static void read_file(struct load *load, const char *path, int includer, struct conf_value *from);

/* The pattern behind its directory, whose own special characters mean themselves. */
static void make_pattern(char out[PATH_SIZE], const char *name, const char *pattern)
{
    size_t used = 0;
    const char *slash = strrchr(name, '/');
    const char *end = slash == NULL || *pattern == '/' ? name : slash + 1;
    for (const char *c = name; c < end && used + 2 < PATH_SIZE; c++) {
        if (strchr("*?[\\", *c) != NULL)
            out[used++] = '\\';
        out[used++] = *c;
    }
    text_copy(out + used, PATH_SIZE - used, pattern);
}

/* A directory that is not there yet holds no files; one that is closed to us may hold some. */
static int on_glob_error(const char *path, int error)
{
    (void)path;
    return error != ENOENT && error != ENOTDIR;
}

static void include(struct load *load, int includer, struct conf_value *pattern)
{
    glob_t found;
    char path[PATH_SIZE], quote[CONF_QUOTE_SIZE];
    make_pattern(path, load->opened[includer].path, pattern->text);
    int err = glob(path, 0, on_glob_error, &found);
    conf_text_quote(pattern->text, quote);
    if (err == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++)
            read_file(load, found.gl_pathv[i], includer, pattern);
        globfree(&found);
    } else if (err != GLOB_NOMATCH) {
        conf_issue(load->issues, pattern, NULL, "'%s': the directory cannot be read", quote);
        load->doc->is_partial = true;
    } else if (strpbrk(pattern->text, "*?[") == NULL) {
        conf_issue(load->issues, pattern, NULL, "'%s': there is no such file", quote);
        load->doc->is_partial = true;
    }
}

/* Has the file been read already? Then tell so. */
static bool is_known(struct load *load, const struct stat *status, int includer,
                     struct conf_value *from)
{
    for (int i = 0; i < load->count; i++) {
        const struct opened *other = &load->opened[i];
        if (other->device != status->st_dev || other->inode != status->st_ino)
            continue;
        int up = includer;
        while (up != i && up != NOT_INCLUDED)
            up = load->opened[up].includer;
        if (up == i)
            conf_issue(load->issues, from, NULL, "the files include each other in a circle: %s",
                       other->file.name);
        else
            conf_issue(load->issues, from, NULL, "%s is included already", other->file.name);
        return true;
    }
    return false;
}

/* A path as messages show it: on one line. */
static const char *shown(struct load *load, const char *path)
{
    char text[PATH_SIZE];
    text_sanitize(text, sizeof(text), path, strlen(path));
    for (char *c = text; *c != '\0'; c++)
        if (*c == '\n')
            *c = ' ';
    return conf_arena_text(load->doc->arena, text);
}

/* What cannot be read is told at the `include`, or, of the first file, by its name. */
static void tell_unread(struct load *load, const char *path, struct conf_value *from,
                        const char *why)
{
    load->doc->is_partial = true;
    if (from != NULL) {
        conf_issue(load->issues, from, NULL, "'%.400s' %s", shown(load, path), why);
        return;
    }
    struct conf_file *file = conf_arena_take(load->doc->arena, sizeof(*file));
    file->name = shown(load, path);
    conf_issue_at(load->issues, file, 0, "%s", why);
}

static void take_content(struct load *load, int self, const struct buf *content)
{
    struct opened *opened = &load->opened[self];
    struct conf_value *root =
        conf_parse(load->issues, &opened->file, buf_string(content), content->size);
    if (root == NULL) {
        load->doc->is_partial = true;
        return;
    }
    conf_check_file(load->issues, root);
    const struct conf_value *patterns = conf_value_child(root, "include");
    if (load->doc->root->file == NULL)
        load->doc->root->file = &opened->file;
    struct conf_value *kept = conf_value_new(load->doc->arena, CONF_GROUP, NULL, root->file, 1);
    for (struct conf_value *child = root->first, *next; child != NULL; child = next) {
        next = child->next;
        if (child != patterns)
            conf_value_append(kept, child);
    }
    kept->is_bad = root->is_bad;
    merge(load, "", load->doc->root, kept);
    if (patterns == NULL || !conf_value_is_sequence(patterns))
        return;
    CONF_EACH_TEXT(pattern, patterns)
    include(load, self, pattern);
}

static void read_file(struct load *load, const char *path, int includer, struct conf_value *from)
{
    struct buf content;
    struct stat status;
    struct errbuf e;
    int depth = includer == NOT_INCLUDED ? 0 : load->opened[includer].depth + 1;
    buf_init(&content, FILE_SIZE_MAX + READ_SIZE);
    if (depth > INCLUDE_DEPTH_MAX) {
        tell_unread(load, path, from, "is included too deep; 10 files in each other are enough");
    } else if (load->count == CONF_FILES_MAX) {
        tell_unread(load, path, from, "is one file too many; 256 are possible");
    } else if (read_content(path, &content, &status, &e) != ERR_OK) {
        tell_unread(load, path, from, e.text);
    } else if (!is_known(load, &status, includer, from)) {
        int self = load->count++;
        load->opened[self] = (struct opened){
            .path = conf_arena_text(load->doc->arena, path),
            .file = {.name = shown(load, path),
                     .directory = directory_of(load->doc->arena, path),
                     .order = (uint32_t)self},
            .device = status.st_dev,
            .inode = status.st_ino,
            .includer = includer,
            .depth = depth,
        };
        load->doc->files[load->doc->file_count++] = &load->opened[self].file;
        take_content(load, self, &content);
    }
    buf_close(&content);
}

void conf_load_files(struct conf_issues *issues, struct conf_doc *doc, const char *path)
{
    struct load load = {.issues = issues, .doc = doc};
    load.opened = conf_arena_take(doc->arena, CONF_FILES_MAX * sizeof(*load.opened));
    read_file(&load, path, NOT_INCLUDED, NULL);
}
