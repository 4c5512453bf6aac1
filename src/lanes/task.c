#include "lanes/task.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/metrics.h"

enum { THREADS_MAX = 8 };

struct worker {
	struct task_lane *lane;
	struct store_session *session;
	pthread_t thread;
};

struct task_lane {
	enum lane name;
	struct queue queue;
	unsigned worker_count;
	struct worker workers[THREADS_MAX];
};

static void *run(void *argument)
{
	struct worker *worker = argument;
	struct task_lane *lane = worker->lane;
	struct queue_job *job;

	while (queue_take(&lane->queue, 1, -1, &job) > 0) {
		struct task *task = CONTAINER_OF(job, struct task, link);
		metrics_count(METRIC_LANE_BATCH, lane->name, 1);
		metrics_count(METRIC_LANE_JOBS, lane->name, 1);
		metrics_gauge(METRIC_LANE_DEPTH, lane->name, (int64_t)queue_length(&lane->queue));
		store_session_deadline(worker->session, task->deadline_ns);
		task->run(task, worker->session);
	}
	return NULL;
}

static bool start_worker(struct task_lane *lane, struct store *store)
{
	struct worker *worker = &lane->workers[lane->worker_count];

	worker->lane = lane;
	worker->session = store_session_open(store);
	if (worker->session == NULL)
		return false;
	if (pthread_create(&worker->thread, NULL, run, worker) != 0) {
		store_session_close(worker->session);
		return false;
	}
	lane->worker_count++;
	return true;
}

struct task_lane *task_lane_start(struct store *store, enum lane name, unsigned threads, size_t queue_max)
{
	struct task_lane *lane = calloc(1, sizeof *lane);

	CHECK(threads >= 1 && threads <= THREADS_MAX);
	if (lane == NULL)
		return NULL;
	lane->name = name;
	if (!queue_init(&lane->queue, queue_max)) {
		free(lane);
		return NULL;
	}
	for (unsigned i = 0; i < threads; i++) {
		if (!start_worker(lane, store)) {
			task_lane_stop(lane);
			task_lane_destroy(lane);
			return NULL;
		}
	}
	return lane;
}

bool task_submit(struct task_lane *lane, struct task *task)
{
	bool accepted = queue_push(&lane->queue, &task->link);

	if (!accepted)
		metrics_count(METRIC_LANE_REFUSED, lane->name, 1);
	return accepted;
}

void task_lane_stop(struct task_lane *lane)
{
	if (lane == NULL)
		return;
	queue_close(&lane->queue);
	for (unsigned i = 0; i < lane->worker_count; i++)
		pthread_join(lane->workers[i].thread, NULL);
}

void task_lane_destroy(struct task_lane *lane)
{
	if (lane == NULL)
		return;
	for (unsigned i = 0; i < lane->worker_count; i++)
		store_session_close(lane->workers[i].session);
	queue_finish(&lane->queue);
	free(lane);
}
