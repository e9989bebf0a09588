//===- Arguments.cpp - Kernel arguments from the command line -----------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Arguments.h"
#include "ptxsim/File.h"

#include <bit>
#include <charconv>
#include <cmath>
#include <new>
#include <random>

using namespace ptxsim;

unsigned elementBytes(const std::string &type) {
  static const std::pair<const char *, unsigned> known[] = {
      {"u8", 1},  {"s8", 1},  {"u16", 2}, {"s16", 2},  {"u32", 4}, {"s32", 4},
      {"u64", 8}, {"s64", 8}, {"f16", 2}, {"bf16", 2}, {"f32", 4}, {"f64", 8}};
  for (const auto &[name, bytes] : known) {
    if (type == name) {
      return bytes;
    }
  }
  return 0;
}

static uint16_t toHalf(double value) {
  // Round to nearest even by scaling to the spacing of the result.
  if (std::isnan(value)) {
    return 0x7FFF;
  }
  uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  double size = std::fabs(value);
  if (size >= 65520) {
    return sign | 0x7C00;
  }
  int exponent = size == 0 ? -14 : std::max(std::ilogb(size), -14);
  double steps = std::nearbyint(std::ldexp(size, 10 - exponent));
  uint32_t bits = uint32_t(steps) + (uint32_t(exponent + 14) << 10);
  return uint16_t(sign | bits);
}

static double fromHalf(uint16_t bits) {
  int exponent = bits >> 10 & 31, fraction = bits & 1023;
  double size = exponent == 31 ? (fraction ? NAN : INFINITY)
                : exponent     ? std::ldexp(1024 + fraction, exponent - 25)
                               : std::ldexp(fraction, -24);
  return bits >> 15 ? -size : size;
}

