#include "common/status/error.h"
#include "common/feed/feed.h"
