//===- KindContent.cpp - What worlds hold, and where it is stored ---------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "KindWorld.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

using namespace attn;
using namespace attn::test;

/// The upper half of an f32.
static uint16_t toBF16(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  return uint16_t(bits >> 16);
}

static float roundToBF16(float x) {
  uint32_t bits = uint32_t(toBF16(x)) << 16;
  std::memcpy(&x, &bits, sizeof(x));
  return x;
}

/// A draft sees itself and some of those before it.
static bool isAncestor(int64_t draft, int64_t row) {
  return draft == row ||
         (draft < row &&
          (uint32_t(draft * 31 + row) * 2654435761u >> 13) % 3 != 0);
}

void KindWorld::drawContent(std::mt19937_64 &random) {
  std::normal_distribution<float> normal;
  auto fill = [&](std::vector<float> &list, int64_t count) {
    list.resize(size_t(count));
    for (float &x : list) {
      x = parts > 1 ? roundToBF16(normal(random)) : normal(random);
    }
  };
  int64_t rows = requests() * mostQueries * shape.heads;
  fill(q, rows * shape.group * shape.width);
  fill(key, requests() * mostKeys * shape.heads * shape.width);
  fill(value, int64_t(key.size()));
  std::uniform_real_distribution<float> share(0.8f, 1);
  for (int64_t b = 0; b < requests(); ++b) {
    float temperature = 0.25f + std::abs(normal(random));
    for (int64_t m = 0; m < mostKeys; ++m) {
      heat.push_back(temperature);
      decay.push_back(share(random));
    }
  }
  present.assign(size_t(rows * mostKeys), 0);
  for (size_t r = 0; shape.points && r < sym.size(); ++r) {
    int64_t b = requestOf(sym[r]);
    int64_t before = high[listOf(b, 0)] - queries[size_t(b)];
    for (int64_t g = 0; g < shape.heads; ++g) {
      if (headOf(sym[r], g) != g) {
        continue;
      }
      uint8_t *of = &present[presentAt(b, coord[r], g, 0)];
      for (int64_t m = std::max(lo[r], 0);
           m < std::min<int64_t>(limit[r], mostKeys); ++m) {
        of[m] = kind == Kind::Tree
                    ? m < before || isAncestor(m - before, coord[r])
                    : draw(random, 0, 9) < 7;
      }
    }
  }
  for (size_t s = 0; s < maskBegin.size(); ++s) {
    if (maskBegin[s] < 0) {
      continue;
    }
    const attnrt_segment &segment = segments[s];
    int64_t places = rowEnd[s] - rowBegin[s], words = (places + 63) / 64;
    int64_t before =
        high[listOf(segment.param, 0)] - queries[size_t(segment.param)];
    maskBegin[s] = int64_t(masks.size());
    masks.resize(masks.size() + size_t(words * segment.count));
    for (int64_t t = 0; t < segment.count; ++t) {
      for (int64_t place = 0; place < places; ++place) {
        int32_t row = rowList[size_t(rowBegin[s] + place)];
        bool is = segment.coord0 + t < before ||
                  isAncestor(segment.coord0 + t - before, coord[size_t(row)]);
        masks[size_t(maskBegin[s] + t * words + place / 64)] |= uint64_t(is)
                                                                << place % 64;
      }
    }
  }
  if (parts > 1) {
    subsets.resize(size_t(parts));
    for (Subset &subset : subsets) {
      subset.rowBegin.reserve(1); // not null
      subset.rowEnd.reserve(1);
    }
    for (size_t s = 0; s < segments.size(); ++s) {
      Subset &subset = subsets[size_t(segments[s].view)];
      subset.segments.push_back(segments[s]);
      subset.segments.back().view = 0;
      subset.rowBegin.push_back(rowBegin[s]);
      subset.rowEnd.push_back(rowEnd[s]);
      subset.sureCount.push_back(sureCount[s]);
    }
  }
  // Not null.
  rowList.reserve(1);
  rowBegin.reserve(1);
  rowEnd.reserve(1);
}

void KindWorld::redraw(std::mt19937_64 &random) {
  real.resize(high.size());
  int64_t way = draw(random, 0, 3);
  for (size_t i = 0; i < high.size(); ++i) {
    real[i] = way == 0   ? high[i]
              : way == 1 ? low[i]
                         : int32_t(draw(random, low[i], high[i]));
  }
  for (int part = 0; part < parts; ++part) {
    storeCache(part, random);
  }
  if (shape.fold == Fold::columns) {
    findLse();
  }
}

