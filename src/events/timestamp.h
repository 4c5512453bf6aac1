/* RFC 3339 time, as µs since 1970 in UTC. Proleptic Gregorian; years 1970–9999. */
#ifndef EVENTLY_EVENTS_TIMESTAMP_H
#define EVENTLY_EVENTS_TIMESTAMP_H

#include "base/buf.h"
#include "base/str.h"

#define TIMESTAMP_MAX_US INT64_C(253402300799999999) /* 9999-12-31T23:59:59.999999Z */

enum timestamp_result { TIMESTAMP_OK, TIMESTAMP_MALFORMED, TIMESTAMP_OUT_OF_RANGE };

/* "2027-03-01T19:30:00Z", with offset, without (UTC), a space or lower case t/z allowed (RFC 3339 section 5.6), date
 * alone means its midnight, fraction of any length cut (not rounded) to µs, second 60 at the end of a month is taken as
 * the next one.
 * The year is judged in UTC; *us is set for TIMESTAMP_OUT_OF_RANGE too (years 0000–9999 can be read and printed). */
MUST_CHECK enum timestamp_result timestamp_parse(struct str text, int64_t *us);
/* As above for the value of a query parameter: an offset's plus sign may have become a space, and with `end_of_day` a
 * date alone means the last µs of its day. */
MUST_CHECK enum timestamp_result timestamp_parse_parameter(struct str text, bool end_of_day, int64_t *us);
/* "2027-03-01T19:30:00Z", fraction of 6 digits only when it is not zero. */
void timestamp_print(struct buf *out, int64_t us);
/* As above with "+00:00" for "Z" (the messages of contract.md §5). */
void timestamp_print_offset(struct buf *out, int64_t us);
/* "20270301T193000Z" (RFC 5545 section 3.3.5). */
void timestamp_print_ical(struct buf *out, int64_t us);

#endif
