#include "redis/cluster.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "redis/node.h"

enum {
	NOWHERE = UINT8_MAX,    /* no node is known for the slot */
	ROUNDS_MAX = 4,         /* of sending, redirections included */
	REFRESH_PAUSE_MS = 100, /* between readings of the map */
	COMMANDS_BYTES_MAX = REDIS_REQUEST_BYTES_MAX,
	MAP_BYTES_MAX = 4 << 20,
};
_Static_assert((int)REDIS_NODES_MAX < (int)NOWHERE, "a node's number fits into a byte");

struct command {
	struct str *arguments;
	size_t count;
	size_t reply;    /* which reply of the run it makes */
	size_t element;  /* which element of that, for a part of an MGET; SIZE_MAX: all of it */
	int slot;        /* -1: any node */
	uint8_t ask;     /* the node to ask just this once; NOWHERE: the slot's */
	bool sent, done; /* in this round; for good */
};

struct cluster {
	const struct redis_options *options;
	struct redis_node nodes[REDIS_NODES_MAX];
	size_t node_count;
	uint8_t slots[REDIS_SLOTS];
	bool is_stale; /* the map is to be read anew */
	uint64_t refreshed_at_ns;
	struct arena memory; /* of the commands */
	struct command *commands;
	size_t count, room, replies;
};

static void forget_nodes(struct cluster *cluster)
{
	while (cluster->node_count > 0)
		node_close(&cluster->nodes[--cluster->node_count]);
	memset(cluster->slots, NOWHERE, sizeof cluster->slots);
	cluster->is_stale = true;
}

void cluster_reset(struct cluster *cluster)
{
	forget_nodes(cluster);
}

struct cluster *cluster_create(const struct redis_options *options)
{
	struct cluster *cluster = calloc(1, sizeof *cluster);

	if (cluster == NULL)
		return NULL;
	cluster->options = options;
	arena_init(&cluster->memory, COMMANDS_BYTES_MAX);
	forget_nodes(cluster);
	return cluster;
}

void cluster_destroy(struct cluster *cluster)
{
	if (cluster == NULL)
		return;
	forget_nodes(cluster);
	arena_finish(&cluster->memory);
	free(cluster->commands);
	free(cluster);
}

/* The node's number, made when it is new; NOWHERE without room or memory. */
static uint8_t node_of(struct cluster *cluster, const struct redis_place *place)
{
	for (size_t i = 0; i < cluster->node_count; i++)
		if (redis_place_same(&cluster->nodes[i].place, place))
			return (uint8_t)i;
	if (cluster->node_count == REDIS_NODES_MAX ||
	    !node_open(&cluster->nodes[cluster->node_count], cluster->options, place, NODE_OF_CLUSTER))
		return NOWHERE;
	return (uint8_t)cluster->node_count++;
}

/* ---- the map ---- */

/* One row of CLUSTER SLOTS: first, last, [host, port, …] of the master, then the replicas. An empty or absent host is
 * the host that was asked. */
static bool row_place(const struct redis_reply *row, const struct redis_place *asked, struct redis_place *place)
{
	if (row->type != REPLY_ARRAY || row->count < 3 || row->elements[2]->type != REPLY_ARRAY ||
	    row->elements[2]->count < 2)
		return false;
	const struct redis_reply *host = row->elements[2]->elements[0], *port = row->elements[2]->elements[1];
	if (port->integer <= 0 || port->integer > 65535)
		return false;
	*place = *asked;
	place->port = (unsigned)port->integer;
	if (host->type != REPLY_TEXT || host->text.len == 0 || str_equal(host->text, STR("?")))
		return true;
	return redis_place_set(place, host->text, STR("1")) && (place->port = (unsigned)port->integer) != 0;
}

static void take_row(struct cluster *cluster, const struct redis_reply *row, const struct redis_place *asked)
{
	struct redis_place place;

	if (!row_place(row, asked, &place))
		return;
	int64_t first = row->elements[0]->integer, last = row->elements[1]->integer;
	uint8_t node = node_of(cluster, &place);
	for (int64_t slot = first; slot >= 0 && slot <= last && slot < REDIS_SLOTS; slot++)
		cluster->slots[slot] = node;
}

static const struct redis_reply *ask_map(struct redis *redis, uint64_t deadline_ns, struct arena *arena)
{
	struct redis_reply **replies;

	redis_append(redis, STR("CLUSTER"), STR("SLOTS"));
	if (redis_run(redis, deadline_ns, arena, &replies) != REDIS_DONE)
		return NULL;
	return replies[0]->type == REPLY_ARRAY && replies[0]->count > 0 ? replies[0] : NULL;
}

