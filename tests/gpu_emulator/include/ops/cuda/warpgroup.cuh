// Found before src/ops/cuda/warpgroup.cuh: its instructions are the emulator's.
#pragma once

#include "gpu_emulator/warpgroup.h"
