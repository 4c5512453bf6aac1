#include "events/change.h"
