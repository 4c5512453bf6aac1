#include "redis/reply.h"

#include <hiredis/read.h>
#include <stdlib.h>

struct reply_reader {
	redisReader *parser;
	struct arena *arena;
	size_t bytes;    /* fed since reply_reader_begin */
	size_t elements; /* announced since then by arrays of any depth */
};

/* Makes the reply and hangs it into its array, as hiredis expects of these functions. NULL: out of memory. */
static struct redis_reply *make(const redisReadTask *task, enum redis_reply_type type)
{
	const struct reply_reader *reader = task->privdata;
	struct redis_reply *reply = arena_new(reader->arena, struct redis_reply);

	if (reply == NULL)
		return NULL;
	reply->type = type;
	if (task->parent != NULL) {
		struct redis_reply *array = task->parent->obj;
		CHECK(array->type == REPLY_ARRAY && task->idx >= 0 && (size_t)task->idx < array->count);
		array->elements[task->idx] = reply;
	}
	return reply;
}

/* NOLINTNEXTLINE(readability-non-const-parameter): hiredis gives the type */
static void *make_text(const redisReadTask *task, char *bytes, size_t count)
{
	const struct reply_reader *reader = task->privdata;
	struct redis_reply *reply = make(task, task->type == REDIS_REPLY_ERROR    ? REPLY_ERROR
					       : task->type == REDIS_REPLY_STATUS ? REPLY_STATUS
										  : REPLY_TEXT);

	if (reply == NULL)
		return NULL;
	reply->text = arena_str(reader->arena, (struct str){bytes, count});
	return reply->text.ptr != NULL ? reply : NULL;
}

/* The count is the peer's word: without a bound "*2147483647" would take gigabytes before the first element. */
static void *make_array(const redisReadTask *task, int count)
{
	struct reply_reader *reader = task->privdata;

	if (count < 0 || (size_t)count > REPLY_ELEMENTS_MAX - reader->elements)
		return NULL;
	struct redis_reply *reply = make(task, REPLY_ARRAY);
	if (reply == NULL)
		return NULL;
	reader->elements += (size_t)count;
	reply->elements = arena_array(reader->arena, struct redis_reply *, (size_t)count);
	reply->count = (size_t)count;
	return reply->elements != NULL ? reply : NULL;
}

static void *make_integer(const redisReadTask *task, long long value)
{
	struct redis_reply *reply = make(task, REPLY_INTEGER);

	if (reply != NULL)
		reply->integer = value;
	return reply;
}

static void *make_nil(const redisReadTask *task)
{
	return make(task, REPLY_NIL);
}

/* The arena frees. */
static void leave(void *reply)
{
	(void)reply;
}

static redisReplyObjectFunctions functions = {make_text, make_array, make_integer, make_nil, leave};

struct reply_reader *reply_reader_create(void)
{
	struct reply_reader *reader = calloc(1, sizeof *reader);

	if (reader == NULL)
		return NULL;
	reader->parser = redisReaderCreateWithFunctions(&functions);
	if (reader->parser == NULL) {
		free(reader);
		return NULL;
	}
	reader->parser->privdata = reader;
	return reader;
}

void reply_reader_destroy(struct reply_reader *reader)
{
	if (reader == NULL)
		return;
	redisReaderFree(reader->parser);
	free(reader);
}

void reply_reader_begin(struct reply_reader *reader, struct arena *arena)
{
	reader->arena = arena;
	reader->bytes = 0;
	reader->elements = 0;
}

/* The parser says "out of memory" for everything that was refused while a reply was made. */
static enum reply_progress failure(const struct reply_reader *reader)
{
	return reader->parser->err == REDIS_ERR_OOM ? REPLY_TOO_LARGE : REPLY_BROKEN;
}

enum reply_progress reply_reader_feed(struct reply_reader *reader, const void *bytes, size_t count)
{
	if (count > REPLY_BYTES_MAX - reader->bytes)
		return REPLY_TOO_LARGE;
	reader->bytes += count;
	return redisReaderFeed(reader->parser, bytes, count) == REDIS_OK ? REPLY_READY : failure(reader);
}

enum reply_progress reply_reader_next(struct reply_reader *reader, struct redis_reply **reply)
{
	void *made = NULL;

	*reply = NULL;
	if (redisReaderGetReply(reader->parser, &made) != REDIS_OK)
		return failure(reader);
	if (made == NULL)
		return REPLY_INCOMPLETE;
	*reply = made;
	return REPLY_READY;
}

bool reply_reader_is_empty(const struct reply_reader *reader)
{
	const redisReader *parser = reader->parser;
	/* When asked without bytes it prepares the next reply, of no type as yet. */
	bool between = parser->ridx < 0 || (parser->ridx == 0 && parser->rstack[0].type < 0);
	return between && parser->pos == parser->len;
}
