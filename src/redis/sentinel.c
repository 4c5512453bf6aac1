#include "redis/sentinel.h"

#include <stdatomic.h>

#include "base/clock.h"
#include "redis/node.h"

/* The sentinel that answered last is asked first: one that is dead costs its share of the time only once. */
static atomic_uint last_good;

static enum redis_result ask(struct redis *sentinel, const struct redis_options *options, uint64_t deadline_ns,
			     struct redis_place *place, struct buf *problem)
{
	struct redis_reply **replies;
	struct arena arena;

	arena_init(&arena, 1 << 16);
	redis_append(sentinel, STR("SENTINEL"), STR("GET-MASTER-ADDR-BY-NAME"), str_from(options->master_name));
	enum redis_result result = redis_run(sentinel, deadline_ns, &arena, &replies);
	if (result != REDIS_DONE) {
		buf_printf(problem, "%s", redis_problem(sentinel));
	} else if (replies[0]->type != REPLY_ARRAY || replies[0]->count != 2 ||
		   !redis_place_set(place, replies[0]->elements[0]->text, replies[0]->elements[1]->text)) {
		buf_printf(problem, "the sentinel does not know \"%s\"; check REDIS_MASTER_NAME", options->master_name);
		result = REDIS_REFUSED;
	}
	arena_finish(&arena);
	return result;
}

enum redis_result sentinel_find(const struct redis_options *options, uint64_t deadline_ns, struct redis_place *place,
				struct buf *problem)
{
	struct redis_place sentinels[REDIS_NODES_MAX];
	struct str list = str_from(options->sentinels);
	enum redis_result result = REDIS_LOST;
	size_t count = 0;

	while (count < REDIS_NODES_MAX && redis_place_next(&list, &sentinels[count]))
		count++;
	unsigned first = atomic_load(&last_good);
	for (size_t i = 0; i < count && result != REDIS_DONE && clock_left_ms(deadline_ns) > 0; i++) {
		size_t index = (first + i) % count;
		uint64_t now_ns = clock_monotonic_ns();
		struct redis_node node;
		buf_clear(problem);
		if (!node_open(&node, options, &sentinels[index], NODE_OF_SENTINEL))
			return REDIS_TOO_LARGE;
		/* Half of what is left each: the last ones must not find nothing. */
		result = ask(node.redis, options, now_ns + (deadline_ns - now_ns) / 2, place, problem);
		node_close(&node);
		if (result == REDIS_DONE)
			atomic_store(&last_good, (unsigned)index);
	}
	return result;
}
