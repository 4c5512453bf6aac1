#include "store/postgres/plan.h"

#include <stdlib.h>

enum { ANSWER_BYTES_MAX = 1 << 20 };

static int compare_events(const void *a, const void *b)
{
	int64_t left = ((const struct plan_event *)a)->id, right = ((const struct plan_event *)b)->id;
	return (left > right) - (left < right);
}

static int compare_keys(const void *a, const void *b)
{
	const struct plan_key *left = a, *right = b;

	if (left->user_id != right->user_id)
		return left->user_id < right->user_id ? -1 : 1;
	size_t shorter = left->key.len < right->key.len ? left->key.len : right->key.len;
	int order = shorter > 0 ? memcmp(left->key.ptr, right->key.ptr, shorter) : 0;
	return order != 0 ? order : (left->key.len > right->key.len) - (left->key.len < right->key.len);
}

static void sort_events(struct plan *plan)
{
	size_t kept = 0;

	qsort(plan->events, plan->event_count, sizeof *plan->events, compare_events);
	for (size_t i = 0; i < plan->event_count; i++)
		if (kept == 0 || plan->events[kept - 1].id != plan->events[i].id)
			plan->events[kept++] = plan->events[i];
	plan->event_count = kept;
}

static void sort_keys(struct plan *plan)
{
	size_t kept = 0;

	qsort(plan->keys, plan->key_count, sizeof *plan->keys, compare_keys);
	for (size_t i = 0; i < plan->key_count; i++)
		if (kept == 0 || compare_keys(&plan->keys[kept - 1], &plan->keys[i]) != 0)
			plan->keys[kept++] = plan->keys[i];
	plan->key_count = kept;
}

bool plan_init(struct plan *plan, struct store_write *writes, size_t count, bool all_or_nothing, int64_t now_us,
               struct arena *arena)
{
	*plan = (struct plan){.writes = writes, .count = count, .now_us = now_us, .all_or_nothing = all_or_nothing,
	                      .arena = arena};
	plan->events = arena_array(arena, struct plan_event, count);
	plan->keys = arena_array(arena, struct plan_key, count);
	plan->new_ids = arena_array(arena, int64_t, count);
	if (plan->events == NULL || plan->keys == NULL || plan->new_ids == NULL)
		return false;
	for (size_t i = 0; i < count; i++) {
		const struct store_write *write = &writes[i];
		if (write->kind != WRITE_CREATE) {
			plan->events[plan->event_count++] = (struct plan_event){.id = write->event_id};
			continue;
		}
		plan->creations++;
		if (write->idempotency_key.ptr != NULL)
			plan->keys[plan->key_count++] = (struct plan_key){.user_id = write->actor_id, .key = write->idempotency_key};
	}
	sort_events(plan);
	sort_keys(plan);
	return true;
}

bool plan_add_creations(struct plan *plan)
{
	if (plan->creations == 0)
		return true;
	struct plan_event *events = arena_array(plan->arena, struct plan_event, plan->event_count + plan->creations);
	if (events == NULL)
		return false;
	memcpy(events, plan->events, plan->event_count * sizeof *events);
	for (size_t i = 0; i < plan->creations; i++)
		events[plan->event_count + i] = (struct plan_event){.id = plan->new_ids[i]};
	plan->events = events;
	plan->event_count += plan->creations;
	sort_events(plan);
	return true;
}

struct plan_event *plan_event(struct plan *plan, int64_t id)
{
	struct plan_event key = {.id = id};
	return bsearch(&key, plan->events, plan->event_count, sizeof *plan->events, compare_events);
}

struct plan_key *plan_key(struct plan *plan, int64_t user_id, struct str key)
{
	struct plan_key wanted = {.user_id = user_id, .key = key};
	return bsearch(&wanted, plan->keys, plan->key_count, sizeof *plan->keys, compare_keys);
}

/* ---- deciding ---- */

