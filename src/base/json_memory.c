#include "base/json_memory.h"

#include <jansson.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local bool failed, wiping;

static void *allocate(size_t bytes)
{
	void *memory = malloc(bytes);

	if (memory == NULL)
		failed = true;
	return memory;
}

static void release(void *memory)
{
	if (wiping && memory != NULL)
		explicit_bzero(memory, malloc_usable_size(memory));
	free(memory);
}

__attribute__((constructor)) static void watch(void)
{
	json_set_alloc_funcs(allocate, release);
}

void json_memory_forget(void)
{
	failed = false;
}

bool json_memory_failed(void)
{
	return failed;
}

void json_memory_wipe(bool on)
{
	wiping = on;
}
