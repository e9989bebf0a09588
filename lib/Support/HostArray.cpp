//===- HostArray.cpp - Plain arrays in host memory ------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Support/HostArray.h"
#include "attn/Support/FloatFormats.h"

#include "mlir/IR/BuiltinTypes.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/raw_ostream.h"
#include <cstdlib>
#include <sys/mman.h>
#include <unistd.h>

using namespace attn;

unsigned attn::storageBits(DType dtype) {
  switch (dtype) {
  case DType::F64:
  case DType::I64:
    return 64;
  case DType::F32:
  case DType::I32:
    return 32;
  case DType::F16:
  case DType::BF16:
  case DType::I16:
  case DType::U16:
    return 16;
  case DType::F8E4M3FN:
  case DType::F8E5M2:
  case DType::I8:
  case DType::U8:
  case DType::I1:
    return 8;
  case DType::I4:
    return 4;
  }
  llvm_unreachable("unknown dtype");
}

bool attn::isFloat(DType dtype) { return dtype <= DType::F8E5M2; }

StringRef attn::dtypeName(DType dtype) {
  static constexpr const char *names[] = {
      "f64", "f32", "f16", "bf16", "f8E4M3FN", "f8E5M2", "i64",
      "i32", "i16", "u16", "i8",   "u8",       "i4",     "i1"};
  return names[static_cast<unsigned>(dtype)];
}

std::optional<DType> attn::dtypeOf(Type type) {
  if (type.isF64()) {
    return DType::F64;
  }
  if (type.isF32()) {
    return DType::F32;
  }
  if (type.isF16()) {
    return DType::F16;
  }
  if (type.isBF16()) {
    return DType::BF16;
  }
  if (isa<Float8E4M3FNType>(type)) {
    return DType::F8E4M3FN;
  }
  if (isa<Float8E5M2Type>(type)) {
    return DType::F8E5M2;
  }
  if (type.isIndex()) {
    return DType::I64;
  }
  auto integer = dyn_cast<IntegerType>(type);
  if (!integer) {
    return std::nullopt;
  }
  switch (integer.getWidth()) {
  case 1:
    return DType::I1;
  case 4:
    return DType::I4;
  case 8:
    return integer.isUnsigned() ? DType::U8 : DType::I8;
  case 16:
    return integer.isUnsigned() ? DType::U16 : DType::I16;
  case 32:
    return DType::I32;
  case 64:
    return DType::I64;
  default:
    return std::nullopt;
  }
}

std::string attn::formatShape(ArrayRef<int64_t> shape) {
  if (shape.empty()) {
    return "scalar";
  }
  std::string text;
  llvm::raw_string_ostream os(text);
  llvm::interleave(shape, os, "x");
  return text;
}

std::optional<int64_t> attn::countElements(ArrayRef<int64_t> shape) {
  constexpr int64_t limit = int64_t(1) << 62;
  int64_t count = 1;
  bool empty = false;
  for (int64_t extent : shape) {
    if (extent < 0) {
      return std::nullopt;
    }
    empty |= extent == 0;
  }
  for (int64_t extent : shape) {
    if (!empty && count > limit / extent) {
      return std::nullopt;
    }
    count = empty ? 0 : count * extent;
  }
  return count;
}

SmallVector<int64_t, 6> attn::rowMajorStrides(ArrayRef<int64_t> shape) {
  SmallVector<int64_t, 6> strides(shape.size(), 1);
  for (int64_t axis = int64_t(shape.size()) - 2; axis >= 0; --axis) {
    strides[axis] = strides[axis + 1] * std::max<int64_t>(shape[axis + 1], 1);
  }
  return strides;
}

