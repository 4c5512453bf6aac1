#include "cli/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"

enum { DRAW_MS = 100, COLUMNS_DEFAULT = 80, COLUMNS_MAX = 500, BAR_COLUMNS_MAX = 30, LINE_BYTES_MAX = 4096 };

static size_t terminal_columns(void)
{
	struct winsize size;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
		return COLUMNS_DEFAULT;
	return size.ws_col < COLUMNS_MAX ? size.ws_col : COLUMNS_MAX;
}

/* 12,345 */
static void print_count(struct buf *out, uint64_t count)
{
	char digits[24];

	int len = snprintf(digits, sizeof digits, "%" PRIu64, count);
	for (int i = 0; i < len; i++) {
		buf_char(out, digits[i]);
		if ((len - i) % 3 == 1 && i + 1 < len)
			buf_char(out, ',');
	}
}

static void print_seconds(struct buf *out, uint64_t seconds)
{
	if (seconds >= 3600)
		buf_printf(out, "%" PRIu64 ":%02" PRIu64 ":%02" PRIu64, seconds / 3600, seconds / 60 % 60, seconds % 60);
	else
		buf_printf(out, "%" PRIu64 ":%02" PRIu64, seconds / 60, seconds % 60);
}

static void print_bar(struct buf *out, double part, size_t columns)
{
	size_t filled = (size_t)(part * (double)columns);

	buf_lit(out, " [");
	for (size_t i = 0; i < columns; i++)
		buf_char(out, i < filled ? '#' : '-');
	buf_printf(out, "] %3d%%", (int)(part * 100));
}

/* The line, at most `columns` wide (everything in it is ASCII). */
static void print_line(struct buf *out, const struct progress_view *view, double elapsed_s, size_t columns)
{
	struct buf tail;

	buf_init(&tail, LINE_BYTES_MAX);
	buf_lit(&tail, "  ");
	print_count(&tail, view->count);
	buf_printf(&tail, " %s", view->noun);
	if (elapsed_s > 0.5 && (view->total > 0 || view->bytes > 0)) {
		buf_lit(&tail, "  ");
		print_count(&tail, (uint64_t)((double)view->count / elapsed_s));
		buf_lit(&tail, "/s");
		if (view->bytes > 0)
			buf_printf(&tail, "  %.1f MB/s", (double)view->bytes / elapsed_s / 1e6);
	}
	buf_printf(out, "%s", view->label);
	if (view->total > 0) {
		double part = view->done < view->total ? (double)view->done / (double)view->total : 1;
		if (elapsed_s > 0.5 && view->done > 0 && part < 1) {
			buf_lit(&tail, "  ETA ");
			print_seconds(&tail, (uint64_t)(elapsed_s / part - elapsed_s + 0.5));
		}
		size_t taken = out->len + tail.len + 8;
		size_t room = columns > taken ? columns - taken : 0;
		if (room > 4)
			print_bar(out, part, room < BAR_COLUMNS_MAX ? room : BAR_COLUMNS_MAX);
	} else {
		buf_lit(&tail, "  ");
		print_seconds(&tail, (uint64_t)elapsed_s);
	}
	buf_str(out, buf_view(&tail));
	if (out->len > columns)
		out->len = columns;
	buf_finish(&tail);
}

static void draw(struct progress *progress)
{
	struct progress_view view = {0};
	struct buf line;

	progress->look(progress->context, &view);
	if (progress->label != NULL && progress->label != view.label)
		progress->started_ns = clock_monotonic_ns();
	progress->label = view.label;
	buf_init(&line, LINE_BYTES_MAX);
	double elapsed_s = (double)(clock_monotonic_ns() - progress->started_ns) / 1e9;
	print_line(&line, &view, elapsed_s, terminal_columns() - 1);
	if (!line.failed)
		fprintf(stderr, "\r%.*s\033[K", STR_ARG(buf_view(&line)));
	fflush(stderr);
	buf_finish(&line);
}

static void *run(void *context)
{
	struct progress *progress = context;
	struct timespec until;

	pthread_mutex_lock(&progress->lock);
	while (!progress->stopping) {
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += DRAW_MS * 1000000L;
		until.tv_sec += until.tv_nsec / 1000000000L;
		until.tv_nsec %= 1000000000L;
		pthread_cond_timedwait(&progress->wake, &progress->lock, &until);
		if (!progress->stopping)
			draw(progress);
	}
	pthread_mutex_unlock(&progress->lock);
	fputs("\r\033[K", stderr);
	fflush(stderr);
	return NULL;
}

void progress_start(struct progress *progress, progress_look_fn *look, void *context)
{
	const char *terminal = getenv("TERM");

	*progress = (struct progress){.look = look, .context = context, .started_ns = clock_monotonic_ns()};
	if (!isatty(STDERR_FILENO) || terminal == NULL || strcmp(terminal, "dumb") == 0)
		return;
	pthread_mutex_init(&progress->lock, NULL);
	pthread_cond_init(&progress->wake, NULL);
	progress->drawing = pthread_create(&progress->thread, NULL, run, progress) == 0;
}

void progress_stop(struct progress *progress)
{
	if (!progress->drawing)
		return;
	pthread_mutex_lock(&progress->lock);
	progress->stopping = true;
	pthread_cond_signal(&progress->wake);
	pthread_mutex_unlock(&progress->lock);
	pthread_join(progress->thread, NULL);
	pthread_cond_destroy(&progress->wake);
	pthread_mutex_destroy(&progress->lock);
	progress->drawing = false;
}