static bool refresh_from(struct cluster *cluster, struct redis_node *node, uint64_t deadline_ns)
{
	struct redis_place asked = node->place;
	struct arena arena;

	arena_init(&arena, MAP_BYTES_MAX);
	uint64_t now_ns = clock_monotonic_ns();
	const struct redis_reply *map = ask_map(node->redis, now_ns + (deadline_ns - now_ns) / 2, &arena);
	for (size_t i = 0; map != NULL && i < map->count; i++)
		take_row(cluster, map->elements[i], &asked);
	cluster->is_stale = map == NULL;
	arena_finish(&arena);
	return map != NULL;
}

/* From any node that answers: those that are known, then those of the settings. */
static void refresh(struct cluster *cluster, uint64_t deadline_ns)
{
	struct str list = str_from(cluster->options->cluster);
	struct redis_place place;
	uint64_t now_ns = clock_monotonic_ns();

	if (cluster->node_count > 0 && now_ns - cluster->refreshed_at_ns < REFRESH_PAUSE_MS * CLOCK_MS)
		return;
	cluster->refreshed_at_ns = now_ns;
	if (cluster->node_count >= REDIS_NODES_MAX / 2)
		forget_nodes(cluster); /* many came and went: begin anew with those that are there */
	for (size_t i = 0; i < cluster->node_count && clock_left_ms(deadline_ns) > 0; i++)
		if (breaker_state(&cluster->nodes[i].breaker) == BREAKER_CLOSED &&
		    refresh_from(cluster, &cluster->nodes[i], deadline_ns))
			return;
	while (redis_place_next(&list, &place) && clock_left_ms(deadline_ns) > 0) {
		uint8_t node = node_of(cluster, &place);
		if (node != NOWHERE && refresh_from(cluster, &cluster->nodes[node], deadline_ns))
			return;
	}
}

/* ---- commands ---- */

static struct command *add_command(struct cluster *cluster, size_t count)
{
	if (cluster->count == cluster->room) {
		size_t room = cluster->room * 2 + 64;
		struct command *commands = reallocarray(cluster->commands, room, sizeof *commands);
		if (commands == NULL)
			return NULL;
		cluster->commands = commands;
		cluster->room = room;
	}
	struct command *command = &cluster->commands[cluster->count];
	*command = (struct command){.arguments = arena_array(&cluster->memory, struct str, count), .count = count,
				    .reply = cluster->replies, .element = SIZE_MAX, .slot = -1, .ask = NOWHERE};
	if (command->arguments == NULL)
		return NULL;
	cluster->count++;
	return command;
}

/* Where the key stands among the arguments; 0: there is none. */
static size_t key_position(const struct str *arguments, size_t count)
{
	static const struct str without[] = {STR("PING"), STR("PUBLISH"), STR("SCRIPT"), STR("CLUSTER"), STR("INFO")};

	for (size_t i = 0; i < ARRAY_LENGTH(without); i++)
		if (str_equal_caseless(arguments[0], without[i]))
			return 0;
	if (str_equal_caseless(arguments[0], STR("EVAL")) || str_equal_caseless(arguments[0], STR("EVALSHA")))
		return count > 3 ? 3 : 0;
	size_t position = str_equal_caseless(arguments[0], STR("XINFO")) ? 2 : 1;
	return position < count ? position : 0;
}

static void append_one(struct cluster *cluster, const struct str *arguments, size_t count, size_t element)
{
	struct command *command = add_command(cluster, count);

	if (command == NULL) {
		cluster->memory.failed = true;
		return;
	}
	for (size_t i = 0; i < count; i++)
		command->arguments[i] = arena_str(&cluster->memory, arguments[i]);
	command->element = element;
	size_t position = key_position(arguments, count);
	if (position > 0)
		command->slot = (int)redis_slot(arguments[position]);
}

void cluster_append(struct cluster *cluster, const struct str *arguments, size_t count)
{
	if (str_equal_caseless(arguments[0], STR("MGET"))) {
		for (size_t i = 1; i < count; i++)
			append_one(cluster, (const struct str[]){STR("GET"), arguments[i]}, 2, i - 1);
	} else {
		append_one(cluster, arguments, count, SIZE_MAX);
	}
	cluster->replies++;
}

