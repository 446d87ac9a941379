#include "common/pg/pg.h"
#include "services/dataset/batch_store.h"
