// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which whole pages the sequences of a step have in common, as steps take it.
#include "Arrays.h"
#include "Error.h"
#include "Pool.h"

using namespace attn::python;

std::pair<Array<int32_t>, Array<int32_t>>
attn::python::prefixesOf(const PagePool &pool,
                         const std::vector<uint64_t> &sequences, int32_t group,
                         int64_t least) {
  attnrt_page_forest *made = nullptr;
  check(attnrt_page_forest_create(pool.get(), &made));
  Handle<attnrt_page_forest, attnrt_page_forest_release> forest(made);
  attnrt_forest_params params = {};
  params.struct_size = sizeof(params);
  params.group = group;
  params.num_sequences = int64_t(sequences.size());
  params.sequences = sequences.data();
  params.min_shared = least;
  attnrt_prefixes shared = {};
  shared.struct_size = sizeof(shared);
  check(attnrt_page_forest_prefixes(made, &params, &shared));
  return {arrayOf<int32_t>(std::vector<attnrt_prefix_node>(
              shared.nodes, shared.nodes + shared.num_nodes)),
          arrayOf<int32_t>(std::vector<int32_t>(
              shared.leaf, shared.leaf + shared.num_leaves))};
}
