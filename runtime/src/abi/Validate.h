//===- Validate.h - Whether tables lead outside of their storage --*- C++
//-*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_SRC_ABI_VALIDATE_H
#define ATTNRT_SRC_ABI_VALIDATE_H

#include "../bundle/Bundle.h"

namespace attnrt {

/// An argument for the host: a tensor, or the cell of a scalar. Without data
/// only its sizes are known.
struct HostValue {
  attnrt_tensor tensor;
  uint64_t cell;
};

/// Goes through the domain of a view: every table entry that a point looks up
/// must be there, and every address must lie in the storage. `values` has one
/// element for each argument of the entry. Throws INVALID_ARGUMENT with the
/// first point that leads astray, or where values are missing; UNAVAILABLE for
/// a domain that the host cannot go through (no end of an axis is known).
void validateView(const View &view, const std::vector<HostValue> &values);

} // namespace attnrt

#endif // ATTNRT_SRC_ABI_VALIDATE_H
