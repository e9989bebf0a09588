//===- attnjit.h - The compiler inside an engine ------------------*- C -*-
//===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Text of cascades in, bytes of a bundle out: what attnrt_bundle_load takes.
// C11, C++17 and C++20; no LLVM and no C++ type crosses it. The library needs
// the shared libraries of LLVM and MLIR, and exports attnjit_* and nothing
// else.
//
// Rules for all of it
//   * A function that can fail returns a status (attnrt/status.h has the
//   codes);
//     attnjit_last_message() is the text, per thread. Nothing is ever printed.
//   * Structs of parameters begin with struct_size, as in attnrt/attnrt.h: a
//     smaller one, of an older header, is taken with zeros behind; a larger one
//     must have zeros in what this library does not know. Zero is the default
//     of every field.
//   * Every function may be called from every thread at any time; a result may
//     be read by several threads, and is released once, when none reads it.
//   * Memory that runs out ends the process, as it does in all of LLVM.
//
//===----------------------------------------------------------------------===//
#ifndef ATTNJIT_ATTNJIT_H
#define ATTNJIT_ATTNJIT_H

#include "attnrt/status.h"

#include <stdint.h>

#if defined(__GNUC__)
#define ATTNJIT_API __attribute__((visibility("default")))
#else
#define ATTNJIT_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

//===----------------------------------------------------------------------===//
// Version and errors
//===----------------------------------------------------------------------===//

#define ATTNJIT_ABI_MAJOR 0u
#define ATTNJIT_ABI_MINOR 3u
#define ATTNJIT_ABI_VERSION ((ATTNJIT_ABI_MAJOR << 16) | ATTNJIT_ABI_MINOR)

/// Version of the library, as in ATTNJIT_ABI_VERSION.
ATTNJIT_API uint32_t attnjit_abi_version(void);

/// Call with ATTNJIT_ABI_VERSION. INCOMPATIBLE unless the major version is the
/// library's and the minor version at most the library's.
ATTNJIT_API attnrt_status attnjit_check_abi(uint32_t header_version);

/// What makes the bundles: version of the project, of LLVM, and the build IDs
/// of this library, LLVM's and MLIR's. Part of the key of every cached bundle.
ATTNJIT_API const char *attnjit_version(void);

/// What the last failed call on this thread said, one line; "" before the first
/// failure. Valid until the next failure on the same thread.
ATTNJIT_API const char *attnjit_last_message(void);

//===----------------------------------------------------------------------===//
// Compiling
//===----------------------------------------------------------------------===//

enum {
  /// Neither looks in the cache in memory nor keeps the bundle there.
  ATTNJIT_NO_MEMORY_CACHE = 1u << 0,
  /// The compiler starts no threads: it works on the caller's alone.
  ATTNJIT_SINGLE_THREAD = 1u << 1
};

/// Longest text, in bytes.
#define ATTNJIT_MAX_TEXT (16u << 20)

typedef struct attnjit_options {
  uint32_t struct_size;
  uint32_t flags; ///< ATTNJIT_*
  /// Of the bundle, separated by commas: "cpu" (this machine), "x86-64-v2" ..
  /// "x86-64-v4", and chips as "sm_80". Null: "cpu".
  const char *targets;
  /// The only function to take; null: all that have a cascade.
  const char *entry;
  /// Most packed rows of a work item, and keys of a tile; 0: chosen.
  int64_t rows, tile;
  /// Of kernels for GPUs: most warps of a CTA, and tiles that there is room for
  /// at the same time; 0: chosen.
  int64_t warps, stages;
  /// Version of PTX times ten, as 70; 0: the lowest that the chip and the
  /// instructions need.
  uint32_t ptx_level;
  uint32_t reserved; ///< 0
  /// Folder of bundles on disk, shared by processes; null: none. It is made if
  /// it is not there. Bundles hold machine code: nobody else may write to it.
  const char *cache_dir;
  /// Most bytes of bundles in the folder; 0: 1 GiB. The ones that were not used
  /// for longest go first.
  uint64_t cache_dir_bytes;
} attnjit_options;

typedef struct attnjit_result attnjit_result;

/// Compiles `length` bytes of text (MLIR's text form; need not end in a zero,
/// and is not kept). `options` may be null: all defaults.
///
/// *out is a result whether the call succeeds or not, and is to be released;
/// only a null `out` gives none. If it failed, the result has diagnostics and
/// no bytes, and attnjit_last_message() is the first error of them.
///
/// Text whose brackets are nested more than 256 deep, or with an expression of
/// more than 256 operators, is refused: what is not needs less than 1 MiB of
/// the caller's stack to be read.
///
/// INVALID_ARGUMENT: options or text that nothing can be made of; NOT_FOUND: no
/// function is called `entry`; INCOMPATIBLE: options of a newer header.
///
/// Equal texts and options are compiled once: at the same time, the others
/// wait; later, they get what is in memory, else in cache_dir. A file that is
/// damaged or of another version is compiled anew, and a folder that cannot be
/// written to is a warning in the diagnostics.
ATTNJIT_API attnrt_status attnjit_compile(const char *text, uint64_t length,
                                          const attnjit_options *options,
                                          attnjit_result **out);

