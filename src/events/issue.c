#include "events/issue.h"
