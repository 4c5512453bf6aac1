#include "store/backend.h"
