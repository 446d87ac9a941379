#include "edcert/registry/v1/event_registry.pb.h"
#include "edcert/dataset/v1/dataset.pb.h"
