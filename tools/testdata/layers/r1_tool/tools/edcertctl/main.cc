#include "services/dataset/batch.h"
