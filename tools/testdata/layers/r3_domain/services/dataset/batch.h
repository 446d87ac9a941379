#pragma once
#include "edcert/dataset/v1/dataset.pb.h"
