//===- Npy.cpp - Files of NumPy arrays ------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Support/Npy.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"

using namespace attn;

static constexpr StringRef kMagic("\x93NUMPY", 6);

namespace {
/// The header is a Python dictionary literal with three known keys. This reads
/// just that: no escapes, no nesting beyond the tuple of the shape.
class HeaderParser {
public:
  HeaderParser(StringRef text, std::string &error) : rest(text), error(error) {}

  LogicalResult parse();

  std::string descr;
  bool fortranOrder = false;
  SmallVector<int64_t, 6> shape;

private:
  LogicalResult fail(const Twine &message) {
    error = message.str();
    return failure();
  }
  void skipSpace() { rest = rest.ltrim(" \t\n\r"); }
  bool take(char c) {
    skipSpace();
    return rest.consume_front(StringRef(&c, 1));
  }
  LogicalResult parseString(std::string &value);
  LogicalResult parseBool(bool &value);
  LogicalResult parseShape();

  StringRef rest;
  std::string &error;
};
} // namespace

LogicalResult HeaderParser::parseString(std::string &value) {
  skipSpace();
  if (rest.empty() || (rest.front() != '\'' && rest.front() != '"')) {
    return fail("expects a quoted string in the header");
  }
  size_t end = rest.find(rest.front(), 1);
  if (end == StringRef::npos) {
    return fail("expects a closing quote in the header");
  }
  value = rest.slice(1, end).str();
  rest = rest.drop_front(end + 1);
  return success();
}

LogicalResult HeaderParser::parseBool(bool &value) {
  skipSpace();
  if (rest.consume_front("True")) {
    value = true;
    return success();
  }
  if (rest.consume_front("False")) {
    value = false;
    return success();
  }
  return fail("expects True or False for 'fortran_order'");
}

LogicalResult HeaderParser::parseShape() {
  if (!take('(')) {
    return fail("expects a tuple for 'shape'");
  }
  while (!take(')')) {
    skipSpace();
    size_t digits = rest.find_first_not_of("0123456789");
    StringRef number = rest.take_front(digits);
    int64_t extent;
    if (number.empty() || number.getAsInteger(10, extent)) {
      return fail("expects extents of at most 63 bits in 'shape'");
    }
    if (shape.size() == 32) {
      return fail("expects at most 32 axes");
    }
    shape.push_back(extent);
    rest = rest.drop_front(number.size());
    if (!take(',')) {
      if (!take(')')) {
        return fail("expects ',' or ')' in 'shape'");
      }
      break;
    }
  }
  return success();
}

LogicalResult HeaderParser::parse() {
  if (!take('{')) {
    return fail("expects a dictionary in the header");
  }
  bool seenDescr = false, seenOrder = false, seenShape = false;
  while (!take('}')) {
    std::string key;
    if (failed(parseString(key))) {
      return failure();
    }
    if (!take(':')) {
      return fail("expects ':' after '" + key + "' in the header");
    }
    bool *seen = llvm::StringSwitch<bool *>(key)
                     .Case("descr", &seenDescr)
                     .Case("fortran_order", &seenOrder)
                     .Case("shape", &seenShape)
                     .Default(nullptr);
    if (!seen || *seen) {
      return fail("expects the keys descr, fortran_order and shape once each, "
                  "but got '" +
                  key + "'");
    }
    *seen = true;
    skipSpace();
    LogicalResult parsed = seen == &seenDescr   ? parseString(descr)
                           : seen == &seenOrder ? parseBool(fortranOrder)
                                                : parseShape();
    if (failed(parsed)) {
      if (seen == &seenDescr) {
        return fail("expects a plain element type, but got a structured one");
      }
      return failure();
    }
    if (!take(',')) {
      if (!take('}')) {
        return fail("expects ',' or '}' in the header");
      }
      break;
    }
  }
  if (!seenDescr || !seenOrder || !seenShape) {
    return fail("expects the keys descr, fortran_order and shape");
  }
  return success();
}

static std::optional<DType> dtypeOfDescr(StringRef descr) {
  bool oneByte = descr.ends_with("1");
  if (!descr.consume_front("<") && !descr.consume_front("=") &&
      !descr.consume_front("|") && !(oneByte && descr.consume_front(">"))) {
    return std::nullopt;
  }
  return llvm::StringSwitch<std::optional<DType>>(descr)
      .Case("f8", DType::F64)
      .Case("f4", DType::F32)
      .Case("f2", DType::F16)
      .Case("i8", DType::I64)
      .Case("i4", DType::I32)
      .Case("i2", DType::I16)
      .Case("u2", DType::U16)
      .Case("i1", DType::I8)
      .Case("u1", DType::U8)
      .Case("b1", DType::I1)
      .Default(std::nullopt);
}

