// RUN: sed 's/TILES/tiles(rows = 24, cols = 96)/' %s | attn-opt --attn-defer --attn-partition --attn-online --convert-attn-to-tile | FileCheck %s --check-prefix=GIVEN
// RUN: sed 's/TILES//' %s | attn-opt --attn-defer --attn-partition --attn-online --convert-attn-to-tile | FileCheck %s --check-prefix=NONE
// RUN: sed 's/TILES/tiles(rows = 24, cols = 96)/' %s | attn-opt --attn-defer --attn-partition=tile=32 --attn-online --convert-attn-to-tile=rows=8 | FileCheck %s --check-prefix=OPTION
// The tile of a kernel is not the one that the cascade gives, or an option does not override it.

// GIVEN: tile.kernel {{.*}} rows(24) cols(96)
// GIVEN: vector<24x96xf32>
// NONE: tile.kernel {{.*}} rows(64) cols(64)
// NONE: vector<64x64xf32>
// OPTION: tile.kernel {{.*}} rows(8) cols(32)
// OPTION: vector<8x32xf32>
func.func @softmax(%x: tensor<?x?x64xf32>) -> tensor<?x?xf32> {
  %o = attn.cascade ranks(b, p, m, e) TILES -> tensor<?x?xf32> {
    %s = attn.einsum %x[b, p, e], %x[b, m, e] -> [b, p, m] reduce add(e)
        : (tensor<?x?x64xf32>, tensor<?x?x64xf32>) -> tensor<?x?x?xf32>
    %g = attn.einsum %s[b, p, m] -> [b, p] reduce max(m)
        : (tensor<?x?x?xf32>) -> tensor<?x?xf32>
    %n = attn.einsum %s[b, p, m], %g[b, p] -> [b, p, m]
        : (tensor<?x?x?xf32>, tensor<?x?xf32>) -> tensor<?x?x?xf32> {
    ^bb0(%a: f32, %c: f32):
      %d = arith.subf %a, %c : f32
      %e = math.exp %d : f32
      attn.yield %e : f32
    }
    %d = attn.einsum %n[b, p, m] -> [b, p] reduce add(m)
        : (tensor<?x?x?xf32>) -> tensor<?x?xf32>
    attn.yield %d : tensor<?x?xf32>
  }
  return %o : tensor<?x?xf32>
}
