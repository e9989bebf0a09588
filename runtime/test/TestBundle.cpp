//===- TestBundle.cpp - Bundles that tests can bend -----------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "TestBundle.h"

#include "../src/support/Sha256.h"
#include "attnrt/plan_format.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>

using namespace attnrt_test;
using namespace attnrt::bundle;

static Bytes readFile(const char *path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file),
          std::istreambuf_iterator<char>()};
}

template <class T> static std::unique_ptr<T> make() {
  return std::make_unique<T>();
}

static std::unique_ptr<BufferT> buffer(BufferKind kind, uint32_t index,
                                       attnrt_dtype dtype,
                                       std::vector<int64_t> sizes,
                                       std::vector<uint32_t> shape = {}) {
  auto b = make<BufferT>();
  b->kind = kind;
  b->index = index;
  b->dtype = uint8_t(dtype);
  b->memory = kind != BufferKind::Scalar && kind != BufferKind::Extent;
  b->sizes = std::move(sizes);
  b->shape = std::move(shape);
  return b;
}

static std::unique_ptr<EntryT> makeEntry() {
  auto entry = make<EntryT>();
  entry->name = "sums";
  auto argument = [&](ArgumentKind kind, attnrt_dtype dtype,
                      std::vector<int64_t> sizes) {
    auto a = make<ArgumentT>();
    a->kind = kind;
    a->dtype = uint8_t(dtype);
    a->sizes = std::move(sizes);
    entry->arguments.push_back(std::move(a));
  };
  argument(ArgumentKind::Array, ATTNRT_F32, {-1, -1});
  argument(ArgumentKind::Array, ATTNRT_I32, {-1});
  argument(ArgumentKind::Scalar, ATTNRT_F32, {});
  for (std::vector<int64_t> sizes : {std::vector<int64_t>{-1}, {-1, 2}}) {
    auto r = make<ResultT>();
    r->dtype = ATTNRT_F32;
    r->sizes = sizes;
    entry->results.push_back(std::move(r));
  }
  // x[b, m] where m < len[b].
  auto view = make<ViewT>();
  view->axes = {"b", "m"};
  auto expression = [](std::vector<Step> steps) {
    auto e = make<ExpressionT>();
    e->steps = std::move(steps);
    return e;
  };
  auto lookup = make<LookupT>();
  lookup->name = "len";
  lookup->argument = 1;
  lookup->at.push_back(expression({Step(StepKind::Axis, 0)}));
  view->symbols.push_back(std::move(lookup));
  auto set = make<SetT>();
  auto constraint = make<ConstraintT>();
  constraint->expression =
      expression({Step(StepKind::Symbol, 0), Step(StepKind::Axis, 1),
                  Step(StepKind::Constant, -1), Step(StepKind::Mul, 0),
                  Step(StepKind::Add, 0), Step(StepKind::Constant, -1),
                  Step(StepKind::Add, 0)});
  set->constraints.push_back(std::move(constraint));
  view->domain.push_back(std::move(set));
  view->address.push_back(expression({Step(StepKind::Axis, 0)}));
  view->address.push_back(expression({Step(StepKind::Axis, 1)}));
  entry->views.push_back(std::move(view));
  return entry;
}

static std::unique_ptr<ProgramT> makeProgram() {
  auto program = make<ProgramT>();
  program->extents_function = "sums_extents";
  program->host_reads = {1};
  for (int group : {0, 0, 1, -1}) {
    auto extent = make<ExtentT>();
    extent->source = "argument";
    extent->rank = "b";
    extent->group = group;
    program->extents.push_back(std::move(extent));
  }
  auto &buffers = program->buffers;
  buffers.push_back(buffer(BufferKind::Operand, 0, ATTNRT_F32, {-1, -1}));
  buffers.push_back(buffer(BufferKind::Operand, 1, ATTNRT_I32, {-1}));
  buffers.push_back(buffer(BufferKind::Scalar, 2, ATTNRT_F32, {}));
  for (uint32_t extent = 0; extent < 4; ++extent) {
    buffers.push_back(buffer(BufferKind::Extent, extent, ATTNRT_I64, {}));
  }
  buffers.push_back(buffer(BufferKind::Result, 0, ATTNRT_F32, {-1}, {0}));
  buffers.push_back(buffer(BufferKind::Result, 1, ATTNRT_F32, {-1, 2}, {0, 3}));
  buffers.back()->zero = true;
  buffers.push_back(buffer(BufferKind::State, 0, ATTNRT_F32, {-1}));
  buffers.push_back(buffer(BufferKind::Workspace, 0, ATTNRT_F32, {-1}, {0}));
  for (const char *symbol : {"sums", "sums_merge", "scale_stage"}) {
    auto kernel = make<KernelT>();
    kernel->symbol = symbol;
    kernel->scratch_bytes = 64;
    program->kernels.push_back(std::move(kernel));
  }
  auto fold = make<LaunchT>();
  fold->items = 0;
  fold->merge = 1;
  fold->range = "sums_range";
  fold->rows = 1;
  fold->cols = 4;
  fold->segments = {0};
  fold->fold = 2;
  fold->states.push_back(make<ComponentT>());
  fold->states.back()->buffer = 9;
  program->launches.push_back(std::move(fold));
  auto stage = make<LaunchT>();
  stage->items = 2;
  stage->size = {0};
  program->launches.push_back(std::move(stage));
  return program;
}

