/* The events of `evently demo`, dated relative to the day on which they are made. */
#ifndef EVENTLY_CLI_DEMO_EVENTS_H
#define EVENTLY_CLI_DEMO_EVENTS_H

#include "events/event.h"

struct demo_event {
	const char *title, *venue;
	const char *description; /* NULL: none */
	int days;                /* from today; negative is past */
	int hour, minute;        /* UTC */
	int32_t capacity;
	int64_t price_cents;
	enum event_status status;
};

extern const struct demo_event demo_events[];
extern const size_t demo_event_count;

#endif
