//===- BundleWriter.cpp - A bundle as FlatBuffers -------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "BundleContent.h"
#include "BundleViews.h"

#include "attnrt/plan_format.h"
#include "bundle_generated.h"
#include "llvm/Support/SHA256.h"

using namespace attn;
namespace fb = flatbuffers;
namespace format = attnrt::bundle;

namespace {
using Digest = std::array<uint8_t, 32>;

class Writer {
public:
  SmallVector<char, 0> write(ArrayRef<BundleEntry> entries, StringRef source);

private:
  template <class T> using List = fb::Offset<fb::Vector<T>>;

  uint32_t targetNumber(const BundleTarget &target);
  uint32_t codeNumber(format::CodeKind kind, StringRef bytes);
  List<int64_t> sizes(ArrayRef<int64_t> from);
  List<uint32_t> numbers(ArrayRef<int64_t> from) {
    return b.CreateVector(std::vector<uint32_t>(from.begin(), from.end()));
  }
  List<uint8_t> bytes(ArrayRef<uint8_t> from) {
    return b.CreateVector(from.data(), from.size());
  }
  fb::Offset<format::Argument> argument(func::FuncOp func, unsigned number,
                                        bool isWritten);
  fb::Offset<format::Result> result(Type type);
  fb::Offset<format::Program> program(const BundleProgram &program,
                                      const BundleEntry &entry);
  fb::Offset<format::Entry> entry(const BundleEntry &entry);

  fb::FlatBufferBuilder b;
  SmallVector<BundleTarget> targets;
  std::vector<fb::Offset<format::Target>> targetTables;
  std::vector<fb::Offset<format::Code>> codes;
  llvm::StringMap<uint32_t> codeByBytes;
};
} // namespace

static Digest digestOf(StringRef bytes) {
  return llvm::SHA256::hash(llvm::arrayRefFromStringRef(bytes));
}

uint32_t Writer::targetNumber(const BundleTarget &target) {
  auto known = llvm::find(targets, target);
  if (known == targets.end()) {
    targets.push_back(target);
    std::vector<fb::Offset<fb::String>> features;
    for (const std::string &feature : target.features) {
      features.push_back(b.CreateString(feature));
    }
    auto list = b.CreateVector(features);
    targetTables.push_back(format::CreateTarget(
        b, target.isGpu ? format::TargetKind::Cuda : format::TargetKind::Cpu,
        b.CreateString(target.chip), list, uint32_t(target.ptxLevel)));
    return targets.size() - 1;
  }
  return known - targets.begin();
}

/// Code that several programs use is written once.
uint32_t Writer::codeNumber(format::CodeKind kind, StringRef code) {
  auto [known, isNew] = codeByBytes.try_emplace(code, codes.size());
  if (!isNew) {
    return known->second;
  }
  Digest digest = digestOf(code);
  fb::Offset<fb::String> text;
  List<uint8_t> binary;
  if (kind == format::CodeKind::Ptx) {
    text = b.CreateString(code.data(), code.size());
  } else {
    b.ForceVectorAlignment(code.size(), 1, 32);
    binary = bytes(llvm::arrayRefFromStringRef(code));
  }
  auto digestBytes = bytes(digest);
  codes.push_back(format::CreateCode(b, kind, binary, text, digestBytes));
  return known->second;
}

Writer::List<int64_t> Writer::sizes(ArrayRef<int64_t> from) {
  std::vector<int64_t> list;
  for (int64_t size : from) {
    list.push_back(ShapedType::isDynamic(size) ? -1 : size);
  }
  return b.CreateVector(list);
}

fb::Offset<format::Argument> Writer::argument(func::FuncOp func,
                                              unsigned number, bool isWritten) {
  Type type = func.getArgumentTypes()[number];
  auto name = func.getArgAttrOfType<StringAttr>(number, "attn.name");
  auto text = b.CreateString(name ? name.str() : "");
  auto shaped = dyn_cast<ShapedType>(type);
  auto list = sizes(shaped ? shaped.getShape() : ArrayRef<int64_t>());
  return format::CreateArgument(
      b, text,
      shaped ? format::ArgumentKind::Array : format::ArgumentKind::Scalar,
      runtimeType(*dtypeOf(getElementTypeOrSelf(type))), list, isWritten);
}