static void addGpu(BundleT &bundle) {
  auto target = make<TargetT>();
  target->kind = TargetKind::Cuda;
  target->chip = "sm_80";
  bundle.targets.push_back(std::move(target));
  auto code = make<CodeT>();
  code->kind = CodeKind::Ptx;
  code->text = ".version 7.0";
  bundle.code.push_back(std::move(code));
  auto program = makeProgram();
  program->target = 1;
  for (auto &kernel : program->kernels) {
    kernel->code = 1;
    kernel->threads = 32;
    // Six tensors, five cells.
    kernel->argument_bytes = 6 * sizeof(attnrt_tensor) + 5 * 8;
  }
  bundle.entries[0]->programs.push_back(std::move(program));
}

BundleT attnrt_test::makeBundle(int factor, bool hasGpu) {
  BundleT bundle;
  bundle.format = 3;
  bundle.min_reader = 1;
  bundle.producer = "tests";
  bundle.plan_format = ATTNRT_PLAN_FORMAT;
  auto target = make<TargetT>();
  target->chip = "x86-64-v2";
  bundle.targets.push_back(std::move(target));
  auto code = make<CodeT>();
  code->kind = CodeKind::SharedObject;
  code->bytes =
      readFile(factor == 1 ? ATTNRT_TEST_KERNEL_1 : ATTNRT_TEST_KERNEL_2);
  bundle.code.push_back(std::move(code));
  auto entry = makeEntry();
  entry->programs.push_back(makeProgram());
  bundle.entries.push_back(std::move(entry));
  if (hasGpu) {
    addGpu(bundle);
  }
  return bundle;
}

std::string attnrt_test::readTestPtx() {
  Bytes bytes = readFile(ATTNRT_TEST_PTX);
  return {bytes.begin(), bytes.end()};
}

Bytes attnrt_test::pack(BundleT bundle) {
  auto digest = [](const void *data, size_t size) {
    auto d = attnrt::sha256(data, size);
    return Bytes(d.begin(), d.end());
  };
  for (auto &code : bundle.code) {
    code->digest = code->kind == CodeKind::Ptx
                       ? digest(code->text.data(), code->text.size())
                       : digest(code->bytes.data(), code->bytes.size());
  }
  bundle.metadata_digest.assign(32, 0);
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(Bundle::Pack(builder, &bundle), BundleIdentifier());
  Bytes bytes(builder.GetBufferPointer(),
              builder.GetBufferPointer() + builder.GetSize());
  // Of all but code and the digest itself.
  const Bundle &root = *GetBundle(bytes.data());
  std::vector<std::pair<const uint8_t *, size_t>> holes{
      {root.metadata_digest()->data(), 32}};
  for (const Code *code : *root.code()) {
    if (code->kind() == CodeKind::Ptx && code->text()) {
      holes.push_back({code->text()->Data(), code->text()->size()});
    } else if (code->kind() != CodeKind::Ptx && code->bytes()) {
      holes.push_back({code->bytes()->data(), code->bytes()->size()});
    }
  }
  std::sort(holes.begin(), holes.end());
  Bytes rest;
  const uint8_t *from = bytes.data();
  for (auto [data, size] : holes) {
    rest.insert(rest.end(), from, data);
    from = data + size;
  }
  rest.insert(rest.end(), from,
              static_cast<const uint8_t *>(bytes.data()) + bytes.size());
  Bytes own = digest(rest.data(), rest.size());
  size_t place = size_t(root.metadata_digest()->data() - bytes.data());
  std::copy(own.begin(), own.end(), bytes.begin() + long(place));
  return bytes;
}

//===----------------------------------------------------------------------===//
// Tensors
//===----------------------------------------------------------------------===//

Tensor::Tensor(DLDataType dtype, std::vector<int64_t> s, void *data)
    : sizes(std::move(s)) {
  tensor.data = data;
  tensor.device = {kDLCPU, 0};
  tensor.ndim = int32_t(sizes.size());
  tensor.dtype = dtype;
}

Tensor Tensor::floats(std::vector<int64_t> sizes, std::vector<float> &data) {
  return {{kDLFloat, 32, 1}, std::move(sizes), data.data()};
}
Tensor Tensor::ints(std::vector<int64_t> sizes, std::vector<int32_t> &data) {
  return {{kDLInt, 32, 1}, std::move(sizes), data.data()};
}
Tensor Tensor::scalar(float &value) { return {{kDLFloat, 32, 1}, {}, &value}; }

