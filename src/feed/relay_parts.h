/* The inside of the relay, for relay.c and recovery.c: its state, and how a step's outcome decides the next. */
#ifndef EVENTLY_FEED_RELAY_PARTS_H
#define EVENTLY_FEED_RELAY_PARTS_H

#include <pthread.h>
#include <stdatomic.h>

#include "feed/outlet.h"
#include "feed/relay.h"

enum { RELAY_BATCH_BYTES_MAX = 256 << 20 }; /* of one batch in memory */

enum redis_state { REDIS_AWAY, REDIS_REFUSING, REDIS_CONNECTED };

/* A run of changes read from the log. */
struct batch {
	enum store_result result;
	uint64_t after, head;
	struct change *changes; /* in the arena */
	size_t count;
	struct arena arena;
};

struct relay {
	struct relay_options options;
	pthread_t thread;
	int wake_fd;
	atomic_bool stop;
	/* read by other threads */
	atomic_bool holder;
	atomic_int redis;              /* enum redis_state */
	_Atomic uint64_t published;    /* last change on the channels */
	_Atomic uint64_t head;         /* of the log, as last read */
	/* the thread's own */
	struct store_session *session;
	struct outlet *outlet;
	uint64_t streamed;             /* last change in the stream */
	uint64_t recorded;             /* what the database says of `published` */
	uint64_t recorded_ns, checked_ns, read_ns;
	struct batch batches[2];       /* the one that is sent, and the one read meanwhile */
	uint64_t ahead_after;          /* where the latter begins */
	bool in_trouble;               /* it was logged, and nothing has succeeded since */
};

/* What a step of the holder leads to. */
enum step { STEP_MORE, STEP_IDLE, STEP_LOOK, STEP_WAIT, STEP_RELEASE };

/* What a result leads to; trouble is logged when it begins. */
MUST_CHECK enum step relay_judge_store(struct relay *relay, enum store_result result);
MUST_CHECK enum step relay_judge_outlet(struct relay *relay, enum outlet_result result);
/* Sets the deadline of the following store call. */
void relay_bound(struct relay *relay);
/* Records in the database how far messages went. */
MUST_CHECK enum step relay_record(struct relay *relay);
/* Keeps the lock, and says whether it is held. */
MUST_CHECK enum step relay_hold_lock(struct relay *relay);
void relay_set_published(struct relay *relay, uint64_t seq);

/* recovery.c: with the lock held, finds out where log, stream and channels stand, and prepares what is missing. */
MUST_CHECK enum step relay_look(struct relay *relay);
/* recovery.c: the log begins behind `after`, which stream or channels would need next. */
MUST_CHECK enum step relay_skip_pruned(struct relay *relay, uint64_t after);

#endif
