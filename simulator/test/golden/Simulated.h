//===- Simulated.h - A probe in the simulator -------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_TEST_GOLDEN_SIMULATED_H
#define PTXSIM_TEST_GOLDEN_SIMULATED_H

#include "Golden.h"
#include "ptxsim/Device.h"

namespace ptxsim::golden {

/// One launch, with the output buffer full of `fill`.
Outcome simulate(const Probe &probe, uint8_t fill, const Options &options = {});

/// All differences between the simulator and a golden file.
std::vector<std::string> compareAll(const std::vector<Probe> &probes,
                                    const GoldenFile &file);

} // namespace ptxsim::golden

#endif // PTXSIM_TEST_GOLDEN_SIMULATED_H
