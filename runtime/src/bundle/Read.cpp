//===- Read.cpp - From bytes to checked data ------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Order of the checks: alignment (the bytes are copied to where it holds),
// structure (FlatBuffers), version, then each table by itself here and what
// tables say of each other in Check.cpp, digests last. Code is looked at by
// nobody before all of them hold: a damaged shared object can crash dlopen.
//
//===----------------------------------------------------------------------===//
#include "Bundle.h"

#include "../Guard.h"
#include "../support/Sha256.h"
#include "attnrt/status.h"
#include "bundle_generated.h"

#include <algorithm>
#include <cstring>

using namespace attnrt;

/// Longest list of anything, and longest name: far above what a compiler
/// writes, far below what would hurt.
static constexpr uint32_t kMostRecords = 1 << 16;
static constexpr uint32_t kLongestName = 4096;
static constexpr uint64_t kMostBytes = uint64_t(1) << 31;

namespace {

[[noreturn]] void refuse(const char *what, const char *want, int64_t got) {
  raise(ATTNRT_CORRUPT, "the bundle expects %s, but got %s %lld", want, what,
        static_cast<long long>(got));
}

template <class T> T enumeration(uint8_t value, T last, const char *what) {
  if (value > uint8_t(last)) {
    raise(ATTNRT_CORRUPT, "the bundle expects %s of 0..%u, but got %u", what,
          unsigned(last), value);
  }
  return T(value);
}

attnrt_dtype dtypeOf(uint8_t value) {
  if (!elementBits(value)) {
    refuse("number", "the number of an element type", value);
  }
  return attnrt_dtype(value);
}

std::string textOf(const flatbuffers::String *text) {
  if (!text) {
    return {};
  }
  if (text->size() > kLongestName ||
      std::strlen(text->c_str()) != text->size()) {
    refuse("length", "names of up to 4096 bytes without a NUL", text->size());
  }
  return text->str();
}

/// A list whose elements go through `f`; absent is empty.
template <class To, class Element, class F>
std::vector<To> listOf(const flatbuffers::Vector<Element> *list, F f) {
  std::vector<To> out;
  if (list) {
    if (list->size() > kMostRecords) {
      refuse("length", "lists of up to 65536", list->size());
    }
    // FlatBuffers looks at the place of the length only.
    constexpr size_t alignment = flatbuffers::AlignOf<Element>();
    size_t address = reinterpret_cast<size_t>(list->Data());
    if (list->size() && address % alignment) {
      refuse("a remainder of", "aligned lists", int64_t(address % alignment));
    }
    out.reserve(list->size());
    for (const auto &element : *list) {
      out.push_back(f(element));
    }
  }
  return out;
}
template <class To, class Element>
std::vector<To> numbersOf(const flatbuffers::Vector<Element> *list) {
  return listOf<To>(list, [](auto element) { return To(element); });
}

std::vector<int64_t> sizesOf(const flatbuffers::Vector<int64_t> *list) {
  std::vector<int64_t> sizes = numbersOf<int64_t>(list);
  if (sizes.size() > ATTNRT_MAX_RANK) {
    refuse("rank", "tensors of at most 6 axes", int64_t(sizes.size()));
  }
  for (int64_t size : sizes) {
    if (size < -1) {
      refuse("size", "sizes of at least 0, or -1 for any", size);
    }
  }
  return sizes;
}

Expression expressionOf(const bundle::Expression *from) {
  return {listOf<Expression::Step>(from->steps(), [](const bundle::Step *s) {
    return Expression::Step{
        enumeration(uint8_t(s->kind()), StepKind::Mod, "a step"), s->value()};
  })};
}
std::vector<Expression> expressionsOf(
    const flatbuffers::Vector<flatbuffers::Offset<bundle::Expression>> *list) {
  return listOf<Expression>(list, expressionOf);
}

View viewOf(const bundle::View *from) {
  View view{};
  view.argument = from->argument();
  view.axes = listOf<std::string>(from->axes(), textOf);
  view.symbols = listOf<Lookup>(from->symbols(), [](auto *s) {
    return Lookup{textOf(s->name()), s->argument(), expressionsOf(s->at())};
  });
  view.domain = listOf<std::vector<Constraint>>(from->domain(), [](auto *set) {
    return listOf<Constraint>(set->constraints(), [](auto *c) {
      return Constraint{expressionOf(c->expression()), c->equality()};
    });
  });
  view.address = expressionsOf(from->address());
  view.isWritten = from->written();
  view.sizes = numbersOf<int64_t>(from->sizes());
  if (!from->sizes()) {
    view.sizes.assign(view.axes.size(), -1);
  }
  return view;
}

LaunchRecord launchOf(const bundle::Launch *from) {
  LaunchRecord launch{};
  launch.items = from->items();
  launch.merge = from->merge();
  launch.range = textOf(from->range());
  launch.classes = textOf(from->classes());
  launch.rows = from->rows();
  launch.cols = from->cols();
  launch.segments = numbersOf<uint32_t>(from->segments());
  launch.heads = numbersOf<uint32_t>(from->heads());
  launch.subs = numbersOf<uint32_t>(from->subs());
  launch.size = numbersOf<uint32_t>(from->size());
  launch.row = from->row();
  launch.fold = from->fold();
  launch.states =
      listOf<uint32_t>(from->states(), [](auto *c) { return c->buffer(); });
  launch.units =
      listOf<double>(from->states(), [](auto *c) { return c->unit(); });
  launch.isOrdered = from->ordered();
  launch.shares = from->shares();
  launch.resumes = from->resumes();
  launch.keys = listOf<KeyView>(from->keys(), [](auto *k) {
    return KeyView{k->view(), numbersOf<int32_t>(k->axes())};
  });
  return launch;
}

Program programOf(const bundle::Program *from) {
  Program program{};
  program.target = from->target();
  program.hostCode = from->host_code();
  program.hostTarget = from->host_target();
  program.extentsFunction = textOf(from->extents_function());
  program.hostReads = numbersOf<uint32_t>(from->host_reads());
  program.extents = listOf<Extent>(from->extents(), [](auto *e) {
    return Extent{textOf(e->source()), textOf(e->rank()), e->group()};
  });
  program.buffers = listOf<Buffer>(from->buffers(), [](auto *b) {
    return Buffer{
        enumeration(uint8_t(b->kind()), BufferKind::State, "a buffer kind"),
        b->index(),
        dtypeOf(b->dtype()),
        b->memory(),
        sizesOf(b->sizes()),
        numbersOf<uint32_t>(b->shape()),
        b->zero()};
  });
  program.kernels = listOf<KernelCode>(from->kernels(), [](auto *k) {
    return KernelCode{textOf(k->symbol()), k->code(),
                      k->threads(),        k->shared_bytes(),
                      k->scratch_bytes(),  k->argument_bytes(),
                      k->cubin()};
  });
  program.launches = listOf<LaunchRecord>(from->launches(), launchOf);
  return program;
}

Entry entryOf(const bundle::Entry *from) {
  Entry entry;
  entry.name = textOf(from->name());
  entry.arguments = listOf<Argument>(from->arguments(), [](auto *a) {
    bool isScalar =
        enumeration(uint8_t(a->kind()), uint8_t(1), "an argument kind") == 1;
    return Argument{textOf(a->name()), isScalar, dtypeOf(a->dtype()),
                    sizesOf(a->sizes()), a->written()};
  });
  entry.results = listOf<Argument>(from->results(), [](auto *r) {
    return Argument{{}, false, dtypeOf(r->dtype()), sizesOf(r->sizes()), true};
  });
  entry.views = listOf<View>(from->views(), viewOf);
  entry.selections = listOf<Selection>(from->selections(), [](auto *s) {
    return Selection{viewOf(s->list()), s->most()};
  });
  entry.programs = listOf<Program>(from->programs(), programOf);
  return entry;
}

Target targetOf(const bundle::Target *from) {
  return {enumeration(uint8_t(from->kind()), TargetKind::Cuda, "a target kind"),
          textOf(from->chip()), listOf<std::string>(from->features(), textOf),
          from->ptx_level()};
}

Code codeOf(const bundle::Code *from) {
  Code code{};
  code.kind =
      enumeration(uint8_t(from->kind()), CodeKind::Cubin, "a code kind");
  if (code.kind == CodeKind::Ptx) {
    if (!from->text() ||
        std::strlen(from->text()->c_str()) != from->text()->size()) {
      raise(ATTNRT_CORRUPT, "the bundle expects PTX as text");
    }
    code.data = from->text()->c_str();
    code.size = from->text()->size();
  } else if (from->bytes()) {
    code.data = reinterpret_cast<const char *>(from->bytes()->data());
    code.size = from->bytes()->size();
  }
  if (!code.size) {
    raise(ATTNRT_CORRUPT, "the bundle expects code, but got none");
  }
  return code;
}

void checkDigest(const flatbuffers::Vector<uint8_t> &wanted, const void *data,
                 size_t size, const char *what) {
  auto digest = sha256(data, size);
  if (wanted.size() != digest.size() ||
      std::memcmp(wanted.data(), digest.data(), digest.size()) != 0) {
    raise(ATTNRT_CORRUPT, "the bundle's digest of %s does not hold", what);
  }
}

/// Code by itself; the rest without code and without its own digest, so that no
/// byte is hashed twice.
void checkAllDigests(const bundle::Bundle &root, const Bundle &bundle,
                     const char *bytes, size_t size) {
  const auto &own = *root.metadata_digest();
  std::vector<std::pair<const char *, size_t>> left{
      {reinterpret_cast<const char *>(own.data()), own.size()}};
  for (const Code &code : bundle.code) {
    left.push_back({code.data, code.size});
  }
  std::sort(left.begin(), left.end());
  std::string rest;
  const char *at = bytes;
  for (auto [data, length] : left) {
    if (data < at) {
      raise(ATTNRT_CORRUPT, "two codes of the bundle overlap");
    }
    rest.append(at, data);
    at = data + length;
  }
  rest.append(at, bytes + size);
  checkDigest(own, rest.data(), rest.size(), "its tables");
  for (size_t i = 0; i < bundle.code.size(); ++i) {
    checkDigest(*root.code()->Get(flatbuffers::uoffset_t(i))->digest(),
                bundle.code[i].data, bundle.code[i].size,
                ("code " + std::to_string(i)).c_str());
  }
}

void checkVersion(const bundle::Bundle &root) {
  if (root.format() == 0 || root.min_reader() > root.format()) {
    raise(ATTNRT_CORRUPT,
          "the bundle expects a format of at least 1 and readers up to it, but "
          "got format %u for readers from %u",
          root.format(), root.min_reader());
  }
  if (root.min_reader() > kBundleFormat) {
    raise(ATTNRT_INCOMPATIBLE,
          "the bundle asks for a reader of format %u, but this one reads %u",
          root.min_reader(), kBundleFormat);
  }
  if (root.plan_format() != ATTNRT_PLAN_FORMAT) {
    raise(
        ATTNRT_INCOMPATIBLE,
        "the bundle's kernels read plans of format %u, but this runtime makes "
        "format %u",
        root.plan_format(), ATTNRT_PLAN_FORMAT);
  }
  for (const std::string &feature :
       listOf<std::string>(root.required_features(), textOf)) {
    raise(ATTNRT_INCOMPATIBLE,
          "the bundle asks for '%s', which this runtime does not know",
          feature.c_str());
  }
}

} // namespace

