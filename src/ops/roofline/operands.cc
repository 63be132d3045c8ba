// The operands of the peak kernels.
#include "ops/roofline/roofline.h"

namespace octet::ops {

const PeakOperands& peak_operands() {
  static const PeakOperands operands = [] {
    PeakOperands made;
    for (int i = 0; i < 64; ++i) {
      const int mixed = (i * 37 + 11) % 127;
      made.a8[i] = static_cast<uint8_t>(1 + mixed);
      made.b8[i] = static_cast<int8_t>((i * 53 + 5) % 127 - 63);
      made.a[i] = static_cast<float>(1 + mixed % 5);
      made.b[i] = static_cast<float>(1 + mixed % 3);
    }
    return made;
  }();
  return operands;
}

}  // namespace octet::ops