/// Caches are read in pages of tokens anywhere in them, and NumPy's large
/// arrays lie so too. Advice that may go unheard.
static void useLargePages(void *memory, size_t size) {
#ifdef MADV_HUGEPAGE
  constexpr size_t least = size_t(4) << 20;
  if (size < least) {
    return;
  }
  uint64_t page = sysconf(_SC_PAGESIZE);
  auto begin = reinterpret_cast<uintptr_t>(memory);
  uintptr_t first = llvm::alignTo(begin, page);
  uintptr_t end = llvm::alignDown(begin + size, page);
  (void)madvise(reinterpret_cast<void *>(first), end - first, MADV_HUGEPAGE);
#endif
}

std::optional<HostArray> HostArray::create(DType dtype,
                                           ArrayRef<int64_t> shape) {
  std::optional<int64_t> count = countElements(shape);
  // The quotient keeps count * bits + alignment inside of 63 bits.
  if (!count || *count > (int64_t(1) << 56)) {
    return std::nullopt;
  }
  constexpr size_t alignment = 64;
  size_t size = llvm::divideCeil(uint64_t(*count) * storageBits(dtype), 8);
  // calloc leaves the pages of a large array untouched until they are used.
  void *memory = std::calloc(size + alignment, 1);
  if (!memory) {
    return std::nullopt;
  }
  useLargePages(memory, size);
  std::shared_ptr<void> owner(memory, std::free);
  HostArray array;
  array.theType = dtype;
  array.theShape.assign(shape.begin(), shape.end());
  array.theStrides = rowMajorStrides(shape);
  char *first = reinterpret_cast<char *>(
      llvm::alignTo(reinterpret_cast<uintptr_t>(memory), alignment));
  array.bytes = std::shared_ptr<char>(owner, first);
  return array;
}

HostArray HostArray::zeros(DType dtype, ArrayRef<int64_t> shape) {
  std::optional<HostArray> array = create(dtype, shape);
  if (!array) {
    llvm::report_fatal_error("out of memory for an array");
  }
  return *array;
}

HostArray HostArray::scalar(DType dtype, double value) {
  HostArray array = zeros(dtype, {});
  array.setDouble(0, value);
  return array;
}

HostArray HostArray::scalarInt(DType dtype, int64_t value) {
  HostArray array = zeros(dtype, {});
  array.setInt(0, value);
  return array;
}

HostArray HostArray::fromDoubles(DType dtype, ArrayRef<int64_t> shape,
                                 ArrayRef<double> values) {
  HostArray array = zeros(dtype, shape);
  assert(array.numElements() == int64_t(values.size()) && "wrong count");
  for (auto [i, value] : llvm::enumerate(values)) {
    array.setDouble(i, value);
  }
  return array;
}

int64_t HostArray::numElements() const { return *countElements(theShape); }

int64_t HostArray::numBytes() const {
  return llvm::divideCeil(numElements() * storageBits(theType), 8);
}

bool HostArray::isRowMajor() const {
  return ArrayRef<int64_t>(theStrides) ==
         ArrayRef<int64_t>(rowMajorStrides(theShape));
}

template <typename T> static T loadAs(const char *base, int64_t offset) {
  T value;
  std::memcpy(&value, base + offset * sizeof(T), sizeof(T));
  return value;
}

template <typename T> static void storeAs(char *base, int64_t offset, T value) {
  std::memcpy(base + offset * sizeof(T), &value, sizeof(T));
}

static int64_t loadNibble(const char *base, int64_t offset) {
  int byte = static_cast<unsigned char>(base[offset >> 1]);
  int nibble = (offset & 1) ? byte >> 4 : byte & 15;
  return nibble >= 8 ? nibble - 16 : nibble;
}

double HostArray::getDouble(int64_t offset) const {
  double value;
  loadDoubles(theType, bytes.get(), offset, 1, 1, &value);
  return value;
}

int64_t HostArray::getInt(int64_t offset) const {
  // Only i64 does not fit a double.
  if (theType == DType::I64) {
    return loadAs<int64_t>(bytes.get(), offset);
  }
  return static_cast<int64_t>(getDouble(offset));
}

