#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

void check_failed(const char *expression, const char *file, int line)
{
	fprintf(stderr, "evently: bug: %s does not hold at %s:%d\n", expression, file, line);
	abort();
}
