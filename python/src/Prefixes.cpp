// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which whole pages the sequences of a step have in common, as steps take it.
#include "Arrays.h"
#include "Error.h"
#include "Pool.h"

#include <algorithm>

namespace nb = nanobind;
using namespace attn::python;

namespace {

/// A trie of page tables: requests that begin with the same pages stand behind
/// one another once tables are sorted, so a node is a range of them.
class Forest {
public:
  Forest(const PagePool &pool, const std::vector<uint64_t> &sequences,
         int32_t group, int64_t least)
      : leaves(sequences.size(), -1), least(least), pageSize(pool.pageSize) {
    for (uint64_t sequence : sequences) {
      attnrt_sequence_view view = {};
      check(attnrt_sequence_pages(pool.get(), sequence, group, &view));
      // Whole pages, up to the first that was trimmed.
      const int32_t *end = view.pages + view.length / pool.pageSize;
      tables.push_back({view.pages, std::find(view.pages, end, pool.null)});
    }
    for (size_t i = 0; i < tables.size(); ++i) {
      order.push_back(int32_t(i));
    }
    std::sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
      return std::lexicographical_compare(tables[a].begin, tables[a].end,
                                          tables[b].begin, tables[b].end);
    });
    split(0, order.size(), 0, -1);
  }

  std::vector<attnrt_prefix_node> nodes;
  std::vector<int32_t> leaves; ///< by request

private:
  struct Table {
    const int32_t *begin, *end;
    int64_t size() const { return end - begin; }
  };

  /// Pages from `depth` on that the tables first .. last have in common.
  int64_t commonDepth(size_t first, size_t last, int64_t depth) const {
    // In a sorted range the ends differ first.
    const Table &a = tables[order[first]], &b = tables[order[last - 1]];
    int64_t end = std::min(a.size(), b.size());
    while (depth < end && a.begin[depth] == b.begin[depth]) {
      ++depth;
    }
    return depth;
  }

  void split(size_t first, size_t last, int64_t depth, int32_t parent) {
    for (size_t at = first; at < last;) {
      const Table &table = tables[order[at]];
      size_t next = at + 1;
      while (next < last && table.size() > depth &&
             tables[order[next]].size() > depth &&
             tables[order[next]].begin[depth] == table.begin[depth]) {
        ++next;
      }
      if (next - at > 1) {
        grow(at, next, commonDepth(at, next, depth), parent);
      } else {
        leaves[order[at]] = parent;
      }
      at = next;
    }
  }

  /// A node of these requests, unless it is too short to be worth it: then what
  /// lies deeper is the parent's.
  void grow(size_t first, size_t last, int64_t end, int32_t parent) {
    int64_t begin = parent < 0 ? 0 : nodes[size_t(parent)].end;
    int32_t node = parent;
    if (end * pageSize - begin >= least) {
      node = int32_t(nodes.size());
      nodes.push_back({parent, int32_t(end * pageSize)});
    }
    split(first, last, end, node);
  }

  int64_t least, pageSize;
  std::vector<Table> tables;
  std::vector<int32_t> order;
};

} // namespace

std::pair<Array<int32_t>, Array<int32_t>>
attn::python::prefixesOf(const PagePool &pool,
                         const std::vector<uint64_t> &sequences, int32_t group,
                         int64_t least) {
  Forest forest(pool, sequences, group, least);
  return {arrayOf<int32_t>(std::move(forest.nodes)),
          arrayOf<int32_t>(std::move(forest.leaves))};
}
