#include "events/ical.h"
