#include "redis/options.h"

#include "config/config.h"
#include "redis/address.h"

static const char *kept(struct arena *arena, const char *text)
{
	return arena_str(arena, str_from(text)).ptr;
}

bool redis_options_from_config(struct redis_options *options, const struct config *config, struct arena *arena,
			       struct buf *problem)
{
	struct redis_address address;

	if (config->redis_url[0] != '\0') {
		if (!redis_address_parse(&address, str_from(config->redis_url), arena, problem))
			return false;
	} else {
		address = (struct redis_address){
			.host = kept(arena, config->redis_host),
			.user = kept(arena, config->redis_user),
			.password = kept(arena, config->redis_password),
			.port = (unsigned)config->redis_port,
			.database = (unsigned)config->redis_database,
		};
	}
	*options = (struct redis_options){
		.host = address.host,
		.user = address.user,
		.password = address.password,
		.ca_file = kept(arena, config->redis_ca_file),
		.port = address.port,
		.database = address.database,
		.timeout_ms = (unsigned)config->redis_timeout_ms,
		.tls = address.tls || config->redis_use_tls,
		.from_url = config->redis_url[0] != '\0',
	};
	if (arena->failed)
		buf_lit(problem, "out of memory");
	return !arena->failed;
}
