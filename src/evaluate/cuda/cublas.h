// cuBLASLt, what octet's products are measured against. It is looked for when it is wanted: octet
// itself does not use it.
#pragma once

#include <cstdint>
#include <memory>

#include "device/gpu_memory.h"

namespace octet::evaluate {

/// y[rows, outputs] = x[rows, inputs] · w[outputs, inputs]ᵀ by cuBLASLt, row-major.
class CublasProduct {
 public:
  enum class Kind : uint8_t { bf16, int8 };  ///< bf16 → bf16, int8 → int32

  /// Whether the library can be loaded.
  static bool available();

  /// Chooses an algorithm. Throws Error when there is none.
  CublasProduct(Kind kind, int64_t rows, int64_t inputs, int64_t outputs);
  ~CublasProduct();
  CublasProduct(const CublasProduct&) = delete;
  CublasProduct& operator=(const CublasProduct&) = delete;

  void run(const void* x, const void* w, void* y, device::Stream stream);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace octet::evaluate
