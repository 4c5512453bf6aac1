#include "store/import.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/metrics.h"
#include "events/csv.h"
#include "store/rows.h"

enum { SCRATCH_BYTES_MAX = 8 << 20, ERROR_BYTES_MAX = 4096 };
static const size_t default_memory_bytes = (size_t)512 << 20;

struct import {
	struct import_options options;
	struct rows rows;              /* bytes → rows */
	struct arena scratch;          /* of one row */
	struct arena errors;           /* of the report */
	struct arena kept;             /* the patches and their texts, column names */
	struct patch *patches;         /* from realloc */
	size_t *patch_lines;           /* patch_lines[i] is the line of patches[i] */
	size_t patch_count, patch_capacity;
	struct str columns[CSV_COLUMNS_MAX];
	size_t column_count;           /* 0 until the header was read */
	bool over;                     /* nothing more is taken; the report has the result */
	struct import_report report;
	struct import_progress progress;
};

/* ---- what went wrong ---- */

static void end(struct import *import, enum import_result result)
{
	if (import->over)
		return;
	import->over = true;
	import->report.result = result;
}

static struct str issues_text(const struct issues *issues, struct arena *arena)
{
	struct buf text;

	buf_init(&text, ERROR_BYTES_MAX);
	for (size_t i = 0; i < issues->count; i++) {
		const struct issue *issue = &issues->items[i];
		buf_printf(&text, "%s%.*s%s%.*s", i > 0 ? "; " : "", STR_ARG(issue->name), issue->name.len > 0 ? " " : "",
		           STR_ARG(issue->message));
	}
	struct str copy = arena_str(arena, buf_view(&text));
	buf_finish(&text);
	return copy;
}

static void keep_error(struct import *import, size_t line, const struct issues *issues)
{
	struct import_report *report = &import->report;
	struct buf json;

	if (report->error_count == IMPORT_ERRORS_MAX)
		return;
	buf_init(&json, (size_t)ERROR_BYTES_MAX * 16);
	issues_json_line(&json, issues, line);
	struct import_error *error = &report->errors[report->error_count];
	error->line = line;
	error->issues = json.failed ? STR("[]") : arena_str(&import->errors, buf_view(&json));
	error->text = issues_text(issues, &import->errors);
	buf_finish(&json);
	if (error->issues.ptr != NULL && error->text.ptr != NULL)
		report->error_count++;
}

static void fail_line(struct import *import, size_t line, const struct issues *issues)
{
	keep_error(import, line, issues);
	import->report.failed++;
	atomic_fetch_add_explicit(&import->progress.failed, 1, memory_order_relaxed);
}

static void fail_line_with(struct import *import, size_t line, const char *type, const char *message)
{
	struct issues issues;

	issues_init(&issues, &import->scratch);
	issues_add(&issues, "body", STR_NONE, type, "%s", message);
	fail_line(import, line, &issues);
}

static void fail_whole(struct import *import, size_t line, enum import_result result, const char *type,
                       const char *message)
{
	struct issues issues;

	if (import->over)
		return;
	issues_init(&issues, &import->scratch);
	issues_add(&issues, "body", STR_NONE, type, "%s", message);
	/* What ends everything is told even when the list is full. */
	if (import->report.error_count == IMPORT_ERRORS_MAX)
		import->report.error_count--;
	keep_error(import, line, &issues);
	end(import, result);
}

/* ---- rows become patches ---- */

static void keep_patch(struct import *import, size_t line, const struct patch *patch)
{
	/* An import that will write nothing needs no patches, only the rest of the errors. */
	if (!import->options.partial && import->report.failed > 0)
		return;
	if (import->patch_count == import->patch_capacity) {
		size_t capacity = import->patch_capacity == 0 ? 256 : import->patch_capacity * 2;
		struct patch *patches = realloc(import->patches, capacity * sizeof *patches);
		if (patches != NULL)
			import->patches = patches;
		size_t *lines = realloc(import->patch_lines, capacity * sizeof *lines);
		if (lines != NULL)
			import->patch_lines = lines;
		if (patches == NULL || lines == NULL) {
			end(import, IMPORT_OUT_OF_MEMORY);
			return;
		}
		import->patch_capacity = capacity;
	}
	struct patch *kept = &import->patches[import->patch_count];
	kept->fields = patch->fields;
	if (!event_copy(&kept->event, &patch->event, &import->kept)) {
		/* Far from its bound the arena was refused memory: that is our fault, not the import's. */
		if (import->kept.used_bytes < import->kept.bytes_max / 2) {
			end(import, IMPORT_OUT_OF_MEMORY);
			return;
		}
		fail_whole(import, line, IMPORT_TOO_LARGE, "too_large", "the import is too large for the memory it may use");
		return;
	}
	import->patch_lines[import->patch_count++] = line;
}