FailureOr<HostArray> attn::parseNpy(StringRef bytes, std::string &error) {
  auto fail = [&](const Twine &message) -> FailureOr<HostArray> {
    error = message.str();
    return failure();
  };
  if (!bytes.consume_front(kMagic)) {
    return fail("is not an npy file (the magic bytes are missing)");
  }
  if (bytes.size() < 4) {
    return fail("ends inside of the header");
  }
  unsigned version = static_cast<unsigned char>(bytes[0]);
  if (version < 1 || version > 3) {
    return fail("expects npy format 1, 2 or 3, but got " + Twine(version));
  }
  bytes = bytes.drop_front(2);
  size_t lengthBytes = version == 1 ? 2 : 4;
  if (bytes.size() < lengthBytes) {
    return fail("ends inside of the header");
  }
  size_t length = version == 1 ? llvm::support::endian::read16le(bytes.data())
                               : llvm::support::endian::read32le(bytes.data());
  bytes = bytes.drop_front(lengthBytes);
  if (bytes.size() < length) {
    return fail("ends inside of the header");
  }
  HeaderParser header(bytes.take_front(length), error);
  if (failed(header.parse())) {
    return failure();
  }
  bytes = bytes.drop_front(length);

  std::optional<DType> dtype = dtypeOfDescr(header.descr);
  if (!dtype) {
    return fail("expects an element type of f2 f4 f8 i1 i2 i4 i8 u1 u2 b1 in "
                "little endian, but got '" +
                header.descr + "'");
  }
  std::optional<int64_t> count = countElements(header.shape);
  int64_t elementBytes = storageBits(*dtype) / 8;
  if (!count || *count > int64_t(bytes.size()) / elementBytes) {
    return fail("expects data for shape " + formatShape(header.shape) + " of " +
                header.descr + ", but got " + Twine(bytes.size()) + " bytes");
  }
  if (*count * elementBytes != int64_t(bytes.size())) {
    return fail("expects " + Twine(*count * elementBytes) +
                " bytes of data, but got " + Twine(bytes.size()));
  }
  std::optional<HostArray> array = HostArray::create(*dtype, header.shape);
  if (!array) {
    return fail("does not fit in memory");
  }
  if (!bytes.empty()) {
    std::memcpy(array->data(), bytes.data(), bytes.size());
  }
  if (header.fortranOrder && header.shape.size() > 1) {
    SmallVector<int64_t, 6> strides(header.shape.size(), 1);
    for (unsigned axis = 1; axis < strides.size(); ++axis) {
      strides[axis] = strides[axis - 1] * header.shape[axis - 1];
    }
    array = array->withLayout(header.shape, strides).copyAs(*dtype);
    if (!array) {
      return fail("does not fit in memory");
    }
  }
  return *array;
}

FailureOr<HostArray> attn::readNpy(StringRef path, std::string &error) {
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false,
                                            /*RequiresNullTerminator=*/false);
  if (!buffer) {
    error = "cannot read '" + path.str() + "': " + buffer.getError().message();
    return failure();
  }
  FailureOr<HostArray> array = parseNpy((*buffer)->getBuffer(), error);
  if (failed(array)) {
    error = "'" + path.str() + "' " + error;
  }
  return array;
}

static StringRef descrOf(DType dtype) {
  switch (dtype) {
  case DType::F64:
    return "<f8";
  case DType::F32:
    return "<f4";
  case DType::F16:
    return "<f2";
  case DType::I64:
    return "<i8";
  case DType::I32:
    return "<i4";
  case DType::I16:
    return "<i2";
  case DType::BF16:
  case DType::U16:
    return "<u2";
  case DType::I8:
    return "|i1";
  case DType::I1:
    return "|b1";
  default:
    return "|u1";
  }
}

std::string attn::formatNpy(const HostArray &given) {
  // Row-major; i4 keeps its rows at byte starts, so it goes nibble by nibble.
  bool packed = given.dtype() == DType::I4;
  SmallVector<int64_t, 6> shape(given.shape());
  std::string data;
  if (packed && !shape.empty()) {
    int64_t length = shape.back();
    shape.back() = llvm::divideCeil(length, 2);
    int64_t rows = length ? given.numElements() / length : 0;
    HostArray wide = *given.copyAs(DType::I8);
    for (int64_t i = 0; i < rows * shape.back(); ++i) {
      int64_t row = i / shape.back(), pair = i % shape.back() * 2;
      int low = wide.getInt(row * length + pair) & 15;
      int high = pair + 1 < length ? wide.getInt(row * length + pair + 1) : 0;
      data.push_back(static_cast<char>(low | (high & 15) << 4));
    }
  } else {
    HostArray rowMajor = *given.copyAs(given.dtype());
    data.assign(static_cast<const char *>(rowMajor.data()),
                rowMajor.numBytes());
  }
  std::string tuple;
  for (int64_t extent : shape) {
    tuple += std::to_string(extent) + (shape.size() == 1 ? "," : ", ");
  }
  StringRef inside(tuple);
  inside.consume_back(", ");
  std::string header =
      ("{'descr': '" + descrOf(given.dtype()) +
       "', 'fortran_order': False, 'shape': (" + inside + "), }")
          .str();
  // The data starts at a multiple of 64 bytes: 10 before, a newline after.
  header.append(63 - (10 + header.size()) % 64, ' ');
  header.push_back('\n');

  std::string file = kMagic.str();
  file.push_back(1);
  file.push_back(0);
  file.push_back(static_cast<char>(header.size() & 255));
  file.push_back(static_cast<char>(header.size() >> 8));
  return file + header + data;
}

LogicalResult attn::writeNpy(StringRef path, const HostArray &array,
                             std::string &error) {
  std::error_code code;
  llvm::raw_fd_ostream os(path, code);
  if (!code) {
    os << formatNpy(array);
    os.close();
    code = os.error();
    os.clear_error();
  }
  if (code) {
    error = "cannot write '" + path.str() + "': " + code.message();
    return failure();
  }
  return success();
}
