#include "events/query.h"