static void take_result(struct import *import, size_t line, enum patch_result result, const struct patch *patch,
                        const struct issues *issues, struct str problem)
{
	char text[256];

	switch (result) {
	case PATCH_OK:
		keep_patch(import, line, patch);
		break;
	case PATCH_INVALID:
		fail_line(import, line, issues);
		break;
	case PATCH_MALFORMED:
		snprintf(text, sizeof text, "%.*s", STR_ARG(problem));
		fail_line_with(import, line, "json_invalid", text);
		break;
	case PATCH_OUT_OF_MEMORY:
		end(import, IMPORT_OUT_OF_MEMORY);
		break;
	}
}

static void take_json(struct import *import, struct str row, size_t line)
{
	struct str problem = STR_NONE;
	struct issues issues;
	struct patch patch;

	issues_init(&issues, &import->scratch);
	enum patch_result result = patch_parse(&patch, row, true, &import->scratch, &issues, &problem);
	take_result(import, line, result, &patch, &issues, problem);
}

/* The header must hold for the whole file: unknown, repeated or missing columns are one error, not one a line. */
static void take_header(struct import *import, const struct str *names, size_t count, size_t line)
{
	static const char *const required[] = {"title", "venue", "event_date"};
	struct str empty[CSV_COLUMNS_MAX];
	struct issues found, issues;
	struct patch patch;

	for (size_t i = 0; i < count; i++) {
		import->columns[i] = arena_str(&import->kept, str_trim(names[i]));
		empty[i] = STR("");
	}
	import->column_count = count;
	issues_init(&found, &import->scratch);
	issues_init(&issues, &import->scratch);
	if (patch_from_columns(&patch, import->columns, empty, count, &import->scratch, &found) == PATCH_OUT_OF_MEMORY) {
		end(import, IMPORT_OUT_OF_MEMORY);
		return;
	}
	for (size_t i = 0; i < found.count; i++)
		if (strcmp(found.items[i].type, "missing") != 0)
			issues_add(&issues, "body", found.items[i].name, found.items[i].type, "%.*s",
			           STR_ARG(found.items[i].message));
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < i; j++)
			if (str_equal(import->columns[i], import->columns[j]))
				issues_add(&issues, "body", import->columns[i], "duplicate", "is a column twice");
	for (size_t i = 0; i < ARRAY_LENGTH(required); i++) {
		size_t at = 0;
		while (at < count && !str_equal(import->columns[at], str_from(required[i])))
			at++;
		if (at == count)
			issues_add(&issues, "body", str_from(required[i]), "missing", "is a column that the header must have");
	}
	if (import->kept.failed || import->scratch.failed) {
		end(import, IMPORT_OUT_OF_MEMORY);
		return;
	}
	if (issues.total > 0) {
		keep_error(import, line, &issues);
		end(import, IMPORT_INVALID);
	}
}

static void take_fields(struct import *import, const struct str *fields, size_t count, size_t line)
{
	struct issues issues;
	struct patch patch;

	issues_init(&issues, &import->scratch);
	if (count != import->column_count) {
		issues_add(&issues, "body", STR_NONE, "columns", "has %zu column%s where the header has %zu", count,
		           count == 1 ? "" : "s", import->column_count);
		fail_line(import, line, &issues);
		return;
	}
	enum patch_result result = patch_from_columns(&patch, import->columns, fields, count, &import->scratch, &issues);
	take_result(import, line, result, &patch, &issues, STR_NONE);
}

