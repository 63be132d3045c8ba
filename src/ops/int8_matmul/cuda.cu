// int8 products on a GPU.
#include "ops/cuda/product_kernels.cuh"

namespace octet::ops::cuda {

namespace {

__global__ void unpack_kernel(const uint32_t* panels, int64_t columns, int64_t units,
                              uint32_t* rows) {
  const int64_t total = columns * units;
  for (int64_t i = blockIdx.x * static_cast<int64_t>(blockDim.x) + threadIdx.x; i < total;
       i += static_cast<int64_t>(gridDim.x) * blockDim.x) {
    rows[i] = panels[panel_word(i / units, i % units, units)];
  }
}

}  // namespace

void unpack_panels(const uint32_t* panels, int64_t columns, int64_t units, uint32_t* rows,
                   device::Stream stream) {
  if (columns * units == 0) return;
  run_kernel(unpack_kernel,
             static_cast<unsigned>(std::min<int64_t>(4096, (columns * units + 255) / 256)), 256, 0,
             stream, panels, columns, units, rows);
  device::check_launch("unpack_panels");
}

void int8_product(const Product& product, device::Stream stream) {
  if (suits_warpgroups(product) && code_rows(product.rows, product.planes) > 64) {
    warpgroup_product(product, stream);
  } else if (product.planes == 2) {
    launch<Element::s8, 2>(product, stream);
  } else {
    launch<Element::s8, 1>(product, stream);
  }
}

}  // namespace octet::ops::cuda
