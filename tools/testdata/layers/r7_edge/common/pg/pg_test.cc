#include "common/testing/matchers.h"
