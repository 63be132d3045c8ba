// Tests that need an NVIDIA GPU.
#pragma once

#include <gtest/gtest.h>

#include "device/gpu.h"

/// Skips the running test, saying so, on a machine without a GPU.
#define OCTET_REQUIRE_GPU()                                                                  \
  do {                                                                                       \
    if (const octet::device::GpuList list = octet::device::list_gpus(); list.gpus.empty()) { \
      GTEST_SKIP() << "no GPU here (" << list.why_none << "); test skipped";                 \
    }                                                                                        \
  } while (false)
