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

/// The same for tests that would take hours on the emulated GPU (tests/gpu_emulator).
#define OCTET_REQUIRE_REAL_GPU()                                         \
  do {                                                                   \
    OCTET_REQUIRE_GPU();                                                 \
    if (octet::device::list_gpus().gpus[0].name.starts_with("emulated")) \
      GTEST_SKIP() << "too slow on an emulated GPU; test skipped";       \
  } while (false)
