#include "api/parameters.h"

#include "api/routes.h"
#include "events/timestamp.h"

_Static_assert(REQUEST_QUERY_PARAMETERS_MAX <= 64, "`known` has a bit for each");

void parameters_init(struct parameters *parameters, struct request *request)
{
	*parameters = (struct parameters){.request = request};
	issues_init(&parameters->issues, &request->arena);
	routes_path_issue(request, &parameters->issues);
	if (!request_parameters(request, &parameters->list, &parameters->count, &parameters->issues))
		parameters->count = 0;
}

void parameters_issue(struct parameters *parameters, const char *name, const char *type, const char *message)
{
	issues_add(&parameters->issues, "query", str_from(name), type, "%s", message);
}

struct str parameters_text(struct parameters *parameters, const char *name)
{
	struct str value = STR_NONE;

	for (size_t i = 0; i < parameters->count; i++) {
		if (!str_equal(parameters->list[i].name, str_from(name)))
			continue;
		if (value.ptr != NULL)
			parameters_issue(parameters, name, "repeated", "must be given once");
		value = parameters->list[i].value;
		parameters->known |= UINT64_C(1) << i;
	}
	return value;
}

bool parameters_u64(struct parameters *parameters, const char *name, uint64_t min, uint64_t max, uint64_t *value)
{
	struct str text = parameters_text(parameters, name);
	uint64_t number;

	if (text.ptr == NULL)
		return false;
	if (!str_to_u64(text, max, &number) || number < min) {
		issues_add(&parameters->issues, "query", str_from(name), "int_range",
		           "must be a whole number from %llu to %llu", (unsigned long long)min, (unsigned long long)max);
		return false;
	}
	*value = number;
	return true;
}

static bool take_time(struct parameters *parameters, const char *name, bool end_of_day, int64_t *us)
{
	struct str text = parameters_text(parameters, name);

	if (text.ptr == NULL)
		return false;
	switch (timestamp_parse_parameter(text, end_of_day, us)) {
	case TIMESTAMP_OK: return true;
	case TIMESTAMP_OUT_OF_RANGE:
		parameters_issue(parameters, name, "datetime_out_of_range", "must be in the years 1970 to 9999 in UTC");
		return false;
	case TIMESTAMP_MALFORMED: break;
	}
	parameters_issue(parameters, name, "datetime_parsing",
	                 "must be an RFC 3339 date and time such as 2027-03-01T19:30:00Z, or a date");
	return false;
}

bool parameters_time_from(struct parameters *parameters, const char *name, int64_t *us)
{
	return take_time(parameters, name, false, us);
}

bool parameters_time_to(struct parameters *parameters, const char *name, int64_t *us)
{
	return take_time(parameters, name, true, us);
}

bool parameters_end(struct parameters *parameters)
{
	for (size_t i = 0; i < parameters->count; i++) {
		if ((parameters->known & (UINT64_C(1) << i)) == 0)
			issues_add(&parameters->issues, "query", parameters->list[i].name, "extra_forbidden", "is not known here");
	}
	if (parameters->issues.total == 0)
		return true;
	answer_issues(parameters->request, &parameters->issues);
	return false;
}
