/*
 * export.h - brings a model to a folder for people: files under the names they know, and a manifest
 * with the digest of each, for a machine without a network (manifest.h). Loop thread only.
 */
#ifndef RBEE_HIVE_CHORES_EXPORT_H
#define RBEE_HIVE_CHORES_EXPORT_H

struct hive;
struct http_exchange;

/*
 * `dir` is a full path that may be looked at (reach.h), into a folder that export_dir.h allows.
 * Each file is hashed first: a bad one is not handed on. What is in the folder already under that
 * name stays as it is; with another digest that is an error. Answers the exchange: an error, or a
 * stream of {"stage":"hashing"|"placing",...bytes}, {"stage":"exported","model_ref","file","how",
 * "sha256","size_bytes"}, and {"stage":"complete","manifest"} or {"stage":"error",...}.
 */
void export_run(struct hive *h, struct http_exchange *x, const char *model_ref, const char *dir);

#endif
