// A comment.
#include "services/dataset/batch.h"
