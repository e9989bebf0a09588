//===- KindDense.cpp - What comes out of worlds, in f64 -------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "KindWorld.h"

#include <algorithm>
#include <cmath>
#include <cstring>

using namespace attn;
using namespace attn::test;

bool KindWorld::sees(int64_t request, int64_t query, int64_t head,
                     int64_t key) const {
  int64_t length = real[listOf(request, head)];
  int64_t last = query + length - queries[size_t(request)];
  if (query >= queries[size_t(request)] || key >= length) {
    return false;
  }
  if (shape.mask != Mask::none && key > last) {
    return false;
  }
  if (shape.mask == Mask::window && key <= last - shape.window) {
    return false;
  }
  return !shape.points || present[presentAt(request, query, head, key)];
}

double KindWorld::score(int64_t request, int64_t query, int64_t head,
                        int64_t sub, int64_t param, int64_t m) const {
  const float *left = &q[size_t(
      (((request * mostQueries + query) * shape.heads + head) * shape.group +
       sub) *
      shape.width)];
  const float *right = &key[contentAt(param, m, head)];
  double dot = 0;
  for (int64_t e = 0; e < shape.width; ++e) {
    dot += double(left[e]) * right[e];
  }
  float factor;
  std::memcpy(&factor, &scale, sizeof(factor));
  dot *= factor;
  return shape.heat ? dot * heat[size_t(param * mostKeys + m)] : dot;
}

KindWorld::Total KindWorld::totalOf(size_t row, int64_t head,
                                    int64_t sub) const {
  Total total;
  total.sum.assign(size_t(shape.width), 0);
  bool isOrdered = shape.fold == Fold::decay;
  total.all = isOrdered ? 1 : 0;
  int64_t own = headOf(sym[row], head);
  for (int32_t e = extBegin.empty() ? 0 : extBegin[row];
       !extBegin.empty() && e < extBegin[row + 1]; ++e) {
    size_t slot = size_t(slotOf(ext[size_t(e)], head, sub));
    const auto &all = givenStates[givenStates.size() - 2];
    const float *sum = givenStates.back().data() + slot * size_t(shape.width);
    double by = isOrdered ? 1 : std::exp(double(givenStates[0][slot]));
    for (int64_t f = 0; f < shape.width; ++f) {
      double &x = total.sum[size_t(f)];
      x = isOrdered ? x * all[slot] + sum[f] : x + by * sum[f];
    }
    total.all = isOrdered ? total.all * all[slot] : total.all + by * all[slot];
  }
  for (size_t s = 0; s < segments.size(); ++s) {
    const attnrt_segment &segment = segments[s];
    bool reads = (segment.head < 0 || segment.head == head) &&
                 std::binary_search(rowList.begin() + rowBegin[s],
                                    rowList.begin() + rowEnd[s], int32_t(row));
    for (int64_t m = segment.coord0;
         reads && m < segment.coord0 + segment.count; ++m) {
      if (!sees(requestOf(sym[row]), coord[row], own, m)) {
        continue;
      }
      int64_t param = requestOf(segment.param);
      double weight =
          score(requestOf(sym[row]), coord[row], own, sub, param, m);
      const float *v = &value[contentAt(param, m, own)];
      if (isOrdered) {
        double by = decay[size_t(param * mostKeys + m)];
        total.all *= by;
        for (int64_t f = 0; f < shape.width; ++f) {
          double &x = total.sum[size_t(f)];
          x = x * by + weight * v[f];
        }
        continue;
      }
      weight = std::exp(weight);
      total.all += weight;
      for (int64_t f = 0; f < shape.width; ++f) {
        total.sum[size_t(f)] += weight * v[f];
      }
    }
  }
  return total;
}

static std::string differ(const char *what, double got, double want,
                          double tolerance) {
  bool isRight = std::abs(got - want) <= tolerance * (1 + std::abs(want));
  return isRight ? ""
                 : std::string(what) + " is " + std::to_string(got) +
                       " where " + std::to_string(want) + " is right";
}