fb::Offset<format::Result> Writer::result(Type type) {
  auto shaped = cast<ShapedType>(type);
  auto list = sizes(shaped.getShape());
  return format::CreateResult(b, runtimeType(*dtypeOf(shaped.getElementType())),
                              list);
}

static format::BufferKind kindOf(tile::BufferKind kind) {
  return format::BufferKind(uint8_t(kind));
}
static_assert(uint8_t(tile::BufferKind::operand) ==
                      uint8_t(format::BufferKind::Operand) &&
                  uint8_t(tile::BufferKind::state) ==
                      uint8_t(format::BufferKind::State),
              "buffer kinds have the numbers of the format");

fb::Offset<format::Program> Writer::program(const BundleProgram &program,
                                            const BundleEntry &entry) {
  const ProgramInfo &info = program.info;
  uint32_t host =
      codeNumber(format::CodeKind::SharedObject,
                 StringRef(program.host.data(), program.host.size()));
  bool isGpu = program.target.isGpu;
  uint32_t device =
      isGpu ? codeNumber(format::CodeKind::Ptx, program.ptx.text) : host;

  int32_t cubin = -1;
  if (!program.cubin.empty()) {
    cubin = int32_t(
        codeNumber(format::CodeKind::Cubin,
                   StringRef(program.cubin.data(), program.cubin.size())));
  }

  uint32_t argumentBytes = 0;
  for (const BufferInfo &f : info.buffers) {
    argumentBytes += f.memory ? sizeof(attnrt_tensor) : sizeof(uint64_t);
  }
  std::vector<fb::Offset<format::Kernel>> kernels;
  auto kernelNumber = [&](const std::string &name) -> int32_t {
    if (name.empty()) {
      return -1;
    }
    PtxKernel kernel{name, 0, 0};
    if (isGpu) {
      kernel = program.ptx.kernels.find(name)->second;
    }
    auto symbol = b.CreateString(kernel.symbol);
    kernels.push_back(format::CreateKernel(
        b, symbol, device, kernel.threads, kernel.sharedBytes, 0,
        program.scratch.lookup(name), isGpu ? argumentBytes : 0, cubin));
    return int32_t(kernels.size()) - 1;
  };
  std::vector<fb::Offset<format::Extent>> extents;
  for (const ExtentInfo &e : info.extents) {
    auto source = b.CreateString(e.source), rank = b.CreateString(e.rank);
    extents.push_back(format::CreateExtent(b, source, rank, int32_t(e.group)));
  }
  std::vector<fb::Offset<format::Buffer>> buffers;
  for (const BufferInfo &f : info.buffers) {
    auto list = sizes(f.sizes);
    auto shape = numbers(f.shape);
    buffers.push_back(format::CreateBuffer(b, kindOf(f.kind), uint32_t(f.index),
                                           runtimeType(f.dtype), f.memory, list,
                                           shape, f.zero));
  }
  std::vector<fb::Offset<format::Launch>> launches;
  size_t folds = 0;
  for (const LaunchInfo &l : info.launches) {
    std::vector<fb::Offset<format::Component>> states;
    ArrayRef<double> units;
    if (l.isFold() && folds < entry.units.size()) {
      units = entry.units[folds];
    }
    folds += l.isFold();
    for (auto [i, state] : llvm::enumerate(l.states)) {
      states.push_back(format::CreateComponent(
          b, uint32_t(state), units.size() == l.states.size() ? units[i] : 0));
    }
    int32_t items = kernelNumber(l.kernel), merge = kernelNumber(l.merge);
    auto range = b.CreateString(l.range), classes = b.CreateString(l.classes);
    auto segments = numbers(l.segments), heads = numbers(l.heads),
         subs = numbers(l.subs), size = numbers(l.size);
    auto components = b.CreateVector(states);
    std::vector<fb::Offset<format::KeyView>> keys;
    for (ArrayRef<int64_t> view : l.keys) {
      std::vector<int32_t> axes(view.begin() + 1, view.end());
      keys.push_back(
          format::CreateKeyView(b, uint32_t(view[0]), b.CreateVector(axes)));
    }
    auto keyList = b.CreateVector(keys);
    launches.push_back(format::CreateLaunch(
        b, uint32_t(items), merge, range, classes, uint32_t(l.rows),
        uint32_t(l.cols), segments, heads, subs, int32_t(l.row),
        int32_t(l.fold), components, l.ordered, size, l.shares, keyList,
        l.resumes));
  }
  uint32_t target = targetNumber(program.target),
           hostTarget = targetNumber(program.hostTarget);
  auto extentsFunction = b.CreateString(info.extentsKernel);
  auto reads = numbers(program.hostReads);
  auto e = b.CreateVector(extents);
  auto f = b.CreateVector(buffers);
  auto k = b.CreateVector(kernels);
  auto l = b.CreateVector(launches);
  return format::CreateProgram(b, target, host, hostTarget, extentsFunction,
                               reads, e, f, k, l);
}