/* `shown` is the event that the change is about: as it is, or for a deletion as it was. */
static void log_change(struct plan *plan, struct store_write *write, enum change_kind kind, const struct event *before,
                       const struct event *shown)
{
	bool deleted = kind == CHANGE_DELETED;

	write->change = (struct change){
		.seq = ++plan->seq,
		.kind = kind,
		.event_id = shown->id,
		.version = shown->version + (deleted ? 1 : 0),
		.occurred_at_us = plan->now_us,
		.actor_id = write->actor_id,
		.request_id = arena_str(plan->arena, write->request_id),
		.has_before = before != NULL,
		.has_after = !deleted,
	};
	if (before != NULL)
		write->change.before = *before;
	if (!deleted)
		write->change.after = *shown;
	write->outcome = WRITE_APPLIED;
	plan->applied++;
}

static bool decide_creation(struct plan *plan, struct store_write *write)
{
	struct plan_key *key = NULL;
	struct event made;

	if (write->idempotency_key.ptr != NULL) {
		key = plan_key(plan, write->actor_id, write->idempotency_key);
		CHECK(key != NULL);
		if (key->known || key->fresh) {
			write->outcome = key->body_hash == write->body_hash ? WRITE_REPLAYED : WRITE_KEY_REUSED;
			if (write->outcome == WRITE_REPLAYED)
				write->answer = key->answer;
			return true;
		}
	}
	CHECK(patch_apply(write->patch, NULL, write->actor_id, plan->now_us, &made));
	made.id = plan->new_ids[plan->creations_done++];
	/* The patch's texts are the caller's, the answer's must live as long as the arena. */
	if (!event_copy(&write->event, &made, plan->arena))
		return false;
	struct plan_event *event = plan_event(plan, made.id);
	CHECK(event != NULL);
	event->exists = event->touched = event->reworded = true;
	event->is = write->event;
	struct buf answer;
	buf_init(&answer, ANSWER_BYTES_MAX);
	event_json(&answer, &write->event, plan->now_us);
	write->answer = answer.failed ? STR_NONE : arena_str(plan->arena, buf_view(&answer));
	buf_finish(&answer);
	if (write->answer.ptr == NULL)
		return false;
	log_change(plan, write, CHANGE_CREATED, NULL, &write->event);
	if (key != NULL) {
		key->fresh = true;
		key->body_hash = write->body_hash;
		key->answer = write->answer;
	}
	return true;
}

static bool decide_change(struct plan *plan, struct store_write *write)
{
	struct plan_event *event = plan_event(plan, write->event_id);
	struct event before, after;

	CHECK(event != NULL);
	if (!event->exists) {
		write->outcome = WRITE_NOT_FOUND;
		return true;
	}
	if (write->if_match.ptr != NULL && !store_if_match_holds(write->if_match, &event->is, plan->now_us)) {
		write->outcome = WRITE_PRECONDITION;
		return true;
	}
	before = event->is;
	if (write->kind == WRITE_DELETE) {
		event->exists = false;
		event->touched = true;
		log_change(plan, write, CHANGE_DELETED, &before, &before);
		return true;
	}
	if (!patch_apply(write->patch, &before, write->actor_id, plan->now_us, &after)) {
		write->outcome = WRITE_UNCHANGED;
		write->event = before;
		return true;
	}
	if (!event_copy(&write->event, &after, plan->arena))
		return false;
	event->is = write->event;
	event->touched = true;
	event->reworded = event->reworded || !str_equal(before.title, after.title) || !str_equal(before.venue, after.venue)
	                  || !str_equal(before.description, after.description);
	log_change(plan, write, CHANGE_UPDATED, &before, &write->event);
	return true;
}

bool plan_decide(struct plan *plan)
{
	for (size_t i = 0; i < plan->count; i++) {
		struct store_write *write = &plan->writes[i];
		bool decided = write->kind == WRITE_CREATE ? decide_creation(plan, write) : decide_change(plan, write);
		if (!decided)
			return false;
		write->as_of = plan->seq;
		if (plan->all_or_nothing && write->outcome != WRITE_APPLIED && write->outcome != WRITE_UNCHANGED) {
			plan->refused = true;
			break;
		}
	}
	return !plan->arena->failed;
}
