#include <grpcpp/grpcpp.h>
#include "services/dataset/batch.h"
