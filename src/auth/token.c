#include "auth/token.h"
