#include "events/patch.h"
