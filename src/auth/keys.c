#include "auth/keys.h"
