/* iCalendar (RFC 5545): one VCALENDAR with a VEVENT for each event. Lines folded at 75 octets, CRLF. */
#ifndef EVENTLY_EVENTS_ICAL_H
#define EVENTLY_EVENTS_ICAL_H

#include "events/event.h"

/* A calendar event by event: ical_open, ical_event for each, ical_close.
 *
 * UID is stable ("event-7@evently"), SEQUENCE is version; STATUS is CONFIRMED,
 * CANCELLED or TENTATIVE (draft); DTSTAMP and LAST-MODIFIED are updated_at; DTSTART is event_date. */
void ical_open(struct buf *out);
void ical_event(struct buf *out, const struct event *event);
void ical_close(struct buf *out);
/* All of it. */
void ical_print(struct buf *out, const struct event *events, size_t count);

#endif