void HostArray::setDouble(int64_t offset, double value) {
  char *base = bytes.get();
  switch (theType) {
  case DType::F64:
    return storeAs<double>(base, offset, value);
  case DType::F32:
    return storeAs<float>(base, offset, static_cast<float>(value));
  case DType::F16:
    return storeAs<uint16_t>(base, offset, encodeFloat(value, kHalf));
  case DType::BF16:
    return storeAs<uint16_t>(base, offset, encodeFloat(value, kBFloat));
  case DType::F8E4M3FN:
    return storeAs<uint8_t>(base, offset, encodeFloat(value, kFloat8E4M3FN));
  case DType::F8E5M2:
    return storeAs<uint8_t>(base, offset, encodeFloat(value, kFloat8E5M2));
  default:
    // A NaN or a value outside of 64 bits has no integer: 0.
    bool fits = value >= -0x1p63 && value < 0x1p63;
    return setInt(offset, fits ? static_cast<int64_t>(value) : 0);
  }
}

void HostArray::setInt(int64_t offset, int64_t value) {
  char *base = bytes.get();
  switch (theType) {
  case DType::I64:
    return storeAs<int64_t>(base, offset, value);
  case DType::I32:
    return storeAs<int32_t>(base, offset, value);
  case DType::I16:
  case DType::U16:
    return storeAs<int16_t>(base, offset, value);
  case DType::I8:
  case DType::U8:
    return storeAs<int8_t>(base, offset, value);
  case DType::I1:
    return storeAs<int8_t>(base, offset, value != 0);
  case DType::I4: {
    char &byte = base[offset >> 1];
    byte = (offset & 1) ? (byte & 0x0f) | ((value & 15) << 4)
                        : (byte & 0xf0) | (value & 15);
    return;
  }
  default:
    return setDouble(offset, static_cast<double>(value));
  }
}

int64_t HostArray::offsetOf(ArrayRef<int64_t> coordinate) const {
  assert(coordinate.size() == theShape.size() && "wrong rank");
  int64_t offset = 0;
  for (auto [c, stride, extent] :
       llvm::zip_equal(coordinate, theStrides, theShape)) {
    assert(c >= 0 && c < extent && "outside of the array");
    offset += c * stride;
  }
  return offset;
}

HostArray HostArray::reinterpret(DType dtype,
                                 std::optional<int64_t> lastExtent) const {
  assert(isRowMajor() && "the array must be row-major");
  HostArray array = *this;
  array.theType = dtype;
  if (dtype == DType::I4 && theType != DType::I4) {
    assert(storageBits(theType) == 8 && !theShape.empty() && "no packed i4");
    for (int64_t &stride :
         MutableArrayRef<int64_t>(array.theStrides).drop_back()) {
      stride *= 2;
    }
    array.theShape.back() = lastExtent.value_or(theShape.back() * 2);
  } else {
    assert(storageBits(theType) == storageBits(dtype) && "another width");
  }
  return array;
}

HostArray HostArray::withLayout(ArrayRef<int64_t> shape,
                                ArrayRef<int64_t> strides) const {
  HostArray array = *this;
  array.theShape.assign(shape.begin(), shape.end());
  array.theStrides.assign(strides.begin(), strides.end());
  return array;
}

/// Calls `row` with the source offset of each row (all axes but the last).
template <typename Fn>
static void forEachRow(ArrayRef<int64_t> shape, ArrayRef<int64_t> strides,
                       Fn row) {
  if (llvm::is_contained(shape, 0)) {
    return;
  }
  unsigned outer = shape.empty() ? 0 : shape.size() - 1;
  SmallVector<int64_t, 6> at(outer, 0);
  int64_t offset = 0;
  while (true) {
    row(offset);
    int64_t axis = int64_t(outer) - 1;
    for (; axis >= 0; --axis) {
      offset += strides[axis];
      if (++at[axis] < shape[axis]) {
        break;
      }
      offset -= shape[axis] * strides[axis];
      at[axis] = 0;
    }
    if (axis < 0) {
      return;
    }
  }
}

