/* A change: one committed write to the catalogue, and how each audience sees it (contract.md §1, §2, §5). */
#ifndef EVENTLY_EVENTS_CHANGE_H
#define EVENTLY_EVENTS_CHANGE_H

#include "events/event.h"

enum change_kind { CHANGE_CREATED, CHANGE_UPDATED, CHANGE_DELETED, CHANGE_KIND_COUNT };

struct change {
	uint64_t seq;           /* from 1, gapless, in commit order */
	enum change_kind kind;
	int64_t event_id;
	int64_t version;        /* of the event after it; a deletion counts one more than the deleted version */
	int64_t occurred_at_us;
	int64_t actor_id;
	struct str request_id;
	bool has_before, has_after;
	struct event before, after; /* valid when has_… */
};

const char *change_kind_name(enum change_kind kind);
MUST_CHECK bool change_kind_parse(struct str name, enum change_kind *kind);

/* How a viewer who may see `visible` statuses sees the change: false: not at all; else *kind and *shown (NULL for a
 * deletion). A change that hides an event appears as its deletion. */
MUST_CHECK bool change_seen(const struct change *change, unsigned visible, enum change_kind *kind,
                            const struct event **shown);
/* {"seq":…,"kind":…,"event_id":…,"version":…,"occurred_at":…,"event":…}; false (nothing printed) when not seen. */
bool change_json(struct buf *out, const struct change *change, unsigned visible, int64_t now_us);
/* The admin's form with actor_id, request_id, before and after. */
void change_json_audit(struct buf *out, const struct change *change, int64_t now_us);
/* "EventCreated", "EventUpdated" or "EventDeleted". */
const char *change_message_type(enum change_kind kind);
/* The message of contract.md §5, without trailing newline. */
void change_json_message(struct buf *out, const struct change *change);

#endif