static uint16_t toBfloat(double value) {
  uint32_t bits = std::bit_cast<uint32_t>(float(value));
  if (std::isnan(value)) {
    return 0x7FFF;
  }
  return uint16_t((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

static void store(const std::string &type, double value, std::byte *to) {
  auto put = [&](auto x) { std::memcpy(to, &x, sizeof x); };
  if (type == "f64") {
    put(value);
  } else if (type == "f32") {
    put(float(value));
  } else if (type == "f16") {
    put(toHalf(value));
  } else if (type == "bf16") {
    put(toBfloat(value));
  } else {
    uint64_t bits = type[0] == 's' ? uint64_t(int64_t(value)) : uint64_t(value);
    std::memcpy(to, &bits, elementBytes(type));
  }
}

static std::vector<std::string> split(const std::string &text, char separator) {
  std::vector<std::string> parts(1);
  for (char c : text) {
    if (c == separator) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

template <class T> static bool parseNumber(const std::string &text, T &value) {
  const char *begin = text.data(), *end = begin + text.size();
  if constexpr (std::is_integral_v<T>) {
    if (text.starts_with("0x")) {
      auto [stop, code] = std::from_chars(begin + 2, end, value, 16);
      return code == std::errc() && stop == end;
    }
  }
  auto [stop, code] = std::from_chars(begin, end, value);
  return code == std::errc() && stop == end;
}

static bool parseScalar(const std::string &type, const std::string &text,
                        std::byte *to) {
  if (type[0] == 'u' || type[0] == 's') {
    if (type[0] == 'u') {
      uint64_t value;
      if (!parseNumber(text, value)) {
        return false;
      }
      std::memcpy(to, &value, elementBytes(type));
      return true;
    }
    int64_t value;
    if (!parseNumber(text, value)) {
      return false;
    }
    std::memcpy(to, &value, elementBytes(type));
    return true;
  }
  double value;
  if (!parseNumber(text, value)) {
    return false;
  }
  store(type, value, to);
  return true;
}

static Result<Argument> makeBuffer(Device &device, Argument argument,
                                   const std::vector<std::byte> &bytes,
                                   bool isWritten, size_t number) {
  Result<DevicePointer> address =
      device.allocate(bytes.size(), "arg" + std::to_string(number));
  if (!address) {
    return address.error();
  }
  if (isWritten) {
    Result<bool> copied = device.copyIn(*address, bytes.data(), bytes.size());
    if (!copied) {
      return copied.error();
    }
  }
  argument.isBuffer = true;
  argument.address = *address;
  argument.count = bytes.size() / elementBytes(argument.type);
  return argument;
}

static Result<std::vector<std::byte>> readBytes(const std::string &path) {
  Result<std::string> content = readFile(path);
  if (!content) {
    return content.error();
  }
  std::vector<std::byte> data(content->size());
  std::memcpy(data.data(), content->data(), content->size());
  return data;
}

/// Of a buffer. What watches it takes several times as much.
static constexpr uint64_t kMostBytes = uint64_t(1) << 34;

static Error tooLarge(const std::string &text) {
  return Error{"expects a buffer of at most " + std::to_string(kMostBytes) +
               " bytes, but got '" + text + "'"};
}

/// "128,512" into an array of 5; the count, 0 if it is no such list.
template <class T> static uint32_t parseList(const std::string &text, T *list) {
  std::vector<std::string> words = split(text, ',');
  if (words.size() > 5) {
    return 0;
  }
  for (size_t i = 0; i < words.size(); ++i) {
    if (!parseNumber(words[i], list[i])) {
      return 0;
    }
  }
  return uint32_t(words.size());
}

/// "map:TYPE:PATH:DIMS:BOX[:SWIZZLE]"; the path "none" for a buffer that nobody
/// has written.
static Result<Argument> makeMap(Device &device, const std::string &text,
                                const std::vector<std::string> &parts,
                                size_t number) {
  using Element = TensorMapDesc::Element;
  static const std::pair<const char *, Element> known[] = {
      {"u8", Element::U8},    {"u16", Element::U16}, {"u32", Element::U32},
      {"s32", Element::S32},  {"u64", Element::U64}, {"s64", Element::S64},
      {"f16", Element::F16},  {"f32", Element::F32}, {"f64", Element::F64},
      {"bf16", Element::BF16}};
  static const std::pair<const char *, TensorMapDesc::Swizzle> swizzles[] = {
      {"0", TensorMapDesc::Swizzle::None},
      {"32", TensorMapDesc::Swizzle::B32},
      {"64", TensorMapDesc::Swizzle::B64},
      {"128", TensorMapDesc::Swizzle::B128}};
  Error bad{"expects map:TYPE:PATH|none:DIM,..:BOX,..[:0|32|64|128] with TYPE "
            "of u8 u16 u32 s32 u64 s64 f16 bf16 f32 f64, but got '" +
            text + "'"};
  if (parts.size() < 5 || parts.size() > 6) {
    return bad;
  }
  TensorMapDesc map;
  bool hasType = false, hasSwizzle = parts.size() == 5;
  for (const auto &[name, element] : known) {
    if (parts[1] == name) {
      map.element = element;
      hasType = true;
    }
  }
  for (const auto &[name, swizzle] : swizzles) {
    if (!hasSwizzle && parts[5] == name) {
      map.swizzle = swizzle;
      hasSwizzle = true;
    }
  }
  map.rank = parseList(parts[3], map.dim);
  if (!hasType || !hasSwizzle || map.rank == 0 ||
      map.rank != parseList(parts[4], map.box)) {
    return bad;
  }
  uint64_t bytes = elementBytes(map.element);
  for (uint32_t d = 0; d < map.rank; ++d) {
    map.stride[d] = bytes;
    if (map.dim[d] == 0) {
      return bad;
    }
    if (map.dim[d] > kMostBytes / bytes) {
      return tooLarge(text);
    }
    bytes *= map.dim[d];
  }
  std::vector<std::byte> data(bytes);
  bool isWritten = parts[2] != "none";
  if (isWritten) {
    Result<std::vector<std::byte>> read = readBytes(parts[2]);
    if (!read) {
      return read.error();
    }
    if (read->size() != bytes) {
      return Error{"expects a file of " + std::to_string(bytes) +
                   " bytes, but got " + std::to_string(read->size()) + " in '" +
                   text + "'"};
    }
    data = std::move(*read);
  }
  Argument argument;
  argument.type = parts[1];
  Result<Argument> made = makeBuffer(device, argument, data, isWritten, number);
  if (!made) {
    return made;
  }
  map.base = made->address;
  Result<TensorMap> encoded = encodeTensorMap(map);
  if (!encoded) {
    return encoded.error();
  }
  made->value.assign(encoded->bytes, encoded->bytes + sizeof encoded->bytes);
  made->align = alignof(TensorMap);
  return made;
}

static Result<Argument> makeAny(Device &device, const std::string &text,
                                size_t number) {
  std::vector<std::string> parts = split(text, ':');
  if (parts[0] == "map") {
    return makeMap(device, text, parts, number);
  }
  Argument argument;
  bool isBuffer = parts[0] == "buf", isFile = parts[0] == "file";
  argument.type =
      isBuffer || isFile ? (parts.size() > 1 ? parts[1] : "") : parts[0];
  unsigned bytes = elementBytes(argument.type);
  Error bad{
      "expects TYPE:VALUE, buf:TYPE:COUNT:rand|iota|zero|nan|none[:SEED], "
      "file:TYPE:PATH or map:TYPE:PATH|none:DIM,..:BOX,..[:0|32|64|128] "
      "with TYPE of u8 s8 u16 s16 u32 s32 u64 s64 f16 bf16 f32 f64, but "
      "got '" +
      text + "'"};
  if (bytes == 0) {
    return bad;
  }
  if (isFile) {
    if (parts.size() != 3) {
      return bad;
    }
    Result<std::vector<std::byte>> data = readBytes(parts[2]);
    return data ? makeBuffer(device, argument, *data, true, number)
                : Result<Argument>(data.error());
  }
  if (!isBuffer) {
    argument.value.resize(bytes);
    argument.align = bytes;
    if (parts.size() != 2 ||
        !parseScalar(argument.type, parts[1], argument.value.data())) {
      return bad;
    }
    return argument;
  }
  uint64_t count, seed = number + 1;
  if (parts.size() < 4 || parts.size() > 5 || !parseNumber(parts[2], count) ||
      (parts.size() == 5 && !parseNumber(parts[4], seed))) {
    return bad;
  }
  if (count > kMostBytes / bytes) {
    return tooLarge(text);
  }
  std::vector<std::byte> data(count * bytes);
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  bool isFloat = argument.type.find('f') != std::string::npos;
  for (uint64_t i = 0; i < count; ++i) {
    double value = 0;
    if (parts[3] == "rand") {
      value = isFloat ? normal(random) : double(random() % 256);
    } else if (parts[3] == "iota") {
      value = double(i);
    } else if (parts[3] == "nan") {
      value = NAN;
    } else if (parts[3] != "zero" && parts[3] != "none") {
      return bad;
    }
    store(argument.type, value, data.data() + i * bytes);
  }
  return makeBuffer(device, argument, data, parts[3] != "none", number);
}

Result<Argument> makeArgument(Device &device, const std::string &text,
                              size_t number) {
  try {
    return makeAny(device, text, number);
  } catch (const std::bad_alloc &) {
    return Error{"cannot allocate a buffer as large as '" + text + "'"};
  }
}

Result<std::string> printBuffer(Device &device, const Argument &argument,
                                uint64_t count) {
  unsigned bytes = elementBytes(argument.type);
  count = std::min(count, argument.count);
  std::vector<std::byte> data(count * bytes);
  Result<bool> copied =
      device.copyOut(data.data(), argument.address, data.size());
  if (!copied) {
    return copied.error();
  }
  std::string text;
  for (uint64_t i = 0; i < count; ++i) {
    const std::byte *at = data.data() + i * bytes;
    auto get = [&]<class T>(T value) {
      std::memcpy(&value, at, sizeof value);
      return value;
    };
    const std::string &type = argument.type;
    char word[40];
    if (type == "f64" || type == "f32" || type == "f16" || type == "bf16") {
      double value =
          type == "f64"   ? get(double())
          : type == "f32" ? double(get(float()))
          : type == "f16"
              ? fromHalf(get(uint16_t()))
              : double(std::bit_cast<float>(uint32_t(get(uint16_t())) << 16));
      std::snprintf(word, sizeof word, "%.6g", value);
    } else {
      uint64_t value = 0;
      std::memcpy(&value, at, bytes);
      unsigned shift = 64 - 8 * bytes;
      if (type[0] == 's') {
        std::snprintf(word, sizeof word, "%lld",
                      (long long)(int64_t(value << shift) >> shift));
      } else {
        std::snprintf(word, sizeof word, "%llu", (unsigned long long)value);
      }
    }
    text += word;
    text += i % 8 == 7 || i + 1 == count ? "\n" : " ";
  }
  return text;
}