/* ---- a run ---- */

static struct redis_reply *new_reply(struct arena *arena, enum redis_reply_type type, struct str text, size_t count)
{
	struct redis_reply *reply = arena_alloc(arena, sizeof *reply);

	if (reply == NULL)
		return NULL;
	*reply = (struct redis_reply){.type = type, .text = text, .count = count};
	if (count > 0)
		reply->elements = arena_array(arena, struct redis_reply *, count);
	return count > 0 && reply->elements == NULL ? NULL : reply;
}

/* Every reply says from the start that nobody answered; parts of an MGET say that there is nothing. */
static bool prepare_replies(struct cluster *cluster, struct arena *arena, struct redis_reply **replies, size_t count)
{
	struct redis_reply *nobody = new_reply(arena, REPLY_ERROR, STR("CLUSTERDOWN no node answers for this slot"), 0);
	struct redis_reply *nothing = new_reply(arena, REPLY_NIL, STR_NONE, 0);

	for (size_t i = 0; i < count; i++)
		replies[i] = nobody;
	for (size_t i = 0; i < cluster->count; i++) {
		const struct command *command = &cluster->commands[i];
		if (command->element != 0)
			continue;
		size_t parts = 1;
		while (i + parts < cluster->count && cluster->commands[i + parts].reply == command->reply)
			parts++;
		replies[command->reply] = new_reply(arena, REPLY_ARRAY, STR_NONE, parts);
		for (size_t j = 0; replies[command->reply] != NULL && j < parts; j++)
			replies[command->reply]->elements[j] = nothing;
	}
	return !arena->failed && nobody != NULL && nothing != NULL;
}

/* "MOVED 3999 127.0.0.1:6381", "ASK …": where to. An empty host is the one that said so. */
static uint8_t redirection(struct cluster *cluster, struct str text, const struct redis_place *from, int *slot)
{
	struct str rest = text, word, number, target;
	struct redis_place place;
	uint64_t value;

	if (!str_cut(&rest, ' ', &word) || !str_cut(&rest, ' ', &number) || rest.ptr == NULL ||
	    !str_to_u64(number, REDIS_SLOTS - 1, &value))
		return NOWHERE;
	target = str_trim(rest);
	*slot = (int)value;
	if (target.len > 1 && target.ptr[0] == ':') {
		place = *from;
		if (!redis_place_set(&place, str_from(from->host), str_skip(target, 1)))
			return NOWHERE;
	} else if (!redis_place_parse(&place, target)) {
		return NOWHERE;
	}
	return node_of(cluster, &place);
}

static void take_reply(struct cluster *cluster, struct command *command, struct redis_reply *reply,
		       const struct redis_place *from, struct redis_reply **replies)
{
	int slot = -1;

	if (redis_reply_is_error(reply, "MOVED ")) {
		uint8_t node = redirection(cluster, reply->text, from, &slot);
		cluster->is_stale = true;
		if (node != NOWHERE)
			cluster->slots[slot] = node;
		return;
	}
	if (redis_reply_is_error(reply, "ASK ")) {
		command->ask = redirection(cluster, reply->text, from, &slot);
		return;
	}
	if (redis_reply_is_error(reply, "CLUSTERDOWN"))
		cluster->is_stale = true;
	command->done = true;
	if (command->element == SIZE_MAX)
		replies[command->reply] = reply;
	else if (reply->type == REPLY_TEXT)
		replies[command->reply]->elements[command->element] = reply;
}

static uint8_t target_of(const struct cluster *cluster, const struct command *command)
{
	if (command->ask != NOWHERE)
		return command->ask;
	if (command->slot >= 0)
		return cluster->slots[command->slot];
	return cluster->node_count > 0 ? 0 : NOWHERE;
}

/* Sends what belongs to this node; UNAVAILABLE when that is nothing. */
static enum redis_result run_on(struct cluster *cluster, uint8_t number, uint64_t deadline_ns, struct arena *arena,
				struct redis_reply **replies)
{
	struct redis_node *node = &cluster->nodes[number];
	struct redis_place from = node->place;
	struct redis_reply **got;
	size_t taken = 0, sent = 0;

