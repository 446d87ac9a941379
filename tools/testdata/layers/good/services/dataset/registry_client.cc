#include "edcert/registry/v1/event_registry.grpc.pb.h"
