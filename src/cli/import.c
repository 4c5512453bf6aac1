/* evently import */
#include "store/import.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/principal.h"
#include "base/clock.h"
#include "base/random.h"
#include "cli/command.h"
#include "cli/progress.h"

enum { TIMEOUT_S = 3600, CHUNK_BYTES = 65536 };

struct job {
	struct cli *cli;
	const char *path;         /* NULL: standard input */
	int fd;
	uint64_t size;            /* of the file; 0 when unknown */
	struct import *import;
	_Atomic bool writing;     /* all lines are read */
	struct progress progress;
};

static void look(void *context, struct progress_view *view)
{
	struct job *job = context;
	const struct import_progress *now = import_progress(job->import);
	uint64_t lines = atomic_load(&now->lines), failed = atomic_load(&now->failed), bytes = atomic_load(&now->bytes);
	uint64_t written = atomic_load(&now->written);

	if (!atomic_load(&job->writing))
		*view = (struct progress_view){"reading", bytes, job->size, lines, "lines", bytes};
	else if (cli_flag(job->cli, "--partial"))
		*view = (struct progress_view){"writing", written, lines - failed, written, "events", 0};
	else
		*view = (struct progress_view){"writing", 0, 0, lines, "events", 0};
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len >= end_len && str_equal_caseless((struct str){text + len - end_len, end_len}, str_from(end));
}

/* From --format, else from the file's name. False: a line was printed. */
static bool find_format(const struct cli *cli, const char *path, enum import_format *format)
{
	const char *given = cli_value(cli, "--format", NULL);

	if (given != NULL)
		*format = strcmp(given, "csv") == 0 ? IMPORT_CSV : IMPORT_NDJSON;
	else if (path == NULL || ends_with(path, ".ndjson") || ends_with(path, ".jsonl"))
		*format = IMPORT_NDJSON;
	else if (ends_with(path, ".csv"))
		*format = IMPORT_CSV;
	else {
		cli_misuse(cli->command, "the name %s does not say what it holds: add --format ndjson or --format csv", path);
		return false;
	}
	return true;
}

static bool open_file(struct job *job)
{
	struct stat status;

	job->fd = job->path == NULL ? STDIN_FILENO : open(job->path, O_RDONLY | O_CLOEXEC);
	if (job->fd < 0 || fstat(job->fd, &status) != 0) {
		cli_fail("%s cannot be read: %s", job->path != NULL ? job->path : "standard input", strerror(errno));
		return false;
	}
	if (S_ISDIR(status.st_mode)) {
		cli_fail("%s cannot be read: it is a folder", job->path != NULL ? job->path : "standard input");
		return false;
	}
	job->size = S_ISREG(status.st_mode) ? (uint64_t)status.st_size : 0;
	return true;
}

/* False: a line was printed. */
static bool feed_file(struct job *job)
{
	static char chunk[CHUNK_BYTES];

	for (;;) {
		ssize_t count = read(job->fd, chunk, sizeof chunk);
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0) {
			progress_stop(&job->progress);
			cli_fail("%s cannot be read: %s; nothing was created", job->path != NULL ? job->path : "standard input",
			         strerror(errno));
			return false;
		}
		if (count == 0 || !import_feed(job->import, (struct str){chunk, (size_t)count}))
			return true;
	}
}

static void print_errors(const struct import_report *report)
{
	for (size_t i = 0; i < report->error_count; i++)
		cli_fail("line %zu: %.*s", report->errors[i].line, STR_ARG(report->errors[i].text));
	if (report->failed > report->error_count)
		cli_fail("… and %zu more bad lines", report->failed - report->error_count);
}

static int report(const struct job *job, const struct database *database)
{
	const struct import_report *done = import_report(job->import);
	bool partial = cli_flag(job->cli, "--partial");
	struct buf out;

	print_errors(done);
	switch (done->result) {
	case IMPORT_OK:
		break;
	case IMPORT_INVALID:
		if (done->failed > 0)
			return cli_fail("nothing was created: %zu of %zu lines %s bad%s", done->failed, done->lines,
			                done->failed == 1 ? "is" : "are",
			                done->failed < done->lines ? " (--partial creates the others)" : "");
		return cli_fail("nothing was created");
	case IMPORT_TOO_LARGE:
		return cli_fail("nothing was created: split the file");
	case IMPORT_OUT_OF_MEMORY:
		return cli_fail("nothing was created: out of memory");
	case IMPORT_STORE_FAILED:
		if (partial)
			cli_fail("%zu of %zu events were created before the database failed", done->written, done->lines);
		return database_fail(database, job->cli->config, partial ? "cannot go on" : "nothing was created",
		                     done->store_result);
	}
	buf_init(&out, 4096);
	buf_printf(&out, "%zu event%s created", done->written, done->written == 1 ? "" : "s");
	if (done->failed > 0)
		buf_printf(&out, ", %zu bad line%s left out", done->failed, done->failed == 1 ? "" : "s");
	buf_char(&out, '\n');
	cli_put(&out);
	return done->failed > 0 ? CLI_FAILED : CLI_OK;
}

static int import_into(struct job *job, const struct database *database)
{
	progress_start(&job->progress, look, job);
	if (!feed_file(job))
		return CLI_FAILED;
	atomic_store(&job->writing, true);
	(void)import_finish(job->import, database->session, clock_wall_us());
	database_settle(database, import_report(job->import)->last_seq);
	progress_stop(&job->progress);
	return report(job, database);
}

int command_import(struct cli *cli)
{
	struct job job = {.cli = cli, .path = strcmp(cli->arguments[0], "-") == 0 ? NULL : cli->arguments[0], .fd = -1};
	struct import_options options = {.partial = cli_flag(cli, "--partial"),
	                                 .actor_email = str_from(cli_value(cli, "--email", "admin@localhost")),
	                                 .actor_role = STR("admin")};
	struct database database = {0};
	char request_id[48];
	int exit_code = CLI_FAILED;

	snprintf(request_id, sizeof request_id, "evently-import-%016" PRIx64, random_u64());
	options.request_id = str_from(request_id);
	if (!find_format(cli, job.path, &options.format) ||
	    !cli_number("--user-id", cli_value(cli, "--user-id", "1"), 1, INT64_MAX, &options.actor_id))
		return CLI_USAGE;
	if (options.actor_email.len == 0 || options.actor_email.len > PRINCIPAL_EMAIL_BYTES_MAX)
		return cli_misuse(cli->command, "--email has %zu bytes: allowed are 1 to %d", options.actor_email.len,
		                  PRINCIPAL_EMAIL_BYTES_MAX);
	if (!open_file(&job) || !database_open(&database, cli->config, DATABASE_WRITE, TIMEOUT_S))
		goto out;
	job.import = import_create(&options);
	exit_code = job.import != NULL ? import_into(&job, &database) : cli_fail("out of memory");
out:
	import_destroy(job.import);
	database_close(&database);
	if (job.path != NULL && job.fd >= 0)
		close(job.fd);
	return exit_code;
}
