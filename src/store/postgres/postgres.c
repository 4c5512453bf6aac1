#include "store/backend.h"

enum store_result postgres_store_open(struct store **store, const struct config *config, struct buf *problem)
{
	(void)store, (void)config;
	buf_lit(problem, "the PostgreSQL store is not built yet");
	return STORE_UNAVAILABLE;
}
