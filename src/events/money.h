/* Prices: exact decimals with two places, held as whole cents. No binary floating point anywhere. */
#ifndef EVENTLY_EVENTS_MONEY_H
#define EVENTLY_EVENTS_MONEY_H

#include "base/buf.h"
#include "base/str.h"

enum money_result { MONEY_OK, MONEY_NOT_A_NUMBER, MONEY_NEGATIVE, MONEY_TOO_PRECISE, MONEY_TOO_LARGE };

/* A decimal text as JSON writes numbers (RFC 8259 section 6: optional minus, fraction, exponent), exactly. */
MUST_CHECK enum money_result money_parse(struct str text, int64_t *cents);
/* "25.00" */
void money_print(struct buf *out, int64_t cents);
/* "25.0", "12.5", "0.99": the shortest form with at least one decimal, as a JSON number. */
void money_print_number(struct buf *out, int64_t cents);

#endif