/// Pages in any order; NaN wherever no key is at the real lengths.
void KindWorld::storeCache(int part, std::mt19937_64 &random) {
  Storage &s = storage[size_t(part)];
  Shape format = shapeOf(kind, shape.mask, part);
  s.width = mostKeys / format.page + 2;
  int64_t rows = requests() * lists();
  s.pages = rows * s.width + 1;
  std::vector<int32_t> numbers(static_cast<size_t>(s.pages));
  std::iota(numbers.begin(), numbers.end(), 0);
  std::shuffle(numbers.begin() + 1, numbers.end(), random); // 0 is nobody's
  s.table.assign(size_t(rows * s.width), 0);
  size_t elements = size_t(s.pages * format.page * shape.heads * shape.width);
  std::vector<float> *caches[] = {&s.k, &s.v};
  for (std::vector<float> *cache : caches) {
    cache->assign(elements, NAN);
  }
  for (int64_t row = 0; row < rows; ++row) {
    int64_t b = row / lists();
    for (int64_t m = 0; m < real[size_t(row)]; ++m) {
      size_t entry = size_t(row * s.width + m / format.page);
      s.table[entry] = numbers[entry + 1];
      // Only what segments of this format hold.
      bool isHere = parts == 1;
      for (const attnrt_segment &segment : segments) {
        isHere |= segment.param == b && segment.view == part &&
                  m >= segment.coord0 && m < segment.coord0 + segment.count;
      }
      for (int64_t g = 0; isHere && g < shape.heads; ++g) {
        if (shape.lists && g != row % lists()) {
          continue;
        }
        size_t to = size_t(
            ((s.table[entry] * format.page + m % format.page) * shape.heads +
             g) *
            shape.width);
        std::copy_n(&key[contentAt(b, m, g)], shape.width, &s.k[to]);
        std::copy_n(&value[contentAt(b, m, g)], shape.width, &s.v[to]);
      }
    }
  }
  if (format.bf16) {
    s.k16.resize(elements);
    s.v16.resize(elements);
    std::transform(s.k.begin(), s.k.end(), s.k16.begin(), toBF16);
    std::transform(s.v.begin(), s.v.end(), s.v16.begin(), toBF16);
  }
}

std::vector<int64_t> KindWorld::resultSizes() const {
  if (shape.fold == Fold::columns) {
    return {requests(), shape.heads, mostKeys};
  }
  return {requests(), mostQueries, shape.heads, shape.group, shape.width};
}

std::vector<float> KindWorld::blankResult() const {
  int64_t count = 1;
  for (int64_t size : resultSizes()) {
    count *= size;
  }
  return std::vector<float>(size_t(count), kBlank);
}

std::vector<attnrt_tensor> KindWorld::arguments(int part, int bounds) const {
  const Storage &s = storage[size_t(part)];
  Shape format = shapeOf(kind, shape.mask, part);
  auto typed = [](attnrt_dtype dtype, const void *data,
                  const std::vector<int64_t> &sizes) {
    attnrt_tensor t = tensorOf(data, sizes);
    t.dtype = dtype;
    return t;
  };
  auto cache = [&](const std::vector<float> &list,
                   const std::vector<uint16_t> &half) {
    std::vector<int64_t> sizes{s.pages, format.page, shape.heads, shape.width};
    return format.bf16 ? typed(ATTNRT_BF16, half.data(), sizes)
                       : typed(ATTNRT_F32, list.data(), sizes);
  };
  std::vector<int64_t> perList{requests()}, tableSizes{requests()};
  if (shape.lists) {
    perList.push_back(shape.heads);
    tableSizes.push_back(shape.heads);
  }
  tableSizes.push_back(s.width);
  const std::vector<int32_t> &lengths = bounds < 0   ? low
                                        : bounds > 0 ? high
                                                     : real;
  std::vector<int64_t> perRow{requests(), mostQueries, shape.heads,
                              shape.group};
  std::vector<int64_t> rows = perRow;
  rows.push_back(shape.width);
  std::vector<attnrt_tensor> list{
      typed(ATTNRT_F32, q.data(), rows),
      cache(s.k, s.k16),
      cache(s.v, s.v16),
      typed(ATTNRT_I32, s.table.data(), tableSizes),
      typed(ATTNRT_I32, lengths.data(), perList),
      typed(ATTNRT_I32, queries.data(), {requests()}),
      typed(ATTNRT_F32, &scale, {})};
  std::vector<int64_t> perKey{requests(), mostKeys};
  std::vector<int64_t> perListKey{requests(), shape.heads, mostKeys},
      perPoint{requests(), mostQueries, shape.heads, mostKeys};
  if (shape.points) {
    list.push_back(typed(ATTNRT_BOOL, present.data(),
                         shape.lists ? perListKey : perPoint));
  }
  if (shape.heat) {
    list.push_back(typed(ATTNRT_F32, heat.data(), perKey));
  }
  if (shape.fold == Fold::decay) {
    list.push_back(typed(ATTNRT_F32, decay.data(), perKey));
  }
  if (shape.fold == Fold::columns) {
    list.push_back(typed(ATTNRT_F32, lse.data(), perRow));
  }
  return list;
}
