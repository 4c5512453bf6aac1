/* The query parameters of an endpoint: read by name, each known one once, all problems at once.
 *
 *   parameters_read → parameters_… for each that the endpoint knows → parameters_end (answers 422 if anything is wrong)
 */
#ifndef EVENTLY_API_PARAMETERS_H
#define EVENTLY_API_PARAMETERS_H

#include "events/issue.h"
#include "http/request.h"

struct parameters {
	struct request *request;
	struct query_parameter *list;
	size_t count;
	uint64_t known; /* bit per parameter that somebody asked for */
	struct issues issues;
};

void parameters_init(struct parameters *parameters, struct request *request);
/* The value, absent when it was not given. A second one of the same name is an issue. */
struct str parameters_text(struct parameters *parameters, const char *name);
/* A whole number from min to max; *value keeps its default when not given. Gives whether it was given (and is good). */
bool parameters_u64(struct parameters *parameters, const char *name, uint64_t min, uint64_t max, uint64_t *value);
/* RFC 3339; a date alone is its first µs where a span begins, its last where one ends. */
bool parameters_time_from(struct parameters *parameters, const char *name, int64_t *us);
bool parameters_time_to(struct parameters *parameters, const char *name, int64_t *us);
void parameters_issue(struct parameters *parameters, const char *name, const char *type, const char *message);
/* Unknown names are issues too. False: answered. */
MUST_CHECK bool parameters_end(struct parameters *parameters);

#endif