	for (size_t i = 0; i < cluster->count; i++) {
		struct command *command = &cluster->commands[i];
		command->sent = !command->done && target_of(cluster, command) == number;
		if (!command->sent)
			continue;
		sent++;
		if (command->ask != NOWHERE)
			redis_append(node->redis, STR("ASKING"));
		redis_append_list(node->redis, command->arguments, command->count);
	}
	if (sent == 0)
		return REDIS_UNAVAILABLE;
	enum redis_result result = redis_run(node->redis, deadline_ns, arena, &got);
	if (result != REDIS_DONE) {
		cluster->is_stale = true;
		return result;
	}
	for (size_t i = 0; i < cluster->count; i++) {
		struct command *command = &cluster->commands[i];
		if (!command->sent)
			continue;
		taken += command->ask != NOWHERE;
		command->ask = NOWHERE;
		take_reply(cluster, command, got[taken++], &from, replies);
	}
	return REDIS_DONE;
}

static bool is_finished(const struct cluster *cluster)
{
	for (size_t i = 0; i < cluster->count; i++)
		if (!cluster->commands[i].done)
			return false;
	return true;
}

/* Nodes that answered are counted; a node that failed is left alone by its breaker in the rounds that follow. */
static size_t run_round(struct cluster *cluster, uint64_t deadline_ns, struct arena *arena, struct redis_reply **replies,
			enum redis_result *failure, struct buf *problem)
{
	size_t answered = 0, node_count = cluster->node_count;

	for (size_t i = 0; i < node_count; i++) {
		enum redis_result result = run_on(cluster, (uint8_t)i, deadline_ns, arena, replies);
		answered += result == REDIS_DONE;
		if (result == REDIS_DONE || result == REDIS_UNAVAILABLE)
			continue;
		*failure = result;
		buf_clear(problem);
		buf_printf(problem, "%s", redis_problem(cluster->nodes[i].redis));
	}
	return answered;
}

enum redis_result cluster_run(struct cluster *cluster, uint64_t deadline_ns, struct arena *arena,
			      struct redis_reply **replies, size_t count, struct buf *problem)
{
	enum redis_result failure = REDIS_LOST;
	size_t answered = 0;

	CHECK(count == cluster->replies);
	if (cluster->memory.failed || !prepare_replies(cluster, arena, replies, count)) {
		buf_lit(problem, "memory is out, or the commands are too large");
		failure = REDIS_TOO_LARGE;
	} else {
		buf_lit(problem, "no node of REDIS_CLUSTER answers");
		for (int round = 0; round < ROUNDS_MAX && clock_left_ms(deadline_ns) > 0; round++) {
			if (cluster->is_stale)
				refresh(cluster, deadline_ns);
			answered += run_round(cluster, deadline_ns, arena, replies, &failure, problem);
			if (is_finished(cluster))
				break;
		}
	}
	return answered > 0 ? REDIS_DONE : failure;
}

void cluster_clear(struct cluster *cluster)
{
	arena_reset(&cluster->memory);
	cluster->count = cluster->replies = 0;
}

/* ---- one key's node ---- */

static bool find_in(const struct redis_reply *map, int64_t slot, const struct redis_place *asked,
		    struct redis_place *place)
{
	for (size_t i = 0; map != NULL && i < map->count; i++) {
		const struct redis_reply *row = map->elements[i];
		if (row_place(row, asked, place) && row->elements[0]->integer <= slot && slot <= row->elements[1]->integer)
			return true;
	}
	return false;
}

enum redis_result cluster_find(const struct redis_options *options, uint64_t deadline_ns, struct redis_place *place,
			       struct buf *problem)
{
	struct str list = str_from(options->cluster);
	int64_t slot = redis_slot(str_from(options->home_key));
	struct redis_place asked;
	bool found = false;

	buf_lit(problem, "no node of REDIS_CLUSTER answers");
	while (!found && redis_place_next(&list, &asked) && clock_left_ms(deadline_ns) > 0) {
		uint64_t now_ns = clock_monotonic_ns();
		struct redis_node node;
		struct arena arena;
		if (!node_open(&node, options, &asked, NODE_OF_CLUSTER))
			return REDIS_TOO_LARGE;
		arena_init(&arena, MAP_BYTES_MAX);
		const struct redis_reply *map = ask_map(node.redis, now_ns + (deadline_ns - now_ns) / 2, &arena);
		found = find_in(map, slot, &asked, place);
		if (!found && redis_problem(node.redis)[0] != '\0') {
			buf_clear(problem);
			buf_printf(problem, "%s", redis_problem(node.redis));
		}
		arena_finish(&arena);
		node_close(&node);
	}
	return found ? REDIS_DONE : REDIS_LOST;
}