Batch::Batch(std::vector<int32_t> lengths, int64_t keys)
    : keys(keys), x(lengths.size() * size_t(keys)), y(lengths.size(), -1),
      z(2 * lengths.size(), -1), len(std::move(lengths)),
      tx(Tensor::floats({int64_t(len.size()), keys}, x)),
      tlen(Tensor::ints({int64_t(len.size())}, len)),
      tscale(Tensor::scalar(scale)),
      ty(Tensor::floats({int64_t(len.size())}, y)),
      tz(Tensor::floats({int64_t(len.size()), 2}, z)), thost(tlen) {
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = float(i % 7) + 1;
  }
}

std::vector<const DLTensor *> Batch::arguments() {
  return {tx.get(), tlen.get(), tscale.get()};
}

std::vector<const DLTensor *> Batch::all() {
  return {tx.get(), tlen.get(), tscale.get(), ty.get(), tz.get()};
}

void Batch::moveTo(DLDevice device) {
  if (device.device_type == kDLCUDA) {
    for (Tensor *t : {&tx, &tlen, &ty, &tz}) {
      t->tensor.device = device;
    }
    thost.tensor.data = len.data();
    host = {nullptr, thost.get(), nullptr};
  }
}

attnrt_step Batch::step() {
  list = arguments();
  attnrt_step step{};
  step.struct_size = sizeof(step);
  step.num_arguments = int32_t(list.size());
  step.arguments = list.data();
  step.host = host.empty() ? nullptr : host.data();
  return step;
}

std::vector<float> Batch::expected(float factor) const {
  std::vector<float> sums;
  for (size_t b = 0; b < len.size(); ++b) {
    float sum = 0;
    for (int64_t m = 0; m < std::min<int64_t>(len[b], keys); ++m) {
      sum += x[b * size_t(keys) + size_t(m)];
    }
    sums.push_back(factor * scale * sum);
  }
  return sums;
}

//===----------------------------------------------------------------------===//
// Handles
//===----------------------------------------------------------------------===//

Loaded::Loaded(const attnrt_context_params *params, DLDevice device, int factor,
               const attnrt_schedule_caps *caps) {
  bool isSimulated =
      device.device_type == kDLExtDev && device.device_id == ATTNRT_DEVICE_SIM;
  BundleT made =
      makeBundle(factor, isSimulated || device.device_type == kDLCUDA);
  if (isSimulated) {
    made.code[1]->text = readTestPtx();
  }
  Bytes bytes = pack(std::move(made));
  EXPECT_EQ(ATTNRT_OK, attnrt_context_create(params, &context));
  EXPECT_EQ(ATTNRT_OK,
            attnrt_bundle_load(context, bytes.data(), bytes.size(), &bundle))
      << attnrt_last_message();
  EXPECT_EQ(ATTNRT_OK,
            attnrt_kernel_load(bundle, "sums", device, nullptr, &kernel))
      << attnrt_last_message();
  EXPECT_EQ(ATTNRT_OK, attnrt_schedule_create(kernel, caps, &schedule))
      << attnrt_last_message();
}

Loaded::~Loaded() {
  attnrt_context_release(context);
  attnrt_bundle_release(bundle);
  attnrt_kernel_release(kernel);
  attnrt_schedule_release(schedule);
}

std::string Loaded::run(Batch &batch) {
  attnrt_step step = batch.step();
  auto all = batch.all();
  if (attnrt_schedule_update(schedule, &step, nullptr) ||
      attnrt_schedule_verify(schedule) ||
      attnrt_run(schedule, all.data(), int32_t(all.size()), nullptr)) {
    return attnrt_last_message();
  }
  return "";
}

attnrt_status attnrt_test::tryToLoad(attnrt::bundle::BundleT made,
                                     const attnrt_context_params &params,
                                     DLDevice device) {
  Bytes bytes = pack(std::move(made));
  attnrt_context *context = nullptr;
  attnrt_bundle *bundle = nullptr;
  attnrt_kernel *kernel = nullptr;
  EXPECT_EQ(ATTNRT_OK, attnrt_context_create(&params, &context));
  EXPECT_EQ(ATTNRT_OK,
            attnrt_bundle_load(context, bytes.data(), bytes.size(), &bundle))
      << attnrt_last_message();
  attnrt_status status =
      attnrt_kernel_load(bundle, "sums", device, nullptr, &kernel);
  EXPECT_EQ(status == ATTNRT_OK, kernel != nullptr);
  attnrt_kernel_release(kernel);
  attnrt_bundle_release(bundle);
  attnrt_context_release(context);
  return status;
}
