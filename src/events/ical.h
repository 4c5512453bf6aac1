/* iCalendar (RFC 5545): one VCALENDAR with a VEVENT for each event. Lines folded at 75 octets, CRLF. */
#ifndef EVENTLY_EVENTS_ICAL_H
#define EVENTLY_EVENTS_ICAL_H

#include "events/event.h"

/* UID is stable ("event-7@evently"), SEQUENCE is version; STATUS is CONFIRMED,
 * CANCELLED or TENTATIVE (draft); DTSTAMP and LAST-MODIFIED are updated_at; DTSTART is event_date. */
void ical_print(struct buf *out, const struct event *events, size_t count);

#endif
