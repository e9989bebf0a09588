//===- npy.c - Arrays in .npy files ---------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Versions 1 to 3 of the format (numpy.lib.format): a magic of 6 bytes, two of
// version, the length of the header in 2 or 4 bytes, a Python dictionary, data.
//
//===----------------------------------------------------------------------===//
#include "npy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *parse(const char *header, npy_array *array) {
  const char *descr = strstr(header, "'descr':"),
             *order = strstr(header, "'fortran_order':"),
             *shape = strstr(header, "'shape':");
  char endian;
  if (!descr || !order || !shape ||
      sscanf(descr + 8, " '%c%c%d'", &endian, &array->kind, &array->bytes) !=
          3 ||
      (endian != '<' && endian != '|') || !strchr("fiub", array->kind) ||
      array->bytes < 1 || array->bytes > 8) {
    return "expects numbers in little-endian order";
  }
  order += 16;
  while (*order == ' ') {
    ++order;
  }
  if (strncmp(order, "False", 5) != 0) {
    return "expects row-major order";
  }
  shape = strchr(shape, '(');
  array->axes = 0;
  array->size = (size_t)array->bytes;
  for (const char *at = shape ? shape + 1 : NULL; at;) {
    char *end;
    long long extent = strtoll(at, &end, 10);
    if (end == at) {
      break;
    }
    if (array->axes == NPY_MAX_AXES || extent < 0 || extent > INT32_MAX) {
      return "expects at most 8 axes of at most 2^31 - 1";
    }
    array->shape[array->axes++] = extent;
    if (__builtin_mul_overflow(array->size, (size_t)extent, &array->size)) {
      return "expects an array that fits in memory";
    }
    at = end + strspn(end, ", ");
  }
  return shape ? NULL : "expects a shape";
}

const char *npy_read(const char *path, npy_array *out) {
  FILE *file = fopen(path, "rb");
  if (!file) {
    return "cannot be opened";
  }
  const char *error = "expects the header of a .npy file";
  unsigned char head[12];
  char *header = NULL;
  npy_array array;
  memset(&array, 0, sizeof(array));
  if (fread(head, 1, 10, file) == 10 && memcmp(head, "\x93NUMPY", 6) == 0) {
    size_t length = head[8] | (size_t)head[9] << 8;
    if (head[6] == 1 || fread(head + 10, 1, 2, file) == 2) {
      length |=
          head[6] == 1 ? 0 : ((size_t)head[10] << 16 | (size_t)head[11] << 24);
      header = length < 1 << 20 ? calloc(length + 1, 1) : NULL;
      if (header && fread(header, 1, length, file) == length) {
        error = parse(header, &array);
      }
    }
  }
  free(header);
  if (!error) {
    array.data = malloc(array.size ? array.size : 1);
    if (!array.data || fread(array.data, 1, array.size, file) != array.size) {
      free(array.data);
      error = "expects as much data as the header says";
    }
  }
  fclose(file);
  if (!error) {
    *out = array;
  }
  return error;
}

const char *npy_write(const char *path, const npy_array *array) {
  char header[256], shape[200] = "";
  size_t at = 0;
  for (int i = 0; i < array->axes; ++i) {
    at += (size_t)snprintf(shape + at, sizeof(shape) - at, "%lld, ",
                           (long long)array->shape[i]);
  }
  int length =
      snprintf(header, sizeof(header),
               "{'descr': '%c%c%d', 'fortran_order': False, "
               "'shape': (%s), }",
               array->bytes == 1 ? '|' : '<', array->kind, array->bytes, shape);
  int padded = (10 + length + 1 + 63) / 64 * 64 - 10;
  FILE *file = fopen(path, "wb");
  if (!file) {
    return "cannot be opened";
  }
  unsigned char head[10] = {0x93,
                            'N',
                            'U',
                            'M',
                            'P',
                            'Y',
                            1,
                            0,
                            (unsigned char)padded,
                            (unsigned char)(padded >> 8)};
  fwrite(head, 1, 10, file);
  fprintf(file, "%-*s\n", padded - 1, header);
  fwrite(array->data, 1, array->size, file);
  int bad = ferror(file);
  return fclose(file) || bad ? "cannot be written" : NULL;
}