static void take_csv(struct import *import, struct str row, size_t line)
{
	struct str fields[CSV_COLUMNS_MAX];
	size_t count = 0;
	struct csv csv;

	if (import->column_count == 0)
		csv_init(&csv, row);
	else
		csv_init_row(&csv, row);
	switch (csv_next(&csv, fields, &count, &import->scratch)) {
	case CSV_ROW:
		if (import->column_count == 0)
			take_header(import, fields, count, line);
		else
			take_fields(import, fields, count, line);
		break;
	case CSV_END:
		break;
	case CSV_MALFORMED:
		if (import->column_count == 0)
			fail_whole(import, line, IMPORT_INVALID, "csv_invalid", "the header is not CSV (RFC 4180)");
		else
			fail_line_with(import, line, "csv_invalid", "is not CSV (RFC 4180): look at its quotes and commas");
		break;
	case CSV_OUT_OF_MEMORY:
		end(import, IMPORT_OUT_OF_MEMORY);
		break;
	}
}

static bool is_blank(struct str row)
{
	for (size_t i = 0; i < row.len; i++)
		if (row.ptr[i] != ' ' && row.ptr[i] != '\t')
			return false;
	return true;
}

/* Counts a line of data. False at the bound. */
static bool count_line(struct import *import, size_t line)
{
	if (import->report.lines == IMPORT_LINES_MAX) {
		fail_whole(import, line, IMPORT_TOO_LARGE, "too_many_lines", "the import has more than 100000 lines");
		return false;
	}
	import->report.lines++;
	atomic_fetch_add_explicit(&import->progress.lines, 1, memory_order_relaxed);
	metrics_count(METRIC_IMPORT_LINES, 0, 1);
	return true;
}

static void take_row(struct import *import, const struct rows_row *row)
{
	bool is_header = import->options.format == IMPORT_CSV && import->column_count == 0;

	if (is_blank(row->text) && !row->too_long)
		return;
	if (!is_header && !count_line(import, row->line))
		return;
	if (row->too_long && is_header)
		fail_whole(import, row->line, IMPORT_INVALID, "line_too_long", "the header is longer than 524288 bytes");
	else if (row->too_long)
		fail_line_with(import, row->line, "line_too_long",
		               import->options.format == IMPORT_CSV
		                       ? "is longer than 524288 bytes: is a quote left open?"
		                       : "is longer than 524288 bytes");
	else if (import->options.format == IMPORT_CSV)
		take_csv(import, row->text, row->line);
	else
		take_json(import, row->text, row->line);
	arena_reset(&import->scratch);
}

/* ---- writing ---- */

static void fill_write(const struct import *import, struct store_write *write, const struct patch *patch)
{
	*write = (struct store_write){.kind = WRITE_CREATE,
	                              .patch = patch,
	                              .actor_id = import->options.actor_id,
	                              .actor_email = import->options.actor_email,
	                              .actor_role = import->options.actor_role,
	                              .request_id = import->options.request_id};
}

static void note_written(struct import *import, const struct store_write *writes, size_t first, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (writes[i].outcome != WRITE_APPLIED) {
			fail_line_with(import, import->patch_lines[first + i], "not_written",
			               "could not be written; the log says why");
			arena_reset(&import->scratch);
			continue;
		}
		import->report.written++;
		if (writes[i].change.seq > import->report.last_seq)
			import->report.last_seq = writes[i].change.seq;
	}
	atomic_store_explicit(&import->progress.written, import->report.written, memory_order_relaxed);
}

/* The first write that was refused in an all-or-nothing batch, which then wrote nothing. */
static bool note_refused(struct import *import, const struct store_write *writes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (writes[i].outcome == WRITE_APPLIED || writes[i].outcome == WRITE_PENDING)
			continue;
		fail_line_with(import, import->patch_lines[i], "not_written", "could not be written; the log says why");
		return true;
	}
	return false;
}

static enum import_result apply(struct import *import, struct store_session *session, int64_t now_us)
{
	size_t batch_max = import->options.partial ? IMPORT_BATCH : import->patch_count;
	enum import_result result = IMPORT_OK;
	struct arena arena;

