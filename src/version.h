/* The version that answers, logs and `evently version` name; meson.build has the same, a test compares. */
#ifndef EVENTLY_VERSION_H
#define EVENTLY_VERSION_H

#define EVENTLY_VERSION "0.1.0"

#endif
