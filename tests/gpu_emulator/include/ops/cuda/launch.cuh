// Found before src/ops/cuda/launch.cuh: kernels start on the emulator.
#pragma once

#include "gpu_emulator/cuda.h"
