//===- BulkKit.h - A copy of 1024 bytes to break ----------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_TEST_BULKKIT_H
#define PTXSIM_TEST_BULKKIT_H

#include "CopyKit.h"

#include <gtest/gtest.h>

namespace ptxsim::test {

/// A map of 20 rows of 40 elements; a box has 16 rows of 64 bytes.
inline TensorMapDesc matrix() {
  TensorMapDesc map;
  map.element = TensorMapDesc::Element::BF16;
  map.rank = 2;
  map.swizzle = TensorMapDesc::Swizzle::B64;
  map.dim[0] = 40, map.dim[1] = 20;
  map.stride[1] = 96;
  map.box[0] = 32, map.box[1] = 16;
  return map;
}

/// A body with thread 0's copy of 1024 bytes, by map or without.
inline CopyJob make(const std::string &body, unsigned ctas = 1) {
  CopyJob job(body, ctas);
  job.map = matrix();
  job.tx = 1024;
  return job;
}

inline const char *const kBulkLoad =
    "cp.async.bulk.shared::cluster.global.mbarrier::"
    "complete_tx::bytes [%smem], [%global], 1024, "
    "[bars]";
inline const char *const kBulkStore =
    "cp.async.bulk.global.shared::cta.bulk_group [%global], [%smem], 1024";

inline std::vector<std::string> loads() {
  return {tensorLoad(2, "%smem"), kBulkLoad};
}
inline std::vector<std::string> stores() {
  return {tensorStore(2, "%smem"), kBulkStore};
}

/// The same text with something else in one place.
inline std::string with(std::string text, const std::string &from,
                        const std::string &to) {
  size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from << "\n" << text;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

} // namespace ptxsim::test

#endif // PTXSIM_TEST_BULKKIT_H
