// The epilogue in plain C++: the reference the other kernels must equal bit for bit.
#include "ops/epilogue/column.h"

namespace octet::ops {

void epilogue_scalar(const EpilogueArgs& args) {
  epilogue_columns(args, 0, args.columns);
}

}  // namespace octet::ops
