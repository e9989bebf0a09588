//===- Prefixes.cpp - What requests share, as runs of keys ----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Prefixes.h"

#include "../Guard.h"

using namespace attnrt;

static void checkPrefixes(const attnrt_prefixes &p, int64_t requests,
                          int64_t keys) {
  if (p.reserved || p.num_nodes < 0 || (p.num_nodes && !p.nodes)) {
    raise(ATTNRT_INVALID_ARGUMENT,
          "expects nodes of prefixes and 0 in reserved, but got %d nodes%s and "
          "%u",
          p.num_nodes, p.nodes ? "" : " at null", p.reserved);
  }
  if (p.num_leaves != requests || !p.leaf) {
    raise(ATTNRT_INVALID_ARGUMENT,
          "expects the node of each of %lld requests, but got %d",
          static_cast<long long>(requests), p.leaf ? p.num_leaves : 0);
  }
  for (int32_t n = 0; n < p.num_nodes; ++n) {
    const attnrt_prefix_node &node = p.nodes[n];
    if (node.parent < -1 || node.parent >= n) {
      raise(ATTNRT_INVALID_ARGUMENT,
            "expects parents before their children, but node %d continues "
            "node %d",
            n, node.parent);
    }
    int32_t begin = node.parent < 0 ? 0 : p.nodes[node.parent].end;
    if (node.end <= begin || node.end > keys) {
      raise(ATTNRT_INVALID_ARGUMENT,
            "expects node %d to end at %d..%lld, but got %d", n, begin + 1,
            static_cast<long long>(keys), node.end);
    }
  }
  for (int32_t r = 0; r < p.num_leaves; ++r) {
    if (p.leaf[r] < -1 || p.leaf[r] >= p.num_nodes) {
      raise(ATTNRT_INVALID_ARGUMENT,
            "expects a node below %d or -1 for request %d, but got %d",
            p.num_nodes, r, p.leaf[r]);
    }
  }
}

SharedRuns attnrt::findSharedRuns(const attnrt_prefixes &p, int64_t requests,
                                  int64_t keys, Nodes nodes) {
  checkPrefixes(p, requests, keys);
  const bool joins = nodes == Nodes::Joined;
  const int32_t least = joins ? 2 : 1;
  size_t count = size_t(p.num_nodes);
  // Of each node; the last element stands for "no node", above all roots.
  std::vector<int32_t> below(count + 1), direct(count + 1), next(count + 1),
      begin(count), own(count + 1);
  std::vector<bool> isContinued(count);
  auto at = [&](int32_t node) { return node < 0 ? count : size_t(node); };
  for (int32_t r = 0; r < p.num_leaves; ++r) {
    ++direct[at(p.leaf[r])];
  }
  below = direct;
  for (size_t n = count; n-- > 0;) {
    below[at(p.nodes[n].parent)] += below[n];
  }
  // Depth first: a node's own requests, then those of its children.
  next[count] = direct[count];
  std::vector<int32_t> first(count + 1);
  for (size_t n = 0; n < count; ++n) {
    size_t parent = at(p.nodes[n].parent);
    first[n] = next[parent];
    next[parent] += below[n];
    next[n] = first[n] + direct[n];
    bool continues = joins && parent != count && below[parent] == below[n];
    if (continues) {
      isContinued[parent] = true;
    }
    begin[n] = parent == count ? 0
               : continues     ? begin[parent]
                               : p.nodes[parent].end;
    own[n] = below[n] >= least ? p.nodes[n].end : own[parent];
  }
  SharedRuns shared;
  for (size_t n = 0; n < count; ++n) {
    if (below[n] >= least && !isContinued[n]) {
      shared.runs.push_back(
          {begin[n], p.nodes[n].end, first[n], first[n] + below[n]});
    }
  }
  shared.order.resize(size_t(p.num_leaves));
  shared.own.resize(size_t(p.num_leaves));
  for (int32_t r = 0; r < p.num_leaves; ++r) {
    size_t leaf = at(p.leaf[r]);
    shared.order[size_t(first[leaf]++)] = r;
    shared.own[size_t(r)] = own[leaf];
  }
  return shared;
}
