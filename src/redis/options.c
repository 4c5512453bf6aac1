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

bool redis_options_copy(struct redis_options *options, const struct redis_options *from, struct arena *arena)
{
	*options = *from;
	options->host = kept(arena, from->host);
	options->user = kept(arena, from->user);
	options->password = kept(arena, from->password);
	options->ca_file = kept(arena, from->ca_file);
	return !arena->failed;
}

bool redis_options_same_place(const struct redis_options *one, const struct redis_options *other)
{
	return strcmp(one->host, other->host) == 0 && one->port == other->port && one->database == other->database &&
	       one->tls == other->tls && strcmp(one->user, other->user) == 0 &&
	       strcmp(one->ca_file, other->ca_file) == 0;
}

bool redis_options_same(const struct redis_options *one, const struct redis_options *other)
{
	return redis_options_same_place(one, other) && strcmp(one->password, other->password) == 0 &&
	       one->timeout_ms == other->timeout_ms;
}

void redis_options_finish(struct redis_options *options, struct arena *texts)
{
	if (options->password != NULL)
		explicit_bzero((char *)(uintptr_t)options->password, strlen(options->password));
	arena_finish(texts);
	*options = (struct redis_options){0};
}
