//===- Arguments.cpp - Arguments of a program from the command line -------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Arguments.h"
#include "attn/Support/Npy.h"

#include "mlir/IR/BuiltinTypes.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"
#include <cmath>

using namespace attn;

/// "2x3x4"; an empty text is a scalar.
static std::optional<SmallVector<int64_t>> parseShape(StringRef text) {
  SmallVector<int64_t> shape;
  if (text.empty()) {
    return shape;
  }
  SmallVector<StringRef> parts;
  text.split(parts, 'x');
  for (StringRef part : parts) {
    if (part.getAsInteger(10, shape.emplace_back()) || shape.back() < 0) {
      return std::nullopt;
    }
  }
  return shape;
}

/// Standard normal numbers by Box and Muller from SplitMix64, so that a seed
/// means the same numbers everywhere.
static void fillNormal(HostArray &array, uint64_t seed) {
  uint64_t state = seed;
  auto uniform = [&] {
    uint64_t z = (state += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return (double((z ^ (z >> 31)) >> 11) + 0.5) * 0x1p-53;
  };
  int64_t count = array.numElements();
  for (int64_t i = 0; i < count; i += 2) {
    double radius = std::sqrt(-2 * std::log(uniform()));
    double angle = 2 * M_PI * uniform();
    array.setDouble(i, radius * std::cos(angle));
    if (i + 1 < count) {
      array.setDouble(i + 1, radius * std::sin(angle));
    }
  }
}

/// A file's array as `dtype`, where the file format has another name for it.
static HostArray adapt(const HostArray &array, DType dtype, Type type) {
  if (array.dtype() == DType::U16 && dtype == DType::BF16) {
    return array.reinterpret(dtype);
  }
  bool isFloat8 = dtype == DType::F8E4M3FN || dtype == DType::F8E5M2;
  if (array.dtype() == DType::U8 && isFloat8) {
    return array.reinterpret(dtype);
  }
  if (array.dtype() == DType::U8 && dtype == DType::I4 && array.rank() > 0) {
    std::optional<int64_t> last;
    auto shaped = dyn_cast<ShapedType>(type);
    if (shaped && shaped.hasRank() && shaped.getRank() > 0 &&
        !ShapedType::isDynamic(shaped.getShape().back())) {
      // An odd last extent leaves half a byte.
      int64_t declared = shaped.getShape().back();
      if ((declared + 1) / 2 == array.shape().back()) {
        last = declared;
      }
    }
    return array.reinterpret(dtype, last);
  }
  return array;
}

static FailureOr<HostArray> makeNumber(StringRef spec, DType dtype,
                                       std::string &error) {
  if (!isFloat(dtype)) {
    int64_t value;
    if (spec.getAsInteger(10, value)) {
      error = "expects an integer, but got '" + spec.str() + "'";
      return failure();
    }
    HostArray array = HostArray::scalarInt(dtype, value);
    if (dtype != DType::I1 && array.getInt(0) != value) {
      error = "expects an integer of type " + dtypeName(dtype).str() +
              ", but got " + spec.str();
      return failure();
    }
    return array;
  }
  std::string text = spec.str();
  char *end = nullptr;
  double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != 0) {
    error = "expects a number, a .npy file, rand:SHAPE:SEED or zeros:SHAPE, "
            "but got '" +
            text + "'";
    return failure();
  }
  return HostArray::scalar(dtype, value);
}

FailureOr<HostArray> attn::makeArgument(StringRef spec, Type type,
                                        std::string &error) {
  auto fail = [&](const Twine &message) -> FailureOr<HostArray> {
    error = message.str();
    return failure();
  };
  auto shaped = dyn_cast<ShapedType>(type);
  std::optional<DType> dtype = dtypeOf(shaped ? shaped.getElementType() : type);
  if (!dtype) {
    llvm::raw_string_ostream(error) << "has unsupported type " << type;
    return failure();
  }
  if (spec.ends_with(".npy")) {
    FailureOr<HostArray> array = readNpy(spec, error);
    return failed(array) ? array : adapt(*array, *dtype, type);
  }
  bool isRandom = spec.consume_front("rand:");
  if (!isRandom && !spec.consume_front("zeros:")) {
    if (shaped && shaped.getRank() != 0) {
      return fail("expects a .npy file, rand:SHAPE:SEED or zeros:SHAPE, but "
                  "got '" +
                  spec + "'");
    }
    return makeNumber(spec, *dtype, error);
  }
  uint64_t seed = 0;
  if (isRandom) {
    StringRef seedText;
    std::tie(spec, seedText) = spec.rsplit(':');
    if (seedText.getAsInteger(10, seed)) {
      return fail("expects rand:SHAPE:SEED, but got seed '" + seedText + "'");
    }
    if (!isFloat(*dtype)) {
      return fail("expects a floating-point type for rand, but got " +
                  dtypeName(*dtype));
    }
  }
  std::optional<SmallVector<int64_t>> shape = parseShape(spec);
  if (!shape) {
    return fail("expects a shape like 2x3x4, but got '" + spec + "'");
  }
  std::optional<HostArray> array = HostArray::create(*dtype, *shape);
  if (!array) {
    return fail("needs more memory than there is, for shape " +
                formatShape(*shape));
  }
  if (isRandom) {
    fillNormal(*array, seed);
  }
  return *array;
}

void attn::printArray(const HostArray &array, raw_ostream &os) {
  os << dtypeName(array.dtype()) << ' ' << formatShape(array.shape()) << '\n';
  int64_t length = array.rank() == 0 ? 1 : array.shape().back();
  std::optional<HostArray> values = array.copyAs(DType::F64);
  for (int64_t i = 0; values && i < values->numElements(); ++i) {
    os << (i % length == 0 ? "[" : ", ")
       << llvm::format("%.6g", values->getDouble(i))
       << (i % length == length - 1 ? "]\n" : "");
  }
}
