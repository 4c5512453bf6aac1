/* A request that runs a task on a lane and answers when it is done: what the less busy endpoints have in common.
 *
 *   handler (HTTP thread): parameters → task_request_submit → suspended
 *   work (lane's thread): store calls → result and body → resumed
 *   (HTTP thread): a failed result becomes its problem, else `answer` */
#ifndef EVENTLY_API_TASK_REQUEST_H
#define EVENTLY_API_TASK_REQUEST_H

#include "api/service.h"
#include "lanes/task.h"

struct task_request {
	struct task task;
	struct request *request;
	/* Lane's thread: fills `body` (and whatever of the embedding structure); its result decides. */
	enum store_result (*work)(struct task_request *self, struct store_session *session);
	/* HTTP thread, after STORE_OK. */
	void (*answer)(struct task_request *self);
	enum store_result result;
	struct buf body; /* bounded by body_bytes_max of task_request_init; freed if not answered */
};

enum { TASK_BODY_BYTES_MAX = 64 << 20 };

void task_request_submit(struct task_lane *lane, struct task_request *self, struct request *request,
                         enum store_result (*work)(struct task_request *, struct store_session *),
                         void (*answer)(struct task_request *));
/* An `answer`: 200 with the body as JSON. */
void task_request_answer_json(struct task_request *self);

#endif
