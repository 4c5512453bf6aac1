#include "http/mailbox.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include "http/connection.h"

bool mailbox_init(struct mailbox *mailbox)
{
	atomic_store(&mailbox->newest, NULL);
	mailbox->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return mailbox->wake_fd >= 0;
}

void mailbox_finish(struct mailbox *mailbox)
{
	if (mailbox->wake_fd >= 0)
		close(mailbox->wake_fd);
}

void mailbox_wake(struct mailbox *mailbox)
{
	const uint64_t one = 1;

	CHECK(write(mailbox->wake_fd, &one, sizeof one) == (ssize_t)sizeof one);
}

void mailbox_post(struct connection *connection)
{
	struct mailbox *mailbox = connection->mailbox;
	struct connection *newest = atomic_load_explicit(&mailbox->newest, memory_order_relaxed);

	do
		connection->next_posted = newest;
	while (!atomic_compare_exchange_weak_explicit(&mailbox->newest, &newest, connection, memory_order_release,
	                                              memory_order_relaxed));
	if (newest == NULL)
		mailbox_wake(mailbox);
}

struct connection *mailbox_take(struct mailbox *mailbox)
{
	struct connection *newest = atomic_exchange_explicit(&mailbox->newest, NULL, memory_order_acquire), *oldest = NULL;

	while (newest != NULL) {
		struct connection *next = newest->next_posted;
		newest->next_posted = oldest;
		oldest = newest;
		newest = next;
	}
	return oldest;
}
