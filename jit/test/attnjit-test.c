//===- attnjit-test.c - libattnjit as an engine uses it -------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
//   attnjit-test CASE PAGED_GQA.mlir FOLDER
//
// Links libc only, and opens libattnjit and libattnrt privately. Prints "ok",
// or the first thing that is wrong. FOLDER is empty or not there.
//
//===----------------------------------------------------------------------===//
#include "attnjit/attnjit.h"
#include "attnrt/attnrt.h"

#include <dirent.h>
#include <dlfcn.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// clang-format off
#define JIT_FUNCTIONS(X) \
  X(abi_version) X(check_abi) X(version) X(last_message) X(compile) X(describe) \
  X(classify_tiles)   X(result_release) X(result_bytes) X(result_size) X(result_diagnostics) \
  X(result_origin) X(set_memory_limit) X(get_counters)
#define RT_FUNCTIONS(X) \
  X(last_message) X(context_create) X(context_release) X(bundle_load) \
  X(bundle_release) X(bundle_num_entries) X(kernel_load) X(kernel_release) \
  X(schedule_create) X(schedule_release) X(schedule_update) X(run)
// clang-format on
#define X(name) static __typeof__(&attnjit_##name) jit_##name;
JIT_FUNCTIONS(X)
#undef X
#define X(name) static __typeof__(&attnrt_##name) rt_##name;
RT_FUNCTIONS(X)
#undef X

