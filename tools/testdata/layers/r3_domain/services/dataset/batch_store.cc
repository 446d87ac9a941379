#include "edcert/type/change.pb.h"
