#pragma once
#include "services/dataset/config.pb.h"
