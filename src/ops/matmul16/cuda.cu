// Products with f16 and bf16 weights on a GPU.
#include "ops/cuda/product_kernels.cuh"

namespace octet::ops::cuda {

void sixteen_bit_product(const Product& product, SixteenBit type, device::Stream stream) {
  if (type == SixteenBit::f16) {
    // One plane of f16 is never asked for: fp16 means 16-bit weights, not rounded activations.
    launch<Element::f16, 2>(product, stream);
  } else if (product.planes == 2) {
    launch<Element::bf16, 2>(product, stream);
  } else {
    launch<Element::bf16, 1>(product, stream);
  }
}

}  // namespace octet::ops::cuda
