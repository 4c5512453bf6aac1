#include "base/json_memory.h"

#include <jansson.h>
#include <stdlib.h>

static _Thread_local bool failed;

static void *allocate(size_t bytes)
{
	void *memory = malloc(bytes);

	if (memory == NULL)
		failed = true;
	return memory;
}

__attribute__((constructor)) static void watch(void)
{
	json_set_alloc_funcs(allocate, free);
}

void json_memory_forget(void)
{
	failed = false;
}

bool json_memory_failed(void)
{
	return failed;
}
