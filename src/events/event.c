#include "events/event.h"