/// What a text asks for, without kernels: for each cascade a line "cascade N in
/// @NAME", one for each rank that is reduced (passes over it, what asks for
/// them, what is streamed), and what is read and written, as formulas and,
/// where all lengths are static, in bytes beside their lower bounds. The
/// result's bytes are these lines; they may grow and are for people.
///
/// *out and statuses are as of attnjit_compile; nothing is cached.
ATTNJIT_API attnrt_status attnjit_describe(const char *text, uint64_t length,
                                           attnjit_result **out);

/// A rank or a symbol, as a cascade names it, with a value below 2^31 in
/// magnitude.
typedef struct attnjit_value {
  const char *name;
  int64_t value;
} attnjit_value;

/// Most tiles of a map.
#define ATTNJIT_MAX_TILES (UINT64_C(1) << 28)

/// Tiles of a box of points [0, rows) x [0, cols).
typedef struct attnjit_tile_map {
  uint32_t struct_size;
  uint32_t reserved; ///< 0
  /// The ranks of the two axes; the second is reduced.
  const char *row_rank, *col_rank;
  /// 1 or more, below 2^31; the last tiles of an axis may be shorter.
  int64_t rows, cols, tile_rows, tile_cols;
  /// Coordinates of other ranks (0 where none is given) and the symbols of the
  /// mask. Names that the mask does not use have no effect.
  const attnjit_value *values;
  uint64_t num_values;
} attnjit_tile_map;

/// Which tiles hold no point of the mask (0), some (1) or only points (2): the
/// classes by which kernels leave tiles out and compare no points. The result's
/// bytes are one for each tile, row by row. The cascade is the first with both
/// ranks. What data, a selection or a symbol that varies along the rows decides
/// counts as 1; where the sets grow too large they may say 1 for 0 or 2, never
/// otherwise. The time is that of the number of tiles.
///
/// *out and statuses are as of attnjit_compile; nothing is cached.
ATTNJIT_API attnrt_status attnjit_classify_tiles(const char *text,
                                                 uint64_t length,
                                                 const attnjit_tile_map *map,
                                                 attnjit_result **out);

/// Null in release is allowed.
ATTNJIT_API void attnjit_result_release(attnjit_result *result);

/// The bundle, the lines or the classes; null and 0 if the call failed. Lives
/// as long as the result.
ATTNJIT_API const void *attnjit_result_bytes(const attnjit_result *result);
ATTNJIT_API uint64_t attnjit_result_size(const attnjit_result *result);

/// Errors, warnings and their notes, each a line "LINE:COLUMN: error: what",
/// without the place where there is none; "" if there are none. Lives as long
/// as the result.
ATTNJIT_API const char *
attnjit_result_diagnostics(const attnjit_result *result);

/// Where a bundle comes from.
typedef enum attnjit_origin {
  ATTNJIT_FAILED = 0,
  ATTNJIT_COMPILED = 1,
  ATTNJIT_FROM_MEMORY = 2, ///< or from a compile that ran at the same time
  ATTNJIT_FROM_DISK = 3
} attnjit_origin;

ATTNJIT_API attnjit_origin attnjit_result_origin(const attnjit_result *result);

//===----------------------------------------------------------------------===//
// Caches
//===----------------------------------------------------------------------===//

/// Most bytes of bundles that are kept in memory (at first 256 MiB); 0 keeps
/// none. Those that were not used for longest go at once. Results that are held
/// keep their bytes beside that.
ATTNJIT_API void attnjit_set_memory_limit(uint64_t bytes);

/// Since the library was loaded, of the process.
typedef struct attnjit_counters {
  uint32_t struct_size; ///< set by the caller: as much is filled
  uint32_t reserved;
  uint64_t compiles; ///< that the compiler did, failed ones too
  uint64_t memory_hits, disk_hits;
  uint64_t damaged_files; ///< of cache folders
  uint64_t memory_bytes;  ///< held by the cache now
} attnjit_counters;

ATTNJIT_API attnrt_status attnjit_get_counters(attnjit_counters *out);

#ifdef __cplusplus
} // extern "C"
#endif

#endif // ATTNJIT_ATTNJIT_H
