#include <grpcpp/grpcpp.h>
#include "common/rpc/rpc.h"
#include "edcert/registry/v1/event_registry.grpc.pb.h"
