/* evently export */
#include "store/export.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/random.h"
#include "cli/command.h"
#include "cli/progress.h"

enum { TIMEOUT_S = 3600 };

struct job {
	const struct cli *cli;
	int fd;
	const char *path;            /* NULL: standard output */
	char temporary[PATH_MAX];    /* beside path, until it is complete */
	int write_errno;
	struct export_progress done;
	struct progress progress;
};

static void look(void *context, struct progress_view *view)
{
	struct job *job = context;
	uint64_t events = atomic_load(&job->done.events);

	*view = (struct progress_view){"exporting", events, atomic_load(&job->done.total), events, "events",
	                               atomic_load(&job->done.bytes)};
}

static bool write_out(void *context, struct str bytes)
{
	struct job *job = context;

	while (bytes.len > 0) {
		ssize_t written = write(job->fd, bytes.ptr, bytes.len);
		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0) {
			job->write_errno = errno;
			return false;
		}
		bytes = str_skip(bytes, (size_t)written);
	}
	return true;
}

static enum export_format find_format(const struct cli *cli, const char *path)
{
	const char *given = cli_value(cli, "--format", NULL);
	size_t len = path != NULL ? strlen(path) : 0;

	if (given != NULL)
		return strcmp(given, "csv") == 0 ? EXPORT_CSV : EXPORT_NDJSON;
	return len >= 4 && str_equal_caseless((struct str){path + len - 4, 4}, STR(".csv")) ? EXPORT_CSV : EXPORT_NDJSON;
}

static bool open_output(struct job *job)
{
	if (job->path == NULL) {
		job->fd = STDOUT_FILENO;
		return true;
	}
	int len = snprintf(job->temporary, sizeof job->temporary, "%s.%08" PRIx32 ".part", job->path,
	                   (uint32_t)random_u64());
	if (len < 0 || (size_t)len >= sizeof job->temporary) {
		cli_fail("%s cannot be written: the name is too long", job->path);
		return false;
	}
	job->fd = open(job->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (job->fd < 0)
		cli_fail("%s cannot be written: %s", job->path, strerror(errno));
	return job->fd >= 0;
}

/* Gives the complete file its name, or removes the incomplete one. */
static int close_output(struct job *job, int exit_code)
{
	if (job->path == NULL)
		return exit_code;
	if (exit_code == CLI_OK && (fsync(job->fd) != 0 || rename(job->temporary, job->path) != 0))
		exit_code = cli_fail("%s cannot be written: %s", job->path, strerror(errno));
	close(job->fd);
	if (exit_code != CLI_OK)
		unlink(job->temporary);
	return exit_code;
}

static int export_from(struct job *job, const struct database *database)
{
	bool stopped = false, bar = job->path != NULL || isatty(STDOUT_FILENO) == 0;

	if (bar)
		progress_start(&job->progress, look, job);
	enum store_result result = export_events(database->session, find_format(job->cli, job->path), clock_wall_us(),
	                                         write_out, job, &job->done, &stopped);
	progress_stop(&job->progress);
	if (result != STORE_OK)
		return database_fail(database, job->cli->config, "cannot export", result);
	if (stopped)
		return cli_fail("%s cannot be written: %s", job->path != NULL ? job->path : "standard output",
		                strerror(job->write_errno));
	if (job->path != NULL && isatty(STDERR_FILENO))
		fprintf(stderr, "%" PRIu64 " events written to %s\n", atomic_load(&job->done.events), job->path);
	return CLI_OK;
}

int command_export(struct cli *cli)
{
	struct job job = {.cli = cli, .path = cli_value(cli, "--output", NULL), .fd = -1};
	struct database database;

	if (job.path != NULL && strcmp(job.path, "-") == 0)
		job.path = NULL;
	if (!database_open(&database, cli->config, DATABASE_READ, TIMEOUT_S))
		return CLI_FAILED;
	int exit_code = CLI_FAILED;
	if (open_output(&job))
		exit_code = close_output(&job, export_from(&job, &database));
	database_close(&database);
	return exit_code;
}