std::optional<HostArray> HostArray::copyAs(DType dtype) const {
  std::optional<HostArray> copy = create(dtype, theShape);
  if (!copy) {
    return std::nullopt;
  }
  bool sameBytes = dtype == theType && isRowMajor();
  if (sameBytes) {
    std::memcpy(copy->data(), data(), numBytes());
    return copy;
  }
  int64_t length = theShape.empty() ? 1 : theShape.back();
  int64_t stride = theShape.empty() ? 1 : theStrides.back();
  bool integers = !isFloat(theType) && !isFloat(dtype);
  std::vector<double> row(length);
  int64_t position = 0;
  forEachRow(theShape, theStrides, [&](int64_t offset) {
    if (integers) {
      for (int64_t i = 0; i < length; ++i) {
        copy->setInt(position++, getInt(offset + i * stride));
      }
      return;
    }
    loadDoubles(theType, data(), offset, stride, length, row.data());
    if (dtype == DType::F64) {
      std::memcpy(static_cast<double *>(copy->data()) + position, row.data(),
                  length * sizeof(double));
      position += length;
      return;
    }
    for (double value : row) {
      copy->setDouble(position++, value);
    }
  });
  return copy;
}

/// Converts elements found at `where(i)` with `decode`.
template <typename T, typename Where, typename Decode>
static void convert(const void *base, int64_t count, double *out, Where where,
                    Decode decode) {
  const T *elements = static_cast<const T *>(base);
  for (int64_t i = 0; i < count; ++i) {
    out[i] = decode(elements[where(i)]);
  }
}

template <typename Where>
static void dispatch(DType dtype, const void *base, int64_t count, double *out,
                     Where where) {
  auto plain = [](auto x) { return static_cast<double>(x); };
  switch (dtype) {
  case DType::F64:
    return convert<double>(base, count, out, where, plain);
  case DType::F32:
    return convert<float>(base, count, out, where, plain);
  case DType::F16:
    return convert<uint16_t>(base, count, out, where, halfToFloat);
  case DType::BF16:
    return convert<uint16_t>(base, count, out, where, bfloatToFloat);
  case DType::F8E4M3FN:
    return convert<uint8_t>(base, count, out, where, [](uint8_t x) {
      return decodeFloat(x, kFloat8E4M3FN);
    });
  case DType::F8E5M2:
    return convert<uint8_t>(base, count, out, where, [](uint8_t x) {
      return decodeFloat(x, kFloat8E5M2);
    });
  case DType::I64:
    return convert<int64_t>(base, count, out, where, plain);
  case DType::I32:
    return convert<int32_t>(base, count, out, where, plain);
  case DType::I16:
    return convert<int16_t>(base, count, out, where, plain);
  case DType::U16:
    return convert<uint16_t>(base, count, out, where, plain);
  case DType::I8:
    return convert<int8_t>(base, count, out, where, plain);
  case DType::U8:
    return convert<uint8_t>(base, count, out, where, plain);
  case DType::I1:
    return convert<uint8_t>(base, count, out, where,
                            [](uint8_t x) { return x ? 1.0 : 0.0; });
  case DType::I4:
    for (int64_t i = 0; i < count; ++i) {
      out[i] = loadNibble(static_cast<const char *>(base), where(i));
    }
    return;
  }
}

void attn::loadDoubles(DType dtype, const void *base, int64_t offset,
                       int64_t stride, int64_t count, double *out) {
  // Unit stride on its own: the compiler vectorises it.
  if (stride == 1) {
    dispatch(dtype, base, count, out, [=](int64_t i) { return offset + i; });
    return;
  }
  dispatch(dtype, base, count, out,
           [=](int64_t i) { return offset + i * stride; });
}

void attn::gatherDoubles(DType dtype, const void *base, const int64_t *offsets,
                         int64_t count, double *out) {
  dispatch(dtype, base, count, out, [=](int64_t i) { return offsets[i]; });
}
