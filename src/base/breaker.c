#include "base/breaker.h"
