/* Opening the store for a command, and saying what is wrong with it in the user's words. */
#include "cli/command.h"

#include "base/clock.h"

const char *database_remedy(const struct config *config, enum store_result result)
{
	bool postgres = config_uses_postgres(config);

	/* Where nothing stands here the store's own sentence says it, with the name of the setting to look at. */
	switch (result) {
	case STORE_UNAVAILABLE: return postgres ? "" : "is DATA_DIR right, and may this user write there?";
	case STORE_DENIED: return postgres ? "" : "look at the owner and the mode of DATA_DIR";
	case STORE_IN_USE: return postgres ? "another process is at it: try again" : "";
	case STORE_DEADLINE: return "the database is slow or away: try again";
	case STORE_FULL: return "make room on the database's disk";
	case STORE_OUT_OF_MEMORY: return "more memory is needed";
	case STORE_SCHEMA: return "run: evently migrate upgrade";
	default: return "";
	}
}

/* "doing: problem; remedy" */
static void explain(struct buf *line, const struct config *config, const char *doing, enum store_result result,
                    struct str problem)
{
	const char *remedy = database_remedy(config, result);

	/* The store's own sentence may hold the remedy already. */
	bool told = remedy[0] == '\0' || memmem(problem.ptr, problem.len, "evently migrate", 15) != NULL;
	buf_printf(line, "%s%s%.*s%s%s", doing, doing[0] != '\0' ? ": " : "", STR_ARG(problem), told ? "" : "; ",
	           told ? "" : remedy);
}

static void explain_session(struct buf *line, const struct database *database, const struct config *config,
                            const char *doing, enum store_result result)
{
	struct str problem = str_from(store_session_problem(database->session));

	explain(line, config, doing, result, problem.len > 0 ? problem : str_from(store_result_name(result)));
}

int database_fail(const struct database *database, const struct config *config, const char *doing,
                  enum store_result result)
{
	struct buf line;

	buf_init(&line, 4096);
	explain_session(&line, database, config, doing, result);
	cli_fail("%.*s", STR_ARG(buf_view(&line)));
	buf_finish(&line);
	return CLI_FAILED;
}

/* A new embedded store is set up on the way, as `evently serve` does. */
static enum store_result prepare(struct database *database, enum database_use use)
{
	struct buf report;

	if (use == DATABASE_LOOK || use == DATABASE_MIGRATE)
		return STORE_OK;
	if (use == DATABASE_WRITE && !store_is_shared(database->store)) {
		buf_init(&report, CLI_OUTPUT_BYTES_MAX);
		enum store_result result = store_migrate_up(database->session, 0, &report);
		buf_finish(&report);
		if (result != STORE_OK)
			return result;
	}
	return store_schema_check(database->session);
}

bool database_try(struct database *database, const struct config *config, enum database_use use, int seconds,
                  struct buf *line)
{
	bool exclusive = use == DATABASE_WRITE || use == DATABASE_MIGRATE;
	struct buf problem;

	*database = (struct database){0};
	buf_init(&problem, 4096);
	enum store_result result = store_open(&database->store, config, exclusive, &problem);
	if (result != STORE_OK) {
		explain(line, config, "", result, buf_view(&problem));
		goto fail;
	}
	database->session = store_session_open(database->store);
	if (database->session == NULL) {
		buf_lit(line, "out of memory");
		goto fail;
	}
	store_session_deadline(database->session, clock_monotonic_ns() + (uint64_t)seconds * CLOCK_SECOND);
	result = prepare(database, use);
	if (result != STORE_OK) {
		explain_session(line, database, config, "", result);
		goto fail;
	}
	buf_finish(&problem);
	return true;
fail:
	buf_finish(&problem);
	database_close(database);
	return false;
}

bool database_open(struct database *database, const struct config *config, enum database_use use, int seconds)
{
	struct buf line;

	buf_init(&line, 4096);
	bool ok = database_try(database, config, use, seconds, &line);
	if (!ok)
		cli_fail("the database cannot be used: %.*s", STR_ARG(buf_view(&line)));
	buf_finish(&line);
	return ok;
}

void database_settle(const struct database *database, uint64_t seq)
{
	if (seq > 0 && store_lease_wait(database->session, STR("evently"), seq) != STORE_OK)
		cli_warn("services that are running may take up to LEASE_MS to show it: %s",
		         store_session_problem(database->session));
}

void database_close(struct database *database)
{
	if (database->session != NULL)
		store_session_close(database->session);
	store_close(database->store);
	*database = (struct database){0};
}
