#include "redis/options.h"

#include "config/config.h"
#include "redis/address.h"
#include "redis/place.h"

static const char *kept(struct arena *arena, const char *text)
{
	return arena_str(arena, str_from(text != NULL ? text : "")).ptr;
}

static bool reads_url(const struct config *config)
{
	return config->redis_url[0] != '\0' && config->redis_cluster[0] == '\0' && config->redis_sentinels[0] == '\0';
}

/* The first node stands for all of them in words to people. */
static bool take_nodes(struct redis_options *options, const struct config *config, struct arena *arena,
		       struct buf *problem)
{
	const char *nodes = config->redis_cluster[0] != '\0' ? config->redis_cluster : config->redis_sentinels;
	struct str list = str_from(nodes);
	struct redis_place first;

	options->cluster = kept(arena, config->redis_cluster);
	options->sentinels = kept(arena, config->redis_sentinels);
	options->master_name = kept(arena, config->redis_master_name);
	options->home_key = "";
	if (redis_place_next(&list, &first)) {
		options->host = kept(arena, first.host);
		options->port = first.port;
	}
	if (config->redis_cluster[0] != '\0' && options->database != 0) {
		buf_printf(problem, "REDIS_DATABASE is %u: allowed is 0, a cluster has no other", options->database);
		return false;
	}
	return true;
}

bool redis_options_from_config(struct redis_options *options, const struct config *config, struct arena *arena,
			       struct buf *problem)
{
	struct redis_address address;

	if (reads_url(config)) {
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
		.certificate_file = kept(arena, config->redis_certificate_file),
		.key_file = kept(arena, config->redis_key_file),
		.port = address.port,
		.database = address.database,
		.timeout_ms = (unsigned)config->redis_timeout_ms,
		.tls = address.tls || config->redis_use_tls,
		.from_url = reads_url(config),
	};
	if (!take_nodes(options, config, arena, problem))
		return false;
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
	options->certificate_file = kept(arena, from->certificate_file);
	options->key_file = kept(arena, from->key_file);
	options->cluster = kept(arena, from->cluster);
	options->sentinels = kept(arena, from->sentinels);
	options->master_name = kept(arena, from->master_name);
	options->home_key = kept(arena, from->home_key);
	return !arena->failed;
}

bool redis_options_same_place(const struct redis_options *one, const struct redis_options *other)
{
	return strcmp(one->host, other->host) == 0 && one->port == other->port && one->database == other->database &&
	       one->tls == other->tls && strcmp(one->user, other->user) == 0 &&
	       strcmp(one->ca_file, other->ca_file) == 0 &&
	       strcmp(one->certificate_file, other->certificate_file) == 0 &&
	       strcmp(one->key_file, other->key_file) == 0 && strcmp(one->cluster, other->cluster) == 0 &&
	       strcmp(one->sentinels, other->sentinels) == 0 && strcmp(one->master_name, other->master_name) == 0;
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
