// The CPU's intrinsics, without the warnings g++ 12 gives for its own header: inlined, the
// deliberately undefined operands of some AVX-512 intrinsics count as uninitialised variables.
#pragma once

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop
#else
#include <immintrin.h>
#endif
