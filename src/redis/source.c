#include "redis/source.h"

#include "base/log.h"
#include "config/config.h"

enum { TEXTS_BYTES_MAX = 1 << 17 };

bool redis_source_init(struct redis_source *source, const struct config *config, struct buf *problem)
{
	CHECK(pthread_mutex_init(&source->lock, NULL) == 0);
	atomic_init(&source->generation, 1);
	arena_init(&source->texts, TEXTS_BYTES_MAX);
	source->options = (struct redis_options){0};
	if (!redis_options_from_config(&source->options, config, &source->texts, problem))
		return false;
	source->options.source = source;
	return true;
}

void redis_source_finish(struct redis_source *source)
{
	if (atomic_load(&source->generation) == 0)
		return;
	redis_options_finish(&source->options, &source->texts);
	pthread_mutex_destroy(&source->lock);
	atomic_store(&source->generation, 0);
}

bool redis_source_reload(struct redis_source *source, const struct config *config, struct buf *problem)
{
	struct redis_options fresh = {0};
	struct arena texts;

	arena_init(&texts, TEXTS_BYTES_MAX);
	bool read = redis_options_from_config(&fresh, config, &texts, problem);
	fresh.source = source;
	if (!read || redis_options_same(&fresh, &source->options)) {
		redis_options_finish(&fresh, &texts);
		return read;
	}
	pthread_mutex_lock(&source->lock);
	redis_options_finish(&source->options, &source->texts);
	source->options = fresh;
	source->texts = texts;
	atomic_fetch_add_explicit(&source->generation, 1, memory_order_release);
	pthread_mutex_unlock(&source->lock);
	log_info("redis", "new connections to Redis are made with new settings");
	return true;
}

bool redis_source_copy(struct redis_source *source, struct redis_options *options, struct arena *texts,
		       unsigned *generation)
{
	pthread_mutex_lock(&source->lock);
	bool copied = redis_options_copy(options, &source->options, texts);
	*generation = atomic_load(&source->generation);
	pthread_mutex_unlock(&source->lock);
	return copied;
}
