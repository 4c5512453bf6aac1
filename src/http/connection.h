/* One client's connection: reads requests, has them answered one after the other, and ends.
 *
 *   handshake → waiting ⇄ receiving → (parked ⇄) → sending → waiting …, and at the end lingering
 *
 * Everything here runs on the connection's worker, the only thread that touches it. Others may only post it to that worker
 * (mailbox.h): a lane that has done its job, or whoever wakes a stream. Nothing blocks: what cannot go on returns, and
 * the socket's next event, a post, or the sweep goes on with it.
 *
 * Between two calls a connection that waits holds no buffer. What is read goes to its worker's space; only what must stay
 * (a part of a head, requests behind the one that is being answered) is kept in memory of its own. */
#ifndef EVENTLY_HTTP_CONNECTION_H
#define EVENTLY_HTTP_CONNECTION_H

#include <sys/socket.h>

#include "base/str.h"
#include "http/request.h"
#include "http/wire.h"

struct mailbox;
struct worker;

enum connection_state {
	CONNECTION_NEW,       /* accepted, on its way to its worker */
	CONNECTION_HANDSHAKE,
	CONNECTION_WAITING,   /* for a request; a part of its head may be in */
	CONNECTION_RECEIVING, /* the head is in, the body is not */
	CONNECTION_PARKED,    /* the request belongs to a lane, or the stream waits to be woken: a post will come */
	CONNECTION_SENDING,   /* what is in `unsent` */
	CONNECTION_STREAMING, /* between two pieces of a streamed body */
	CONNECTION_LINGERING, /* answered for the last time; what still comes is thrown away, so that the answer arrives */
	CONNECTION_ENDED,     /* to be freed */
};

enum { CONNECTION_HEAD_BYTES_MAX = 16384 };

struct connection {
	struct connection *previous, *next; /* of the worker's connections */
	struct connection *next_posted;
	struct worker *worker;
	struct mailbox *mailbox; /* the worker's, for those who know no more of it */
	struct wire wire;
	enum connection_state state;
	bool readable;       /* the socket may have bytes for us */
	bool client_ended;   /* the client will send no more; seen by an event */
	bool stream_parked;  /* answer_stream_park was called */
	bool close_after;    /* the answer under way is the last */
	bool yielded;        /* posted by itself, so that the worker's others have their turn first */
	struct request *request; /* from its head to the end of its answer */
	char *kept;          /* unread bytes, from malloc, while nobody runs this connection */
	size_t kept_len;
	size_t line_at;      /* of head_find, in the unread bytes */
	struct str unsent[2];    /* of the answer; the first in the request's arena or in `block`, the second the body */
	char *block;         /* a stream's piece that the socket did not take whole, from malloc */
	uint64_t since_ns;   /* monotonic: of the last step that its patience is counted from */
	size_t lingered_bytes;
	char address[48];    /* the peer's, numeric */
};

/* NULL without memory. The address is sockaddr of the peer; takes fd over when it succeeds. Any thread. */
MUST_CHECK struct connection *connection_create(struct worker *worker, int fd, const struct sockaddr *peer, unsigned peer_len);
/* Closes and frees. Worker, and nothing of it may be parked. */
void connection_destroy(struct connection *connection);
/* Does all that can be done now. Worker. False: it has ended and must be destroyed. */
MUST_CHECK bool connection_run(struct connection *connection);
/* The same after a post: the request or stream goes on. */
MUST_CHECK bool connection_run_posted(struct connection *connection);
/* Ends what has used up its patience. False: it has ended and must be destroyed. `draining`: whoever waits silently is ended
 * sooner. */
MUST_CHECK bool connection_sweep(struct connection *connection, uint64_t now_ns, bool draining);

#endif
