//===- engine.c - An engine in C --------------------------------------------
//===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attnjit/attnjit.h"
#include "attnrt/attnrt.h"

#include <stdio.h>

static char text[1 << 20];

int main(int argc, char **argv) {
  FILE *file = argc > 1 ? fopen(argv[1], "rb") : NULL;
  if (!file || attnjit_check_abi(ATTNJIT_ABI_VERSION) ||
      attnrt_check_abi(ATTNRT_ABI_VERSION)) {
    return 2;
  }
  size_t length = fread(text, 1, sizeof(text), file);
  fclose(file);
  attnjit_result *result = NULL;
  attnrt_context *context = NULL;
  attnrt_bundle *bundle = NULL;
  int status = attnjit_compile(text, length, NULL, &result);
  fputs(attnjit_result_diagnostics(result), stderr);
  if (!status && !attnrt_context_create(NULL, &context) &&
      !attnrt_bundle_load(context, attnjit_result_bytes(result),
                          attnjit_result_size(result), &bundle)) {
    printf("C: %s\n", attnrt_bundle_entry_name(bundle, 0));
  }
  attnrt_bundle_release(bundle);
  attnrt_context_release(context);
  attnjit_result_release(result);
  return status;
}
