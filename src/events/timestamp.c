#include "events/timestamp.h"