unsigned attnrt::elementBits(uint32_t dtype) {
  switch (dtype) {
  case ATTNRT_F64:
  case ATTNRT_I64:
  case ATTNRT_U64:
    return 64;
  case ATTNRT_F32:
  case ATTNRT_I32:
  case ATTNRT_U32:
    return 32;
  case ATTNRT_F16:
  case ATTNRT_BF16:
  case ATTNRT_I16:
  case ATTNRT_U16:
    return 16;
  case ATTNRT_F8E4M3FN:
  case ATTNRT_F8E5M2:
  case ATTNRT_I8:
  case ATTNRT_U8:
  case ATTNRT_BOOL:
    return 8;
  case ATTNRT_U4X2:
    return 4;
  default:
    return 0;
  }
}

Bundle attnrt::readBundle(const void *bytes, uint64_t size, bool checkDigests) {
  if (size > kMostBytes) {
    raise(ATTNRT_CORRUPT,
          "expects a bundle of at most 2 GiB, but got %llu bytes",
          static_cast<unsigned long long>(size));
  }
  Bundle out;
  // Code is aligned to 32 bytes in the file: so it is here.
  out.bytes.reset(std::aligned_alloc(64, (size + 127) / 64 * 64));
  if (!out.bytes) {
    throw std::bad_alloc();
  }
  if (size) {
    std::memcpy(out.bytes.get(), bytes, size);
  }
  const uint8_t *copy = static_cast<const uint8_t *>(out.bytes.get());
  flatbuffers::Verifier verifier(copy, size);
  if (size < 16 || !bundle::BundleBufferHasIdentifier(copy)) {
    raise(ATTNRT_CORRUPT,
          "expects the bytes of a bundle, but got %llu bytes "
          "without its mark",
          static_cast<unsigned long long>(size));
  }
  if (!bundle::VerifyBundleBuffer(verifier)) {
    raise(ATTNRT_CORRUPT, "the structure of the bundle is damaged");
  }
  const bundle::Bundle &root = *bundle::GetBundle(copy);
  checkVersion(root);
  out.producer = textOf(root.producer());
  out.targets = listOf<Target>(root.targets(), targetOf);
  out.code = listOf<Code>(root.code(), codeOf);
  out.entries = listOf<Entry>(root.entries(), entryOf);
  checkBundle(out);
  if (checkDigests) {
    checkAllDigests(root, out, reinterpret_cast<const char *>(copy), size);
  }
  return out;
}
