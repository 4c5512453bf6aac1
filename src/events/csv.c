#include "events/csv.h"
