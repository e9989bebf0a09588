// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A small engine over the runtime: decodes three requests for a few steps with
// a paged cache, two layers per step.
//
//   embed_cpp paged_gqa.attnb    a bundle that attn-translate made
//   embed_cpp paged_gqa.mlir     its text, compiled in this process
//
// Keys all score alike, so each row is the mean of the values that its request
// has so far: what the engine checks.
#include "attnjit/attnjit.h"
#include "attnrt/attnrt.hpp"

#include <cmath>
#include <cstdio>
#include <fstream>
#include <iterator>

using namespace attn;

constexpr int64_t kRequests = 3, kHeads = 8, kGroup = 4, kWidth = 128,
                  kPage = 16, kPages = 32, kBlocks = 8, kLayers = 2;

/// A tensor in host memory for the runtime.
struct Tensor {
  Tensor(void *data, DLDataType type, std::vector<int64_t> shape)
      : shape(std::move(shape)) {
    dl.data = data;
    dl.device = {kDLCPU, 0};
    dl.dtype = type;
  }
  const DLTensor *get() {
    dl.ndim = int32_t(shape.size());
    dl.shape = shape.data();
    return &dl;
  }
  DLTensor dl{};
  std::vector<int64_t> shape;
};

/// binary16 of a whole number from 1 to 2047.
static uint16_t half(int number) {
  int exponent = std::ilogb(number);
  return uint16_t((exponent + 15) << 10 |
                  ((number << (10 - exponent)) & 0x3ff));
}

/// The bytes of a bundle: of the file, or compiled from its text.
static std::string load(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  std::string content{std::istreambuf_iterator<char>(file), {}};
  if (path.size() < 5 || path.substr(path.size() - 5) != ".mlir") {
    return content;
  }
  attnjit_result *result = nullptr;
  attnrt_status status =
      attnjit_compile(content.data(), content.size(), nullptr, &result);
  std::string bytes(static_cast<const char *>(attnjit_result_bytes(result)),
                    attnjit_result_size(result));
  std::string said = attnjit_result_diagnostics(result);
  attnjit_result_release(result);
  if (status) {
    throw rt::Error(status, said.c_str());
  }
  return bytes;
}

static int serve(const std::string &path) {
  std::string bytes = load(path);
  rt::Context context;
  rt::Bundle bundle(context, bytes.data(), bytes.size());
  rt::Kernel kernel(bundle, "paged_gqa", {kDLCPU, 0});
  rt::Schedule schedule(kernel);

  // One cache per layer; the table and the lengths serve all of them.
  std::vector<uint16_t> q(kRequests * kHeads * kGroup * kWidth, half(1));
  std::vector<std::vector<uint16_t>> keys(kLayers), values(kLayers);
  for (int64_t layer = 0; layer < kLayers; ++layer) {
    keys[layer].assign(kPages * kPage * kHeads * kWidth, half(1));
    values[layer].assign(keys[layer].size(), 0x7e00); // NaN: nobody's token
  }
  std::vector<int32_t> table(kRequests * kBlocks, -1), length{14, 0, 40},
      offset(kRequests);
  int32_t freePage = 0, worst = 0;
  float scale = 0.25f;
  std::vector<float> out(q.size());
  std::vector<double> sums(kRequests);

  auto append = [&](int64_t b, int64_t token) {
    int32_t &page = table[b * kBlocks + token / kPage];
    page = page < 0 ? freePage++ : page;
    int number = int(1 + (b * 5 + token) % 9);
    sums[b] += number;
    int64_t slot = (page * kPage + token % kPage) * kHeads * kWidth;
    for (auto &layer : values) {
      std::fill_n(layer.begin() + slot, kHeads * kWidth, half(number));
    }
  };
  for (int64_t b = 0; b < kRequests; ++b) {
    for (int64_t token = 0; token < length[b]; ++token) {
      append(b, token);
    }
  }
  DLDataType f16{kDLFloat, 16, 1}, f32{kDLFloat, 32, 1}, i32{kDLInt, 32, 1};
  std::vector<int64_t> rows{kRequests, 1, kHeads, kGroup, kWidth},
      pool{kPages, kPage, kHeads, kWidth};
  Tensor tq(q.data(), f16, rows), tk(nullptr, f16, pool),
      tv(nullptr, f16, pool), ttable(table.data(), i32, {kRequests, kBlocks}),
      tlength(length.data(), i32, {kRequests}),
      toffset(offset.data(), i32, {kRequests}), tscale(&scale, f32, {}),
      to(out.data(), f32, rows);
  for (int step = 0; step < 5; ++step) {
    for (int64_t b = 0; b < kRequests; ++b) {
      append(b, length[b]);
      offset[b] = length[b]++;
    }
    schedule.update({tq.get(), tk.get(), tv.get(), ttable.get(), tlength.get(),
                     toffset.get(), tscale.get()});
    for (int64_t layer = 0; layer < kLayers; ++layer) {
      tk.dl.data = keys[layer].data();
      tv.dl.data = values[layer].data();
      schedule.run({tq.get(), tk.get(), tv.get(), ttable.get(), tlength.get(),
                    toffset.get(), tscale.get(), to.get()});
      for (size_t i = 0; i < out.size(); ++i) {
        size_t b = i / (out.size() / kRequests);
        worst += !(std::fabs(out[i] - sums[b] / length[b]) < 1e-2);
      }
    }
    std::printf("step %d: lengths %d %d %d, %lld keys read, %d wrong\n", step,
                length[0], length[1], length[2],
                static_cast<long long>(schedule.stats().keys_read), worst);
  }
  return worst ? 1 : 0;
}

int main(int argc, char **argv) {
  try {
    return serve(argc > 1 ? argv[1] : "");
  } catch (const rt::Error &error) {
    std::fprintf(stderr, "embed_cpp: %s\n", error.what());
    return 2;
  }
}