#define CHECK(condition, ...)                                                  \
  do {                                                                         \
    if (!(condition)) {                                                        \
      printf("line %d: expects %s; ", __LINE__, #condition);                   \
      printf(__VA_ARGS__);                                                     \
      printf("\n");                                                            \
      exit(1);                                                                 \
    }                                                                          \
  } while (0)

static char *example;
static uint64_t example_length;
static const char *folder;

static void *open_library(const char *name) {
  void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  CHECK(library, "%s", dlerror());
  return library;
}

static void *open_jit(void) {
  void *library = open_library("libattnjit.so");
#define X(name)                                                                \
  *(void **)&jit_##name = dlsym(library, "attnjit_" #name);                    \
  CHECK(jit_##name, "attnjit_" #name " is missing");
  JIT_FUNCTIONS(X)
#undef X
  return library;
}

static void open_runtime(void) {
  void *library = open_library("libattnrt.so");
#define X(name)                                                                \
  *(void **)&rt_##name = dlsym(library, "attnrt_" #name);                      \
  CHECK(rt_##name, "attnrt_" #name " is missing");
  RT_FUNCTIONS(X)
#undef X
}

static char *read_file(const char *path, uint64_t *length) {
  FILE *file = fopen(path, "rb");
  CHECK(file, "%s", path);
  char *text = malloc(1 << 24);
  *length = fread(text, 1, 1 << 24, file);
  fclose(file);
  return text;
}

static attnjit_options defaults(void) {
  attnjit_options options = {.struct_size = sizeof(options)};
  return options;
}

static attnjit_counters counters(void) {
  attnjit_counters now = {.struct_size = sizeof(now)};
  CHECK(!jit_get_counters(&now), "%s", jit_last_message());
  return now;
}

static attnjit_result *compile(const attnjit_options *options) {
  attnjit_result *result = NULL;
  attnrt_status status = jit_compile(example, example_length, options, &result);
  CHECK(!status && result, "%s", jit_last_message());
  CHECK(jit_result_bytes(result) && jit_result_size(result) > 1000, "no bytes");
  return result;
}

static int is_same(const attnjit_result *a, const attnjit_result *b) {
  return jit_result_size(a) == jit_result_size(b) &&
         !memcmp(jit_result_bytes(a), jit_result_bytes(b), jit_result_size(a));
}

//===----------------------------------------------------------------------===//
// run: from text to rows
//===----------------------------------------------------------------------===//

/// A whole number below 2048 as binary16.
static uint16_t half(unsigned n) {
  unsigned exponent = 0;
  while (n >> (exponent + 1)) {
    ++exponent;
  }
  return n ? (uint16_t)((exponent + 15) << 10 |
                        ((n << (10 - exponent)) & 0x3ff))
           : 0;
}

typedef struct tensor {
  DLTensor dl;
  int64_t shape[6];
} tensor;

static DLTensor *make(tensor *t, void *data, int code, int bits, int axes,
                      const int64_t *shape) {
  memset(t, 0, sizeof(*t));
  memcpy(t->shape, shape, sizeof(*shape) * (size_t)axes);
  t->dl.data = data;
  t->dl.device.device_type = kDLCPU;
  t->dl.ndim = axes;
  t->dl.dtype.code = (uint8_t)code;
  t->dl.dtype.bits = (uint8_t)bits;
  t->dl.dtype.lanes = 1;
  t->dl.shape = t->shape;
  return &t->dl;
}

/// One request of 20 keys in pages 2 and 0; its 4 queries are its last tokens.
/// All keys are 0, so weights are even, and a row is the mean of the values
/// that it sees: token m has the value m.
static void run_bundle(const void *bytes, uint64_t size) {
  enum { KEYS = 20, QUERIES = 4, PAGES = 3 };
  attnrt_context *context = NULL;
  attnrt_bundle *bundle = NULL;
  attnrt_kernel *kernel = NULL;
  attnrt_schedule *schedule = NULL;
  DLDevice cpu = {kDLCPU, 0};
  CHECK(!rt_context_create(NULL, &context), "%s", rt_last_message());
  CHECK(!rt_bundle_load(context, bytes, size, &bundle), "%s",
        rt_last_message());
  CHECK(rt_bundle_num_entries(bundle) == 1, "other entries");
  CHECK(!rt_kernel_load(bundle, "paged_gqa", cpu, NULL, &kernel), "%s",
        rt_last_message());
  CHECK(!rt_schedule_create(kernel, NULL, &schedule), "%s", rt_last_message());

  static uint16_t q[QUERIES * 8 * 4 * 128], k[PAGES * 16 * 8 * 128];
  static uint16_t v[PAGES * 16 * 8 * 128];
  static float o[QUERIES * 8 * 4 * 128];
  int32_t table[2] = {2, 0}, length = KEYS, offset = KEYS - QUERIES;
  float scale = 1;
  for (int i = 0; i < QUERIES * 8 * 4 * 128; ++i) {
    q[i] = half(1);
  }
  memset(v, 0x7e, sizeof(v)); // not a number, where nobody may look
  for (unsigned m = 0; m < KEYS; ++m) {
    uint16_t *slot = v + (table[m / 16] * 16 + (int)(m % 16)) * 8 * 128;
    for (int i = 0; i < 8 * 128; ++i) {
      slot[i] = half(m);
    }
  }
  tensor t[8];
  const DLTensor *all[] = {
      make(&t[0], q, kDLFloat, 16, 5, (int64_t[]){1, QUERIES, 8, 4, 128}),
      make(&t[1], k, kDLFloat, 16, 4, (int64_t[]){PAGES, 16, 8, 128}),
      make(&t[2], v, kDLFloat, 16, 4, (int64_t[]){PAGES, 16, 8, 128}),
      make(&t[3], table, kDLInt, 32, 2, (int64_t[]){1, 2}),
      make(&t[4], &length, kDLInt, 32, 1, (int64_t[]){1}),
      make(&t[5], &offset, kDLInt, 32, 1, (int64_t[]){1}),
      make(&t[6], &scale, kDLFloat, 32, 0, (int64_t[]){0}),
      make(&t[7], o, kDLFloat, 32, 5, (int64_t[]){1, QUERIES, 8, 4, 128})};
  attnrt_step step = {
      .struct_size = sizeof(step), .num_arguments = 7, .arguments = all};
  CHECK(!rt_schedule_update(schedule, &step, NULL), "%s", rt_last_message());
  CHECK(!rt_run(schedule, all, 8, NULL), "%s", rt_last_message());
  for (int i = 0; i < QUERIES * 8 * 4 * 128; ++i) {
    float mean = (float)(offset + i / (8 * 4 * 128)) / 2;
    CHECK(fabsf(o[i] - mean) < 0.01f, "element %d is %g instead of %g", i, o[i],
          mean);
  }
  rt_schedule_release(schedule);
  rt_kernel_release(kernel);
  rt_bundle_release(bundle);
  rt_context_release(context);
}

static void test_run(void) {
  CHECK(!jit_check_abi(ATTNJIT_ABI_VERSION), "%s", jit_last_message());
  CHECK(jit_check_abi(ATTNJIT_ABI_VERSION + 1) == ATTNRT_INCOMPATIBLE, "-");
  CHECK(jit_check_abi(1u << 16) == ATTNRT_INCOMPATIBLE, "-");
  // The text need not end in a zero: here is none.
  char *text = malloc(example_length);
  memcpy(text, example, example_length);
  attnjit_options options = defaults();
  options.targets = "cpu, sm_80";
  attnjit_result *result = NULL;
  CHECK(!jit_compile(text, example_length, &options, &result), "%s",
        jit_last_message());
  free(text);
  CHECK(jit_result_origin(result) == ATTNJIT_COMPILED, "-");
  CHECK(!*jit_result_diagnostics(result), "%s", jit_result_diagnostics(result));
  open_runtime();
  run_bundle(jit_result_bytes(result), jit_result_size(result));
  jit_result_release(result);
  jit_result_release(NULL);
}

/// Lines about the text, no bundle.
static void test_describe(void) {
  attnjit_result *result = NULL;
  CHECK(!jit_describe(example, example_length, &result), "%s",
        jit_last_message());
  char lines[4096];
  uint64_t size = jit_result_size(result);
  CHECK(size > 0 && size < sizeof(lines), "%llu", (unsigned long long)size);
  memcpy(lines, jit_result_bytes(result), size);
  lines[size] = 0;
  CHECK(strstr(lines, "cascade 0 in @"), "%s", lines);
  CHECK(strstr(lines, "rank m: 3 passes"), "%s", lines);
  CHECK(strstr(lines, "reads "), "%s", lines);
  CHECK(strstr(lines, "not bound: "), "%s", lines);
  jit_result_release(result);
  CHECK(jit_describe("func.func", 9, &result) == ATTNRT_INVALID_ARGUMENT, "-");
  CHECK(!jit_result_bytes(result), "-");
  CHECK(strstr(jit_result_diagnostics(result), "error: "), "%s",
        jit_result_diagnostics(result));
  jit_result_release(result);
  const char *none = "func.func @f() {\n  return\n}\n";
  CHECK(jit_describe(none, strlen(none), &result) == ATTNRT_INVALID_ARGUMENT,
        "-");
  CHECK(strstr(jit_last_message(), "expects a function with a cascade"), "%s",
        jit_last_message());
  jit_result_release(result);
  CHECK(jit_describe(none, 3, NULL) == ATTNRT_INVALID_ARGUMENT, "-");
}

/// Rows that see the keys up to themselves and `w` more.
static const char *banded =
    "func.func @f(%a: tensor<?x?xf32>, %w: index) -> tensor<?xf32> {\n"
    "  %o = attn.cascade ranks(p, m) -> tensor<?xf32> {\n"
    "    %s = attn.einsum %a[p, m] -> [p] reduce add(m) symbols(w = %w)\n"
    "        where (m <= p + w)\n"
    "        : (tensor<?x?xf32>, index) -> tensor<?xf32>\n"
    "    attn.yield %s : tensor<?xf32>\n"
    "  }\n"
    "  return %o : tensor<?xf32>\n"
    "}\n";

static void expect_no_tiles(const attnjit_tile_map *map, attnrt_status status,
                            const char *words) {
  attnjit_result *result = NULL;
  attnrt_status got = jit_classify_tiles(banded, strlen(banded), map, &result);
  printf("%s\n", jit_last_message());
  CHECK(got == status, "got %d", got);
  CHECK(strstr(jit_last_message(), words), "%s", words);
  CHECK(result && !jit_result_bytes(result), "-");
  CHECK(strstr(jit_result_diagnostics(result), words), "%s", words);
  jit_result_release(result);
}

static void test_classify_tiles(void) {
  attnjit_value values[] = {{"w", 1}, {"unused", 7}};
  const attnjit_tile_map map = {.struct_size = sizeof(map),
                                .row_rank = "p",
                                .col_rank = "m",
                                .rows = 5,
                                .cols = 9,
                                .tile_rows = 2,
                                .tile_cols = 3,
                                .values = values,
                                .num_values = 2};
  attnjit_result *result = NULL;
  CHECK(!jit_classify_tiles(banded, strlen(banded), &map, &result), "%s",
        jit_last_message());
  // Row i sees the keys up to i + 1.
  const char want[] = {1, 0, 0, 2, 1, 0, 2, 2, 0};
  CHECK(jit_result_size(result) == sizeof(want), "-");
  CHECK(!memcmp(jit_result_bytes(result), want, sizeof(want)), "-");
  jit_result_release(result);

  attnjit_tile_map bad = map;
  bad.num_values = 0;
  expect_no_tiles(&bad, ATTNRT_INVALID_ARGUMENT,
                  "expects a value of the symbol 'w', but got none");
  bad = map;
  bad.col_rank = "p";
  expect_no_tiles(&bad, ATTNRT_INVALID_ARGUMENT,
                  "expects a cascade with ranks 'p' and 'p'");
  bad = map;
  bad.tile_cols = 0;
  expect_no_tiles(&bad, ATTNRT_INVALID_ARGUMENT,
                  "expects tile_cols of 1 to 2147483647, but got 0");
  bad = map;
  bad.rows = bad.cols = INT32_MAX;
  expect_no_tiles(&bad, ATTNRT_INVALID_ARGUMENT, "at most 268435456 tiles");
  bad = map;
  bad.reserved = 1;
  expect_no_tiles(&bad, ATTNRT_INVALID_ARGUMENT, "expects reserved of");
  bad = map;
  bad.row_rank = NULL;
  expect_no_tiles(&bad, ATTNRT_INVALID_ARGUMENT, "names of two ranks");
  bad = map;
  bad.struct_size = 4;
  expect_no_tiles(&bad, ATTNRT_INVALID_ARGUMENT, "attnjit_tile_map to be its");
  values[0].value = INT64_C(1) << 31;
  expect_no_tiles(&map, ATTNRT_INVALID_ARGUMENT, "got w = 2147483648");
  expect_no_tiles(NULL, ATTNRT_INVALID_ARGUMENT, "expects an attnjit_tile_map");
}

//===----------------------------------------------------------------------===//
// errors: one message each, no bytes
//===----------------------------------------------------------------------===//

static void expect_error(const char *text, uint64_t length,
                         const attnjit_options *options, attnrt_status status) {
  attnjit_result *result = NULL;
  attnrt_status got = jit_compile(text, length, options, &result);
  printf("%s\n", jit_last_message());
  CHECK(got == status, "got %d", got);
  CHECK(result && !jit_result_bytes(result) && !jit_result_size(result), "-");
  CHECK(jit_result_origin(result) == ATTNJIT_FAILED, "-");
  const char *lines = jit_result_diagnostics(result);
  CHECK(strstr(lines, jit_last_message()), "got '%s'", lines);
  CHECK(strstr(lines, "error: "), "got '%s'", lines);
  jit_result_release(result);
}

static void expect_text_error(const char *text, attnrt_status status) {
  expect_error(text, strlen(text), NULL, status);
}

#define OPTION_ERROR(field, value)                                             \
  do {                                                                         \
    attnjit_options options = defaults();                                      \
    options.targets = "sm_80";                                                 \
    options.field = value;                                                     \
    expect_error(example, example_length, &options, ATTNRT_INVALID_ARGUMENT);  \
  } while (0)

static void test_errors(void) {
  OPTION_ERROR(targets, "cpu,sm_12345");
  OPTION_ERROR(targets, "gfx90a");
  OPTION_ERROR(targets, "");
  OPTION_ERROR(targets, "cpu,cpu");
  OPTION_ERROR(tile, 7);
  OPTION_ERROR(tile, -1);
  OPTION_ERROR(tile, 1 << 16);
  OPTION_ERROR(rows, 17);
  OPTION_ERROR(warps, 3000);
  OPTION_ERROR(stages, 4000);
  OPTION_ERROR(ptx_level, 10);
  OPTION_ERROR(flags, 1u << 30);
  OPTION_ERROR(reserved, 1);
  OPTION_ERROR(struct_size, 4);
  OPTION_ERROR(struct_size, 5000);

  struct {
    attnjit_options options;
    char more[8];
  } newer = {{.struct_size = sizeof(newer)}, {0}};
  newer.more[3] = 1;
  expect_error(example, example_length, &newer.options, ATTNRT_INCOMPATIBLE);
  attnjit_options options = defaults();
  options.entry = "nothing";
  expect_error(example, example_length, &options, ATTNRT_NOT_FOUND);

  expect_error(NULL, 0, NULL, ATTNRT_INVALID_ARGUMENT);
  expect_error("a\0b", 3, NULL, ATTNRT_INVALID_ARGUMENT);
  expect_error("", ATTNJIT_MAX_TEXT + 1ull, NULL, ATTNRT_INVALID_ARGUMENT);
  expect_text_error("ML\xefR\x06more", ATTNRT_INVALID_ARGUMENT);
  expect_text_error("", ATTNRT_NOT_FOUND);
  expect_text_error("func.func private @f()", ATTNRT_NOT_FOUND);
  expect_text_error("func.func @f() {\n  attn.nothing\n  return\n}\n",
                    ATTNRT_INVALID_ARGUMENT);
  expect_text_error("func.func @f(%x: i32) -> f32 {\n  return %x : i32\n}\n",
                    ATTNRT_INVALID_ARGUMENT);

  attnrt_status status = jit_compile(example, example_length, NULL, NULL);
  printf("%s\n", jit_last_message());
  CHECK(status == ATTNRT_INVALID_ARGUMENT, "got %d", status);
  attnjit_counters small = {.struct_size = 4};
  status = jit_get_counters(&small);
  printf("%s\n", jit_last_message());
  CHECK(status == ATTNRT_INVALID_ARGUMENT, "got %d", status);
  // Errors leave nothing that a right compile meets.
  jit_result_release(compile(NULL));
}

//===----------------------------------------------------------------------===//
// cache: in memory and on disk
//===----------------------------------------------------------------------===//

static void test_memory(void) {
  attnjit_result *first = compile(NULL), *second = compile(NULL);
  CHECK(jit_result_origin(first) == ATTNJIT_COMPILED, "-");
  CHECK(jit_result_origin(second) == ATTNJIT_FROM_MEMORY, "-");
  CHECK(jit_result_bytes(first) == jit_result_bytes(second), "copied");
  attnjit_counters now = counters();
  CHECK(now.compiles == 1 && now.memory_hits == 1 && !now.disk_hits, "-");
  CHECK(now.memory_bytes >= jit_result_size(first), "-");

  attnjit_options options = defaults();
  options.tile = 32;
  attnjit_result *other = compile(&options);
  CHECK(jit_result_origin(other) == ATTNJIT_COMPILED, "-");
  CHECK(counters().memory_bytes > now.memory_bytes, "-");
  jit_result_release(other);
  options = defaults();
  options.flags = ATTNJIT_NO_MEMORY_CACHE | ATTNJIT_SINGLE_THREAD;
  other = compile(&options);
  CHECK(jit_result_origin(other) == ATTNJIT_COMPILED, "-");
  CHECK(is_same(first, other), "threads change the bundle");
  jit_result_release(other);

  // Everything that the bundle depends on is in the key.
  const attnjit_options differing[] = {
      {.targets = "sm_80"},
      {.targets = "sm_80", .entry = "paged_gqa"},
      {.targets = "sm_80", .rows = 16},
      {.targets = "sm_80", .tile = 16},
      {.targets = "sm_80", .warps = 8},
      {.targets = "sm_80", .stages = 3},
      {.targets = "sm_80", .ptx_level = 80},
      {.targets = "sm_90a"},
      {.targets = "x86-64-v3"}};
  for (size_t i = 0; i < sizeof(differing) / sizeof(*differing); ++i) {
    options = differing[i];
    options.struct_size = sizeof(options);
    other = compile(&options);
    CHECK(jit_result_origin(other) == ATTNJIT_COMPILED, "number %d", (int)i);
    jit_result_release(other);
  }
  // Text of the same length.
  char *page = strstr(example, "m mod 16");
  CHECK(page, "the example has other pages");
  page[0] = 'b';
  CHECK(!jit_compile(example, example_length, NULL, &other), "%s",
        jit_last_message());
  CHECK(jit_result_origin(other) == ATTNJIT_COMPILED, "-");
  CHECK(!is_same(first, other), "-");
  page[0] = 'm';
  jit_result_release(other);

  // Room for all but one: the tile of 32 is the oldest.
  jit_result_release(compile(NULL));
  jit_set_memory_limit(counters().memory_bytes - 1);
  other = compile(NULL);
  CHECK(jit_result_origin(other) == ATTNJIT_FROM_MEMORY, "the last one went");
  jit_result_release(other);
  options = defaults();
  options.tile = 32;
  other = compile(&options);
  CHECK(jit_result_origin(other) == ATTNJIT_COMPILED, "too much is kept");
  jit_result_release(other);
  jit_set_memory_limit(0);
  CHECK(!counters().memory_bytes, "-");
  CHECK(((const char *)jit_result_bytes(second))[0] ||
            jit_result_size(second) > 0,
        "-"); // held, though the cache dropped it
  jit_result_release(first);
  jit_result_release(second);
}

/// Path of the only file in the folder; its size, or 0 if there is none.
static long find_file(char *path, size_t room) {
  DIR *list = opendir(folder);
  CHECK(list, "%s is not there", folder);
  long size = 0;
  int files = 0;
  for (struct dirent *item; (item = readdir(list));) {
    struct stat about;
    snprintf(path, room, "%s/%s", folder, item->d_name);
    if (item->d_name[0] != '.' && !stat(path, &about)) {
      size = (long)about.st_size;
      ++files;
    }
  }
  closedir(list);
  CHECK(files <= 1, "%d files", files);
  // The last name may have been "." or "..".
  list = opendir(folder);
  for (struct dirent *item; (item = readdir(list));) {
    if (item->d_name[0] != '.') {
      snprintf(path, room, "%s/%s", folder, item->d_name);
    }
  }
  closedir(list);
  return size;
}

static void damage(const char *path, long at, long size) {
  if (at < 0) { // cut
    CHECK(!truncate(path, size + at), "-");
    return;
  }
  FILE *file = fopen(path, "r+b");
  fseek(file, at, SEEK_SET);
  int byte = fgetc(file);
  fseek(file, at, SEEK_SET);
  fputc(byte ^ 0x10, file);
  fclose(file);
}

static void test_disk(void) {
  char path[4096];
  attnjit_options options = defaults();
  options.flags = ATTNJIT_NO_MEMORY_CACHE;
  options.cache_dir = folder;
  attnjit_result *first = compile(&options), *second = compile(&options);
  CHECK(jit_result_origin(first) == ATTNJIT_COMPILED, "-");
  CHECK(jit_result_origin(second) == ATTNJIT_FROM_DISK, "-");
  CHECK(is_same(first, second), "other bytes");
  CHECK(counters().disk_hits == 1 && counters().compiles == 1, "-");
  jit_result_release(second);
  long size = find_file(path, sizeof(path));
  struct stat about;
  CHECK(!stat(folder, &about) && (about.st_mode & 0777) == 0700, "-");

  long places[] = {0, 8, 40, 48, 60, size / 2, size - 1, -1, -size, 20 - size};
  uint64_t compiles = 1;
  for (size_t i = 0; i < sizeof(places) / sizeof(*places); ++i) {
    damage(path, places[i], size);
    second = compile(&options);
    CHECK(jit_result_origin(second) == ATTNJIT_COMPILED, "place %ld",
          places[i]);
    CHECK(is_same(first, second), "other bytes");
    jit_result_release(second);
    CHECK(counters().damaged_files == i + 1, "place %ld", places[i]);
    CHECK(counters().compiles == ++compiles, "-");
    CHECK(find_file(path, sizeof(path)) == size, "not written anew");
  }
  second = compile(&options);
  CHECK(jit_result_origin(second) == ATTNJIT_FROM_DISK, "-");
  jit_result_release(second);

  // A second bundle beside it; there is room for one.
  options.tile = 32;
  options.cache_dir_bytes = (uint64_t)size + (uint64_t)size / 2;
  jit_result_release(compile(&options));
  char kept[sizeof(path)];
  CHECK(find_file(kept, sizeof(kept)) > 0, "none is left");
  second = compile(&options);
  CHECK(jit_result_origin(second) == ATTNJIT_FROM_DISK, "the new one went");
  jit_result_release(second);

  // One bundle under the name of the other.
  char other[sizeof(path)];
  find_file(other, sizeof(other));
  CHECK(strcmp(path, other) && !rename(other, path), "-");
  options.tile = 0;
  second = compile(&options);
  CHECK(jit_result_origin(second) == ATTNJIT_COMPILED, "taken for another");
  CHECK(is_same(first, second), "other bytes");
  jit_result_release(second);

  // A file where the folder should be.
  options.cache_dir = path;
  second = compile(&options);
  CHECK(strstr(jit_result_diagnostics(second), "warning: cannot write"), "'%s'",
        jit_result_diagnostics(second));
  jit_result_release(second);
  jit_result_release(first);
}

//===----------------------------------------------------------------------===//
// threads, close
//===----------------------------------------------------------------------===//

enum { THREADS = 8, TEXTS = 3 };

static void *compile_all(void *number) {
  attnjit_result **results = calloc(TEXTS, sizeof(*results));
  for (int i = 0; i < TEXTS; ++i) {
    attnjit_options options = defaults();
    int which = (i + (int)(intptr_t)number) % TEXTS;
    options.tile = 16 + 16 * which;
    options.targets = which == 2 ? "sm_80" : "cpu";
    options.cache_dir = folder;
    results[which] = compile(&options);
    // Errors of one thread are not another's.
    char name[32], quoted[40];
    snprintf(name, sizeof(name), "thread%d", (int)(intptr_t)number);
    snprintf(quoted, sizeof(quoted), "'%s'", name);
    options.entry = name;
    attnjit_result *wrong;
    CHECK(jit_compile(example, example_length, &options, &wrong) ==
              ATTNRT_NOT_FOUND,
          "-");
    CHECK(strstr(jit_last_message(), quoted), "%s", jit_last_message());
    jit_result_release(wrong);
  }
  return results;
}

static void test_threads(void) {
  pthread_t threads[THREADS];
  attnjit_result **results[THREADS];
  for (intptr_t i = 0; i < THREADS; ++i) {
    CHECK(!pthread_create(&threads[i], NULL, compile_all, (void *)i), "-");
  }
  for (int i = 0; i < THREADS; ++i) {
    pthread_join(threads[i], (void **)&results[i]);
  }
  attnjit_counters now = counters();
  // Each of the three once; each unknown name of each thread is its own.
  CHECK(now.compiles == TEXTS + THREADS * TEXTS, "%d compiles",
        (int)now.compiles);
  CHECK(now.memory_hits == (THREADS - 1) * TEXTS, "%d hits",
        (int)now.memory_hits);
  CHECK(!now.damaged_files, "-");
  for (int i = 0; i < THREADS; ++i) {
    for (int t = 0; t < TEXTS; ++t) {
      CHECK(is_same(results[0][t], results[i][t]), "-");
      if (i) {
        jit_result_release(results[i][t]);
      }
    }
    if (i) {
      free(results[i]);
    }
  }
  open_runtime();
  run_bundle(jit_result_bytes(results[0][0]), jit_result_size(results[0][0]));
  run_bundle(jit_result_bytes(results[0][1]), jit_result_size(results[0][1]));
  for (int t = 0; t < TEXTS; ++t) {
    jit_result_release(results[0][t]);
  }
  free(results[0]);
}

static void test_close(void *library) {
  for (int i = 0; i < 3; ++i) {
    attnjit_options options = defaults();
    options.tile = 16 + 16 * i;
    jit_result_release(compile(&options));
    CHECK(!dlclose(library), "%s", dlerror());
    library = open_jit();
  }
  dlclose(library);
}

int main(int argc, char **argv) {
  CHECK(argc == 4, "CASE TEXT FOLDER");
  // Somebody else has MLIR already, in a scope of his own: "run" after it.
  if (!strcmp(argv[1], "run-after-mlir")) {
    open_library("libMLIR.so.22.1");
  }
  setvbuf(stdout, NULL, _IOLBF, 0);
  example = read_file(argv[2], &example_length);
  folder = argv[3];
  void *library = open_jit();
  if (!strncmp(argv[1], "run", 3)) {
    test_run();
  } else if (!strcmp(argv[1], "describe")) {
    test_describe();
    test_classify_tiles();
  } else if (!strcmp(argv[1], "errors")) {
    test_errors();
  } else if (!strcmp(argv[1], "memory")) {
    test_memory();
  } else if (!strcmp(argv[1], "disk")) {
    test_disk();
  } else if (!strcmp(argv[1], "threads")) {
    test_threads();
  } else if (!strcmp(argv[1], "close")) {
    test_close(library);
  } else {
    CHECK(0, "no case is called %s", argv[1]);
  }
  free(example);
  printf("ok\n");
  return 0;
}
