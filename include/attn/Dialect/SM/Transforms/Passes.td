//===- Passes.td - Passes of the sm dialect ----------------*- tablegen -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_DIALECT_SM_TRANSFORMS_PASSES_TD
#define ATTN_DIALECT_SM_TRANSFORMS_PASSES_TD

include "mlir/Pass/PassBase.td"

def SMAllocateSharedPass : Pass<"sm-allocate-shared"> {
  let summary = "gives slots and rings their places in shared memory";
  let description = [{
    Every sm.alloc and sm.ring gets the attribute `offset`, in bytes, and every
    sm.kernel `shared_bytes`. Places are aligned as the swizzle of their blocks
    wants it; none is used twice. Where there are several roles, a ring gets
    `barriers` as well: where the barriers lie that its parties wait at.
  }];
  let dependentDialects = ["::attn::sm::SMDialect"];
}

def SMCheckLimitsPass : Pass<"sm-check-limits"> {
  let summary = "holds kernels against what a chip has room for";
  let description = [{
    An error, which says what would fit, at a kernel whose shared memory
    (`shared_bytes`) or threads a CTA of the chip does not have, or whose loops
    carry more values from iteration to iteration than a thread has registers.
    Nothing changes.
  }];
  let options = [Option<"chip", "chip", "std::string", "\"sm_80\"",
      "a chip that has a model (attn/TargetModel)">];
  let dependentDialects = ["::attn::sm::SMDialect"];
}

def SMPipelinePass : Pass<"sm-pipeline"> {
  let summary = "moves fills of rings ahead of the turns that take them";
  let description = [{
    In each loop that fills rings of two places or more, the fills of a turn are
    made as many turns earlier as the rings have places but one, and what they
    read from tables one turn before that. Rings of one place stay as they are.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect",
    "::attn::sm::SMDialect"];
}

def SMPlaceWaitsPass : Pass<"sm-place-waits"> {
  let summary = "counts how many groups may stay in flight at a wait";
  let description = [{
    Every sm.wait and sm.take gets the attribute `pending`: so many groups of
    copies, or of products, are certain to begin behind those that it waits for. 0
    where that is not known, which waits for all. Fills and copies that overwrite
    what some thread of the only role may still read get the attribute `meet`. The
    order of ops is final from here on.
  }];
  let dependentDialects = ["::attn::sm::SMDialect"];
}

def SMSplitLoopsPass : Pass<"sm-split-loops"> {
  let summary = "gives the turns before the first mask a loop without it";
  let description = [{
    In each loop that takes from rings, and whose branches for masks ask for what is
    known of a turn before it, the turns before the first one that takes such a
    branch become a loop without the branches. Comes behind sm-place-waits: both
    loops wait as the one did.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect",
    "::attn::sm::SMDialect"];
}

def SMSimplifyPass : Pass<"sm-simplify"> {
  let summary = "less arithmetic for each element of a block";
  let description = [{
    A product that is added to a block starts from that block. What scales, keeps
    or restarts whole rows chooses a factor for each row. Divisors that elements
    share are inverted once (each result is then rounded twice), and what exponentials
    of differences share is scaled to base 2 once. Masks that a
    branch computes are applied in a branch as well, so that no flags of a block
    live between the two.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect",
    "::mlir::scf::SCFDialect",
    "::attn::sm::SMDialect"];
}

#endif // ATTN_DIALECT_SM_TRANSFORMS_PASSES_TD