fb::Offset<format::Entry> Writer::entry(const BundleEntry &entry) {
  func::FuncOp func = entry.func;
  BundleViews views = findViews(func);
  std::vector<fb::Offset<format::Argument>> arguments;
  for (unsigned i = 0; i < func.getNumArguments(); ++i) {
    arguments.push_back(argument(func, i, views.written.contains(i)));
  }
  std::vector<fb::Offset<format::Result>> results;
  for (Type type : func.getResultTypes()) {
    results.push_back(result(type));
  }
  std::vector<fb::Offset<format::Program>> programs;
  for (const BundleProgram &p : entry.programs) {
    programs.push_back(program(p, entry));
  }
  auto name = b.CreateString(func.getName().str());
  auto a = b.CreateVector(arguments);
  auto r = b.CreateVector(results);
  auto v = writeViews(views, b);
  auto s = writeSelections(func, b);
  auto p = b.CreateVector(programs);
  return format::CreateEntry(b, name, a, r, v, p, s);
}

/// Of all bytes but those of code and its own.
static void setMetadataDigest(SmallVector<char, 0> &bundle) {
  const format::Bundle &root = *format::GetBundle(bundle.data());
  SmallVector<StringRef> holes;
  auto hole = [&](const fb::Vector<uint8_t> &v) {
    holes.push_back(
        StringRef(reinterpret_cast<const char *>(v.data()), v.size()));
  };
  hole(*root.metadata_digest());
  for (const format::Code *code : *root.code()) {
    if (code->bytes()) {
      hole(*code->bytes());
    } else {
      holes.push_back(StringRef(code->text()->c_str(), code->text()->size()));
    }
  }
  llvm::sort(holes,
             [](StringRef x, StringRef y) { return x.begin() < y.begin(); });
  llvm::SHA256 hash;
  const char *at = bundle.begin();
  for (StringRef hole : holes) {
    hash.update(StringRef(at, hole.begin() - at));
    at = hole.end();
  }
  hash.update(StringRef(at, bundle.end() - at));
  Digest digest = hash.final();
  size_t offset =
      reinterpret_cast<const char *>(root.metadata_digest()->data()) -
      bundle.data();
  llvm::copy(digest, bundle.begin() + offset);
}

SmallVector<char, 0> Writer::write(ArrayRef<BundleEntry> entries,
                                   StringRef source) {
  std::vector<fb::Offset<format::Entry>> tables;
  for (const BundleEntry &e : entries) {
    tables.push_back(entry(e));
  }
  auto producer = b.CreateString("attn-mlir " ATTN_VERSION);
  auto features = b.CreateVector(std::vector<fb::Offset<fb::String>>());
  auto targetList = b.CreateVector(targetTables);
  auto codeList = b.CreateVector(codes);
  auto entryList = b.CreateVector(tables);
  auto own = bytes(Digest{});
  auto origin = bytes(digestOf(source));
  // Readers of format 1 would hand arguments to a GPU as they were handed then.
  bool hasGpu = llvm::any_of(
      targets, [](const BundleTarget &target) { return target.isGpu; });
  constexpr uint32_t kFormat = 3;
  b.Finish(format::CreateBundle(b, kFormat, hasGpu ? 2 : 1, features, producer,
                                ATTNRT_PLAN_FORMAT, targetList, codeList,
                                entryList, own, origin),
           format::BundleIdentifier());
  SmallVector<char, 0> out(
      reinterpret_cast<const char *>(b.GetBufferPointer()),
      reinterpret_cast<const char *>(b.GetBufferPointer()) + b.GetSize());
  setMetadataDigest(out);
  return out;
}

SmallVector<char, 0> attn::writeBundle(ArrayRef<BundleEntry> entries,
                                       StringRef source) {
  return Writer().write(entries, source);
}
