//===- Requests.cpp - A ragged batch over a page pool ---------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Requests.h"

#include "attn/Support/FloatFormats.h"
#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/LineIterator.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/MemoryBuffer.h"
#include <cmath>
#include <cstring>
#include <numeric>
#include <random>

using namespace attn;

static constexpr uint16_t kNaN = 0x7E00;

FailureOr<CacheShape> attn::readCacheShape(mlir::func::FuncOp entry,
                                           std::string &error) {
  auto shapeOf = [&](unsigned i) -> ArrayRef<int64_t> {
    auto type = i < entry.getNumArguments()
                    ? dyn_cast<ShapedType>(entry.getArgumentTypes()[i])
                    : ShapedType();
    return type ? type.getShape() : ArrayRef<int64_t>();
  };
  ArrayRef<int64_t> q = shapeOf(0), k = shapeOf(1), v = shapeOf(2);
  bool fits = entry.getNumArguments() == 7 && entry.getNumResults() == 1 &&
              q.size() == 5 && k.size() == 4 && v == k &&
              shapeOf(3).size() == 2 && shapeOf(4).size() == 1 &&
              shapeOf(5).size() == 1 && q[2] == k[2] && q[4] == k[3] &&
              !llvm::is_contained(k.drop_front(), ShapedType::kDynamic) &&
              q[3] != ShapedType::kDynamic &&
              getElementTypeOrSelf(entry.getArgumentTypes()[1]).isF16() &&
              getElementTypeOrSelf(entry.getArgumentTypes()[0]).isF16();
  if (!fits) {
    error = "expects the arguments of examples/paged_gqa.mlir: q[b, p, g, r, "
            "e], pools [page, slot, g, e] of k and v, all f16, table, len, "
            "off, scale";
    return failure();
  }
  return CacheShape{k[1], k[2], q[3], k[3]};
}

static FailureOr<SmallVector<int64_t>> readTrace(const DemoOptions &options,
                                                 std::string &error) {
  auto file = llvm::MemoryBuffer::getFile(options.trace);
  if (!file) {
    error = "cannot read '" + options.trace + "': " + file.getError().message();
    return failure();
  }
  SmallVector<int64_t> lengths;
  for (llvm::line_iterator line(**file); !line.is_at_eof(); ++line) {
    auto value = llvm::json::parse(*line);
    std::optional<int64_t> length;
    if (!value) {
      llvm::consumeError(value.takeError());
    } else if (llvm::json::Object *object = value->getAsObject()) {
      length = object->getInteger("input_length");
    }
    if (!length || *length < 0) {
      error = options.trace + ":" + std::to_string(line.line_number()) +
              ": expects a JSON object with a number \"input_length\" of at "
              "least 0";
      return failure();
    }
    lengths.push_back(*length);
    if (int64_t(lengths.size()) == options.requests) {
      return lengths;
    }
  }
  error = options.trace + ": expects at least " +
          std::to_string(options.requests) + " requests, but got " +
          std::to_string(lengths.size());
  return failure();
}

FailureOr<SmallVector<int64_t>> attn::makeLengths(const DemoOptions &options,
                                                  std::string &error) {
  SmallVector<int64_t> lengths;
  if (!options.trace.empty()) {
    FailureOr<SmallVector<int64_t>> read = readTrace(options, error);
    if (failed(read)) {
      return failure();
    }
    lengths = *read;
  } else {
    // Chats: half of them below 4k tokens, with a long tail.
    std::mt19937_64 random(options.seed);
    std::lognormal_distribution<double> distribution(std::log(4000.0), 1.2);
    for (int64_t i = 0; i < options.requests; ++i) {
      lengths.push_back(1 + int64_t(distribution(random)));
    }
  }
  for (int64_t &length : lengths) {
    length = std::min(length, options.cut);
  }
  lengths.push_back(0);
  lengths.push_back(1);
  return lengths;
}

namespace {

/// Numbers of a standard normal distribution, from a table: a pool has some
/// hundred million of them.
class Normals {
public:
  explicit Normals(uint64_t seed) : random(seed) {
    std::mt19937_64 start(7);
    std::normal_distribution<double> normal;
    for (uint16_t &entry : table) {
      entry = uint16_t(encodeFloat(normal(start), kHalf));
    }
  }
  void fill(MutableArrayRef<uint16_t> to) {
    for (uint16_t &x : to) {
      x = table[random() >> 52];
    }
  }

private:
  std::mt19937_64 random;
  uint16_t table[4096];
};

MutableArrayRef<uint16_t> halves(const HostArray &array, int64_t first,
                                 int64_t count) {
  return {static_cast<uint16_t *>(array.data()) + first, size_t(count)};
}

MutableArrayRef<int32_t> integers(const HostArray &array) {
  return {static_cast<int32_t *>(array.data()), size_t(array.numElements())};
}

/// Where a token of a request lies in the pools, in elements.
int64_t slotOf(const CacheShape &shape, const Batch &batch, int64_t request,
               int64_t token) {
  int64_t pages = batch.table.dim(1);
  int64_t page =
      integers(batch.table)[request * pages + token / shape.pageSize];
  return (page * shape.pageSize + token % shape.pageSize) * shape.kvHeads *
         shape.channels;
}

int64_t longest(const Batch &batch) {
  return llvm::max_element(batch.lengths) - batch.lengths.begin();
}

/// The token that the newest query of the longest request looks for.
int64_t needleOf(const Batch &batch) {
  return batch.lengths[longest(batch)] / 3;
}

/// Each of the token's heads becomes twice the query of the group's first head.
void plantNeedle(const CacheShape &shape, Batch &batch) {
  int64_t b = longest(batch);
  if (batch.lengths[b] == 0) {
    return;
  }
  int64_t row = shape.kvHeads * shape.group * shape.channels;
  int64_t q = (b * batch.q.dim(1) + batch.numQueries[b] - 1) * row;
  int64_t k = slotOf(shape, batch, b, needleOf(batch));
  for (int64_t g = 0; g < shape.kvHeads; ++g) {
    auto from =
        halves(batch.q, q + g * shape.group * shape.channels, shape.channels);
    auto to = halves(batch.k, k + g * shape.channels, shape.channels);
    for (auto [x, y] : llvm::zip(from, to)) {
      y = uint16_t(encodeFloat(2 * halfToFloat(x), kHalf));
    }
  }
}

} // namespace

