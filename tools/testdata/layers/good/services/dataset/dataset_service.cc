#include <grpcpp/grpcpp.h>
#include "edcert/dataset/v1/dataset.grpc.pb.h"
#include "edcert/registry/v1/event_registry.pb.h"
