#include "base/resolver.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"

enum { HOST_BYTES_MAX = 255 };

/* Shared by the asker and the thread that waits for the name server; whoever leaves last frees it. */
struct question {
	char host[HOST_BYTES_MAX + 1];
	char port[8];
	pthread_mutex_t lock;
	pthread_cond_t answered;
	/* under lock */
	bool is_answered, is_abandoned;
	int answer; /* of getaddrinfo */
	struct addrinfo *addresses;
};

static void release(struct question *question)
{
	if (question->addresses != NULL)
		freeaddrinfo(question->addresses);
	pthread_cond_destroy(&question->answered);
	pthread_mutex_destroy(&question->lock);
	free(question);
}

static void *wait_for_name_server(void *argument)
{
	struct question *question = argument;
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG};
	struct addrinfo *addresses = NULL;
	int answer = getaddrinfo(question->host, question->port, &hints, &addresses);

	pthread_mutex_lock(&question->lock);
	question->answer = answer;
	question->addresses = answer == 0 ? addresses : NULL;
	question->is_answered = true;
	bool is_last = question->is_abandoned;
	pthread_cond_signal(&question->answered);
	pthread_mutex_unlock(&question->lock);
	if (is_last)
		release(question);
	return NULL;
}

/* Without any signal, which are for other threads. */
static bool start_thread(struct question *question)
{
	pthread_attr_t attributes;
	pthread_t thread;
	sigset_t all, before;

	if (pthread_attr_init(&attributes) != 0)
		return false;
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int failed = pthread_create(&thread, &attributes, wait_for_name_server, question);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return failed == 0;
}

static struct question *ask(const char *host, unsigned port)
{
	struct question *question = calloc(1, sizeof *question);
	pthread_condattr_t attributes;

	if (question == NULL)
		return NULL;
	snprintf(question->host, sizeof question->host, "%s", host);
	snprintf(question->port, sizeof question->port, "%u", port);
	pthread_mutex_init(&question->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&question->answered, &attributes);
	pthread_condattr_destroy(&attributes);
	if (!start_thread(question)) {
		release(question);
		return NULL;
	}
	return question;
}

static bool find_numeric(const char *host, unsigned port, struct addrinfo **addresses)
{
	char digits[8];
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};

	snprintf(digits, sizeof digits, "%u", port);
	return getaddrinfo(host, digits, &hints, addresses) == 0;
}

static bool wait_for_answer(struct question *question, uint64_t deadline_ns)
{
	struct timespec until = {(time_t)(deadline_ns / CLOCK_SECOND), (long)(deadline_ns % CLOCK_SECOND)};

	pthread_mutex_lock(&question->lock);
	while (!question->is_answered) {
		if (pthread_cond_timedwait(&question->answered, &question->lock, &until) == ETIMEDOUT)
			break;
	}
	bool is_answered = question->is_answered;
	pthread_mutex_unlock(&question->lock);
	return is_answered;
}

enum resolver_result resolver_find(struct resolver *resolver, const char *host, unsigned port, uint64_t deadline_ns,
				   struct addrinfo **addresses, const char **why)
{
	*why = "no memory";
	if (find_numeric(host, port, addresses))
		return RESOLVER_DONE;
	if (strlen(host) > HOST_BYTES_MAX) {
		*why = "the name is too long";
		return RESOLVER_FAILED;
	}
	if (resolver->open == NULL)
		resolver->open = ask(host, port);
	if (resolver->open == NULL)
		return RESOLVER_FAILED;
	if (!wait_for_answer(resolver->open, deadline_ns)) {
		*why = "the name server does not answer";
		return RESOLVER_TIMEOUT;
	}
	int answer = resolver->open->answer;
	*addresses = resolver->open->addresses;
	resolver->open->addresses = NULL;
	resolver_finish(resolver);
	if (answer == 0 && *addresses != NULL)
		return RESOLVER_DONE;
	*why = answer != 0 ? gai_strerror(answer) : "it has no address";
	return RESOLVER_FAILED;
}

void resolver_finish(struct resolver *resolver)
{
	struct question *question = resolver->open;

	resolver->open = NULL;
	if (question == NULL)
		return;
	pthread_mutex_lock(&question->lock);
	question->is_abandoned = true;
	bool is_last = question->is_answered;
	pthread_mutex_unlock(&question->lock);
	if (is_last)
		release(question);
}