FailureOr<Batch> attn::makeBatch(const CacheShape &shape,
                                 ArrayRef<int64_t> lengths, int64_t queries,
                                 uint64_t seed, std::string &error) {
  Batch batch;
  batch.lengths.assign(lengths.begin(), lengths.end());
  int64_t n = lengths.size(), longestPages = 1;
  for (int64_t length : lengths) {
    int64_t pages = llvm::divideCeil(length, shape.pageSize);
    batch.usedPages += pages;
    longestPages = std::max(longestPages, pages);
    batch.numQueries.push_back(std::min(length, queries));
  }
  batch.numPages = batch.usedPages + batch.usedPages / 8 + 2;
  // Two entries more than the longest request needs.
  int64_t width = longestPages + 2;
  auto q = HostArray::create(
      DType::F16, {n, queries, shape.kvHeads, shape.group, shape.channels});
  SmallVector<int64_t> pool{batch.numPages, shape.pageSize, shape.kvHeads,
                            shape.channels};
  auto k = HostArray::create(DType::F16, pool);
  auto v = HostArray::create(DType::F16, pool);
  if (!q || !k || !v) {
    error = "no memory for a pool of " + std::to_string(batch.numPages) +
            " pages; fewer --requests or a smaller --cut need less";
    return failure();
  }
  batch.q = *q;
  batch.k = *k;
  batch.v = *v;
  batch.table = HostArray::zeros(DType::I32, {n, width});
  batch.len = HostArray::zeros(DType::I32, {n});
  batch.off = HostArray::zeros(DType::I32, {n});
  batch.scale = HostArray::scalar(DType::F32, 1 / std::sqrt(shape.channels));
  for (const HostArray &array : {batch.q, batch.k, batch.v}) {
    llvm::fill(halves(array, 0, array.numElements()), kNaN);
  }

  std::mt19937_64 random(seed);
  SmallVector<int32_t> pages(batch.numPages);
  std::iota(pages.begin(), pages.end(), 0);
  std::shuffle(pages.begin(), pages.end(), random);
  Normals normals(seed);
  int64_t slot = shape.kvHeads * shape.channels, next = 0;
  for (auto [b, length] : llvm::enumerate(lengths)) {
    int32_t *row = &integers(batch.table)[b * width];
    for (int64_t i = 0; i < width; ++i) {
      bool isUsed = i * shape.pageSize < length;
      // Not a page: whoever looks there leaves the pool.
      row[i] = isUsed ? pages[next++] : i % 2 ? -1 : 0x7FFFFFFF;
    }
    for (int64_t i = 0; i * shape.pageSize < length; ++i) {
      int64_t tokens = std::min(length - i * shape.pageSize, shape.pageSize);
      int64_t first = row[i] * shape.pageSize * slot;
      normals.fill(halves(batch.k, first, tokens * slot));
      normals.fill(halves(batch.v, first, tokens * slot));
    }
    integers(batch.len)[b] = int32_t(length);
    integers(batch.off)[b] = int32_t(length - batch.numQueries[b]);
  }
  Normals queriesOf(seed + 1 + uint64_t(queries));
  int64_t query = slot * shape.group;
  for (int64_t b = 0; b < n; ++b) {
    queriesOf.fill(
        halves(batch.q, b * queries * query, batch.numQueries[b] * query));
  }
  plantNeedle(shape, batch);
  return batch;
}

FailureOr<Batch> attn::withoutNeedle(const CacheShape &shape,
                                     const Batch &batch, std::string &error) {
  Batch result = batch;
  for (HostArray *array : {&result.k, &result.v, &result.len, &result.off}) {
    std::optional<HostArray> copy = array->copyAs(array->dtype());
    if (!copy) {
      error = "no memory for a second pool";
      return failure();
    }
    *array = *copy;
  }
  int64_t b = longest(batch), last = batch.lengths[b] - 1;
  int64_t count = shape.kvHeads * shape.channels;
  for (const HostArray &pool : {result.k, result.v}) {
    for (int64_t token = needleOf(batch); token < last; ++token) {
      llvm::copy(halves(pool, slotOf(shape, batch, b, token + 1), count),
                 halves(pool, slotOf(shape, batch, b, token), count).begin());
    }
    llvm::fill(halves(pool, slotOf(shape, batch, b, last), count), kNaN);
  }
  --integers(result.len)[b];
  --integers(result.off)[b];
  return result;
}