	if (import->patch_count == 0)
		return IMPORT_OK;
	struct store_write *writes = calloc(batch_max, sizeof *writes);
	if (writes == NULL)
		return IMPORT_OUT_OF_MEMORY;
	arena_init(&arena, import->options.memory_bytes_max);
	for (size_t first = 0; result == IMPORT_OK && first < import->patch_count; first += batch_max) {
		size_t count = import->patch_count - first < batch_max ? import->patch_count - first : batch_max;
		for (size_t i = 0; i < count; i++)
			fill_write(import, &writes[i], &import->patches[first + i]);
		import->report.store_result = store_apply(session, writes, count, !import->options.partial, now_us, &arena);
		if (import->report.store_result != STORE_OK)
			result = IMPORT_STORE_FAILED;
		else if (!import->options.partial && note_refused(import, writes, count))
			result = IMPORT_INVALID;
		else
			note_written(import, writes, first, count);
		arena_reset(&arena);
	}
	arena_finish(&arena);
	free(writes);
	return result;
}

/* ---- the doors ---- */

struct import *import_create(const struct import_options *options)
{
	struct import *import = calloc(1, sizeof *import);

	if (import == NULL)
		return NULL;
	import->options = *options;
	if (import->options.memory_bytes_max == 0)
		import->options.memory_bytes_max = default_memory_bytes;
	rows_init(&import->rows, options->format == IMPORT_CSV, IMPORT_LINE_BYTES_MAX);
	arena_init(&import->scratch, SCRATCH_BYTES_MAX);
	arena_init(&import->errors, SCRATCH_BYTES_MAX);
	arena_init(&import->kept, import->options.memory_bytes_max);
	return import;
}

void import_destroy(struct import *import)
{
	if (import == NULL)
		return;
	rows_finish(&import->rows);
	arena_finish(&import->scratch);
	arena_finish(&import->errors);
	arena_finish(&import->kept);
	free(import->patches);
	free(import->patch_lines);
	free(import);
}

bool import_feed(struct import *import, struct str bytes)
{
	struct rows_row row;

	atomic_fetch_add_explicit(&import->progress.bytes, bytes.len, memory_order_relaxed);
	while (!import->over && rows_next(&import->rows, &bytes, &row))
		take_row(import, &row);
	if (import->rows.failed)
		end(import, IMPORT_OUT_OF_MEMORY);
	return !import->over;
}

enum import_result import_finish(struct import *import, struct store_session *session, int64_t now_us)
{
	struct rows_row row;

	if (!import->over && rows_last(&import->rows, &row))
		take_row(import, &row);
	if (!import->over && !import->options.partial && import->report.failed > 0)
		end(import, IMPORT_INVALID);
	if (!import->over)
		end(import, apply(import, session, now_us));
	return import->report.result;
}

const struct import_report *import_report(const struct import *import)
{
	return &import->report;
}

const struct import_progress *import_progress(const struct import *import)
{
	return &import->progress;
}

void import_errors_json(struct buf *out, const struct import_report *report)
{
	bool first = true;

	buf_char(out, '[');
	for (size_t i = 0; i < report->error_count; i++) {
		struct str issues = report->errors[i].issues;
		if (issues.len <= 2)
			continue;
		if (!first)
			buf_char(out, ',');
		first = false;
		buf_str(out, (struct str){issues.ptr + 1, issues.len - 2});
	}
	buf_char(out, ']');
}

void import_report_json(struct buf *out, const struct import_report *report)
{
	buf_printf(out, "{\"imported\":%zu,\"failed\":%zu,\"lines\":%zu,\"errors\":[", report->written, report->failed,
	           report->lines);
	for (size_t i = 0; i < report->error_count; i++) {
		buf_printf(out, "%s{\"line\":%zu,\"errors\":", i > 0 ? "," : "", report->errors[i].line);
		buf_str(out, report->errors[i].issues);
		buf_char(out, '}');
	}
	size_t omitted = report->failed > report->error_count ? report->failed - report->error_count : 0;
	buf_printf(out, "],\"errors_omitted\":%zu}", omitted);
}