std::string KindWorld::compareRow(size_t row, int64_t head, int64_t sub,
                                  const std::vector<float> &out,
                                  const std::vector<std::vector<float>> &states,
                                  double tolerance) const {
  Total want = totalOf(row, head, sub);
  bool isOrdered = shape.fold == Fold::decay;
  const float *got = &out[size_t(
      (((requestOf(sym[row]) * mostQueries + coord[row]) * shape.heads +
        headOf(sym[row], head)) *
           shape.group +
       sub) *
      shape.width)];
  if (!keep.empty() && keep[row] >= 0) {
    size_t slot = size_t(slotOf(extCount + keep[row], head, sub));
    double by = isOrdered ? 1 : std::exp(double(states[0][slot]));
    const float *sum = states.back().data() + slot * size_t(shape.width);
    std::string wrong =
        differ("the kept total", by * states[states.size() - 2][slot], want.all,
               tolerance);
    for (int64_t f = 0; wrong.empty() && f < shape.width; ++f) {
      wrong = differ("a kept sum", by * sum[f], want.sum[size_t(f)], tolerance);
      if (got[f] != kBlank) {
        wrong = "a row whose state stays has an output";
      }
    }
    return wrong;
  }
  std::string wrong;
  for (int64_t f = 0; wrong.empty() && f < shape.width; ++f) {
    double x = want.sum[size_t(f)];
    if (!isOrdered) {
      x = want.all > 0 ? x / want.all : 0;
    }
    wrong = differ("an output", got[f], x, tolerance);
  }
  return wrong;
}

void KindWorld::findLse() {
  lse.assign(size_t(requests() * mostQueries * shape.heads * shape.group), NAN);
  size_t at = 0;
  for (int64_t b = 0; b < requests(); ++b) {
    for (int64_t p = 0; p < mostQueries; ++p) {
      for (int64_t h = 0; h < shape.heads * shape.group; ++h, ++at) {
        double sum = 0;
        for (int64_t m = 0; m < mostKeys; ++m) {
          if (sees(b, p, h / shape.group, m)) {
            sum +=
                std::exp(score(b, p, h / shape.group, h % shape.group, b, m));
          }
        }
        if (sum > 0) {
          lse[at] = float(std::log(sum));
        }
      }
    }
  }
}

double KindWorld::columnOf(size_t row, int64_t head) const {
  double sum = 0;
  for (size_t s = 0; s < segments.size(); ++s) {
    const attnrt_segment &segment = segments[s];
    if (!std::binary_search(rowList.begin() + rowBegin[s],
                            rowList.begin() + rowEnd[s], int32_t(row))) {
      continue;
    }
    for (int64_t p = segment.coord0; p < segment.coord0 + segment.count; ++p) {
      if (!sees(sym[row], p, head, coord[row])) {
        continue;
      }
      for (int64_t sub = 0; sub < shape.group; ++sub) {
        double x = score(sym[row], p, head, sub, sym[row], coord[row]);
        sum += std::exp(
            x - lse[size_t(
                    ((segment.param * mostQueries + p) * shape.heads + head) *
                        shape.group +
                    sub)]);
      }
    }
  }
  return sum;
}

std::string KindWorld::compare(const std::vector<float> &out,
                               const std::vector<std::vector<float>> &states,
                               double tolerance) const {
  size_t written = 0;
  for (size_t r = 0; r < sym.size(); ++r) {
    for (int64_t h = 0; h < planHeads() * planGroup(); ++h) {
      int64_t head = h / planGroup(), sub = h % planGroup();
      std::string wrong;
      if (shape.fold == Fold::columns) {
        size_t at = size_t((sym[r] * shape.heads + head) * mostKeys + coord[r]);
        wrong = differ("a column", out[at], columnOf(r, head), tolerance);
        ++written;
      } else {
        wrong = compareRow(r, head, sub, out, states, tolerance);
        bool stays = !keep.empty() && keep[r] >= 0;
        written += stays ? 0 : size_t(shape.width);
      }
      if (!wrong.empty()) {
        return wrong + ": row " + std::to_string(r) + " of request " +
               std::to_string(sym[r]) + ", head " + std::to_string(head) +
               ", " + std::to_string(sub);
      }
    }
  }
  size_t blank = size_t(std::count(out.begin(), out.end(), kBlank));
  return written + blank == out.size()
             ? ""
             : std::to_string(out.size() - blank) + " outputs were written, " +
                   std::to_string(written) + " were asked for";
}
