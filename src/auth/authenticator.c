#include "auth/authenticator.h"
