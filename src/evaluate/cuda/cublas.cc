// cuBLASLt, what octet's products are measured against.
#include "evaluate/cuda/cublas.h"

#include <cublasLt.h>
#include <dlfcn.h>

#include <string>

#include "base/error.h"

namespace octet::evaluate {

namespace {

constexpr int64_t kWorkspaceBytes = int64_t{64} << 20;

/// The functions of the library, found by name.
struct Library {
  decltype(&cublasLtCreate) create = nullptr;
  decltype(&cublasLtDestroy) destroy = nullptr;
  decltype(&cublasLtMatmulDescCreate) describe = nullptr;
  decltype(&cublasLtMatmulDescDestroy) destroy_description = nullptr;
  decltype(&cublasLtMatmulDescSetAttribute) set = nullptr;
  decltype(&cublasLtMatrixLayoutCreate) layout = nullptr;
  decltype(&cublasLtMatrixLayoutDestroy) destroy_layout = nullptr;
  decltype(&cublasLtMatmulPreferenceCreate) prefer = nullptr;
  decltype(&cublasLtMatmulPreferenceDestroy) destroy_preference = nullptr;
  decltype(&cublasLtMatmulPreferenceSetAttribute) set_preference = nullptr;
  decltype(&cublasLtMatmulAlgoGetHeuristic) choose = nullptr;
  decltype(&cublasLtMatmul) multiply = nullptr;
  bool complete = true;

  Library() {
    const std::string name = "libcublasLt.so." + std::to_string(CUBLAS_VER_MAJOR);
    handle_ = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
    find(create, "cublasLtCreate");
    find(destroy, "cublasLtDestroy");
    find(describe, "cublasLtMatmulDescCreate");
    find(destroy_description, "cublasLtMatmulDescDestroy");
    find(set, "cublasLtMatmulDescSetAttribute");
    find(layout, "cublasLtMatrixLayoutCreate");
    find(destroy_layout, "cublasLtMatrixLayoutDestroy");
    find(prefer, "cublasLtMatmulPreferenceCreate");
    find(destroy_preference, "cublasLtMatmulPreferenceDestroy");
    find(set_preference, "cublasLtMatmulPreferenceSetAttribute");
    find(choose, "cublasLtMatmulAlgoGetHeuristic");
    find(multiply, "cublasLtMatmul");
  }

 private:
  template <typename Function>
  void find(Function& function, const char* name) {
    if (handle_ != nullptr) function = reinterpret_cast<Function>(dlsym(handle_, name));
    complete = complete && function != nullptr;
  }
  void* handle_ = nullptr;
};

const Library& library() {
  static const Library loaded;
  return loaded;
}

void check(cublasStatus_t status, const char* what) {
  if (status != CUBLAS_STATUS_SUCCESS) {
    fail("cuBLASLt: {}: status {}", what, static_cast<int>(status));
  }
}

}  // namespace

struct CublasProduct::State {
  explicit State(Kind of) : kind(of) {}
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  Kind kind;
  cublasLtHandle_t handle = nullptr;
  cublasLtMatmulDesc_t description = nullptr;
  cublasLtMatrixLayout_t x = nullptr;
  cublasLtMatrixLayout_t w = nullptr;
  cublasLtMatrixLayout_t y = nullptr;
  cublasLtMatmulAlgo_t algorithm{};
  device::GpuArray<std::byte> workspace{kWorkspaceBytes};

  ~State() {
    if (y != nullptr) library().destroy_layout(y);
    if (w != nullptr) library().destroy_layout(w);
    if (x != nullptr) library().destroy_layout(x);
    if (description != nullptr) library().destroy_description(description);
    if (handle != nullptr) library().destroy(handle);
  }
};

bool CublasProduct::available() {
  return library().complete;
}

CublasProduct::CublasProduct(Kind kind, int64_t rows, int64_t inputs, int64_t outputs)
    : state_(std::make_unique<State>(kind)) {
  const Library& lt = library();
  OCTET_CHECK(lt.complete);
  const bool int8 = kind == Kind::int8;
  const cudaDataType_t element = int8 ? CUDA_R_8I : CUDA_R_16BF;
  const auto m = static_cast<uint64_t>(outputs);
  const auto n = static_cast<uint64_t>(rows);
  const auto k = static_cast<uint64_t>(inputs);
  check(lt.create(&state_->handle), "cannot begin");
  check(lt.describe(&state_->description, int8 ? CUBLAS_COMPUTE_32I : CUBLAS_COMPUTE_32F,
                    int8 ? CUDA_R_32I : CUDA_R_32F),
        "description");
  // Its matrices are column-major: yᵀ = w · xᵀ, with w read transposed.
  const cublasOperation_t transposed = CUBLAS_OP_T;
  check(lt.set(state_->description, CUBLASLT_MATMUL_DESC_TRANSA, &transposed, sizeof transposed),
        "transposition");
  check(lt.layout(&state_->w, element, k, m, inputs), "layout");
  check(lt.layout(&state_->x, element, k, n, inputs), "layout");
  check(lt.layout(&state_->y, int8 ? CUDA_R_32I : CUDA_R_16BF, m, n, outputs), "layout");
  cublasLtMatmulPreference_t preference = nullptr;
  check(lt.prefer(&preference), "preference");
  const auto bytes = static_cast<size_t>(kWorkspaceBytes);
  cublasLtMatmulHeuristicResult_t found{};
  int count = 0;
  cublasStatus_t status =
      lt.set_preference(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &bytes, sizeof bytes);
  if (status == CUBLAS_STATUS_SUCCESS) {
    status = lt.choose(state_->handle, state_->description, state_->w, state_->x, state_->y,
                       state_->y, preference, 1, &found, &count);
  }
  lt.destroy_preference(preference);
  check(status, "no algorithm");
  if (count == 0) fail("cuBLASLt has no algorithm for {} x {} x {}", rows, inputs, outputs);
  state_->algorithm = found.algo;
}

CublasProduct::~CublasProduct() = default;

void CublasProduct::run(const void* x, const void* w, void* y, device::Stream stream) {
  const float one = 1;
  const float zero = 0;
  const int32_t one_int = 1;
  const int32_t zero_int = 0;
  const bool int8 = state_->kind == Kind::int8;
  const void* alpha = int8 ? static_cast<const void*>(&one_int) : &one;
  const void* beta = int8 ? static_cast<const void*>(&zero_int) : &zero;
  check(library().multiply(state_->handle, state_->description, alpha, w, state_->w, x, state_->x,
                           beta, y, state_->y, y, state_->y, &state_->algorithm,
                           state_->workspace.data(), static_cast<size_t>(kWorkspaceBytes), stream),
        "a product failed");
}

}  // namespace octet::evaluate
