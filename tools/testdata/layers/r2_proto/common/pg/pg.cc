#include "edcert/type/date.pb.h"
#include "edcert/registry/v1/event_registry.pb.h"
