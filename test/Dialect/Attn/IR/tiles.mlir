// RUN: attn-opt %s --split-input-file --verify-diagnostics --verify-roundtrip | FileCheck %s
// RUN: attn-opt %s --split-input-file --verify-diagnostics --mlir-print-op-generic 2>/dev/null | FileCheck %s --check-prefix=GENERIC
// The tile of a cascade is lost on the way through text or bytecode, or a wrong spelling is accepted.

// CHECK: attn.cascade ranks(p, m to %{{.*}}) tiles(rows = 96, cols = 64) -> tensor<?xf32> {
// GENERIC: tiles = array<i64: 96, 64>
func.func @kept(%s: tensor<?x?xf32>, %n: index) -> tensor<?xf32> {
  %o = attn.cascade ranks(p, m to %n) tiles(rows = 96, cols = 64) -> tensor<?xf32> {
    %g = attn.einsum %s[p, m] -> [p] reduce max(m)
        : (tensor<?x?xf32>) -> tensor<?xf32>
    attn.yield %g : tensor<?xf32>
  }
  return %o : tensor<?xf32>
}

// -----

func.func @syntax() {
  // expected-error @below {{expected 'cols'}}
  attn.cascade ranks(p) tiles(rows = 1, columns = 64) {
    attn.yield
  }
  return
}
