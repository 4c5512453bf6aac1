#include "redis/resolver.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"

enum { HOST_BYTES_MAX = 255 };

/* On the heap, since glibc's thread uses it until it is done. */
struct question {
	struct gaicb request;
	struct addrinfo hints;
	char host[HOST_BYTES_MAX + 1];
	char port[8];
};

static struct question *ask(const char *host, unsigned port)
{
	struct question *question = calloc(1, sizeof *question);

	if (question == NULL)
		return NULL;
	snprintf(question->host, sizeof question->host, "%s", host);
	snprintf(question->port, sizeof question->port, "%u", port);
	question->hints = (struct addrinfo){.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG};
	question->request =
		(struct gaicb){.ar_name = question->host, .ar_service = question->port, .ar_request = &question->hints};
	struct gaicb *list[] = {&question->request};
	if (getaddrinfo_a(GAI_NOWAIT, list, 1, NULL) != 0) {
		free(question);
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
	int answer;
	while ((answer = gai_error(&resolver->open->request)) == EAI_INPROGRESS) {
		const struct gaicb *list[] = {&resolver->open->request};
		int left_ms = clock_left_ms(deadline_ns);
		struct timespec left = {left_ms / 1000, (long)(left_ms % 1000) * 1000000};
		if (left_ms == 0) {
			*why = "the name server does not answer";
			return RESOLVER_TIMEOUT;
		}
		(void)gai_suspend(list, 1, &left);
	}
	*addresses = resolver->open->request.ar_result;
	free(resolver->open);
	resolver->open = NULL;
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
	/* Still being worked on and not to be stopped: glibc goes on using it, so it stays. */
	if (gai_cancel(&question->request) == EAI_NOTCANCELED)
		return;
	if (question->request.ar_result != NULL)
		freeaddrinfo(question->request.ar_result);
	free(question);
}
