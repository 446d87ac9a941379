#include "services/dataset/batch.h"
#include "common/status/error.h"
#include "services/dataset/tree.pb.h"
const char* kQuery = "SELECT 1";
int many = 1'000'000;  // throw new "quotes" around here
