#include "edcert/registry/v1/event_registry.grpc.pb.h"
#include "edcert/snapshot/v1/snapshot.grpc.pb.h"
