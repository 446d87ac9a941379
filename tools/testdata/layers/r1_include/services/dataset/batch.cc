#include "services/dataset/batch.h"
#include "services/workflow/errors.h"
