#include "http/worker.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/hash.h"

struct worker {
	struct request *free_requests;
	unsigned free_count;
	struct worker_reply replies[WORKER_REPLIES];
};

static pthread_key_t at_exit;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static _Thread_local struct worker *this_worker;

void worker_drop_reply(struct worker_reply *reply)
{
	if (reply->response != NULL)
		MHD_destroy_response(reply->response);
	*reply = (struct worker_reply){.response = NULL};
}

static void destroy(void *argument)
{
	struct worker *worker = argument;

	while (worker->free_requests != NULL) {
		struct request *request = worker->free_requests;
		worker->free_requests = request->next_free;
		free(request);
	}
	for (unsigned i = 0; i < WORKER_REPLIES; i++)
		worker_drop_reply(&worker->replies[i]);
	free(worker);
	this_worker = NULL;
}

static void make_key(void)
{
	CHECK(pthread_key_create(&at_exit, destroy) == 0);
}

static struct worker *worker_here(void)
{
	if (this_worker != NULL)
		return this_worker;
	pthread_once(&once, make_key);
	struct worker *worker = calloc(1, sizeof *worker);
	if (worker != NULL && pthread_setspecific(at_exit, worker) != 0) {
		free(worker);
		worker = NULL;
	}
	this_worker = worker;
	return worker;
}

struct request *worker_take_request(void)
{
	struct worker *worker = worker_here();

	if (worker == NULL || worker->free_requests == NULL)
		return malloc(sizeof(struct request));
	struct request *request = worker->free_requests;
	worker->free_requests = request->next_free;
	worker->free_count--;
	return request;
}

void worker_keep_request(struct request *request)
{
	struct worker *worker = worker_here();

	if (worker == NULL || worker->free_count >= WORKER_REQUESTS_MAX) {
		free(request);
		return;
	}
	request->next_free = worker->free_requests;
	worker->free_requests = request;
	worker->free_count++;
}

struct worker_reply *worker_reply_of(const char *body)
{
	struct worker *worker = worker_here();

	return worker != NULL ? &worker->replies[hash_keyed_u64((uint64_t)(uintptr_t)body) % WORKER_REPLIES] : NULL;
}
