#include <grpcpp/support/status.h>
