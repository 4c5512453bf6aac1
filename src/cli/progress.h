/* A progress bar on standard error, when that is a terminal; drawn ten times a second by a thread of its own, so that it
 * also moves while a command waits. */
#ifndef EVENTLY_CLI_PROGRESS_H
#define EVENTLY_CLI_PROGRESS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* What is to be drawn now. */
struct progress_view {
	const char *label;   /* "import", "writing" */
	uint64_t done, total; /* in one unit; total 0 when unknown */
	uint64_t count;      /* how many `noun` */
	const char *noun;    /* "lines", "events" */
	uint64_t bytes;      /* 0: no rate in bytes is shown; with total 0 no rate at all */
};

/* Called by the drawing thread. */
typedef void progress_look_fn(void *context, struct progress_view *view);

struct progress {
	progress_look_fn *look;
	void *context;
	bool drawing; /* a thread runs */
	bool stopping; /* under lock */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	/* of the drawing thread */
	const char *label;   /* drawn last */
	uint64_t started_ns; /* when that label began */
};

void progress_start(struct progress *progress, progress_look_fn *look, void *context);
/* Ends the thread and clears the line. */
void progress_stop(struct progress *progress);

#endif
