// RUN: attn-opt %s --attn-partition=tile=64 --attn-online --convert-attn-to-tile --canonicalize --cse | FileCheck %s
// A fold visits tiles that its mask leaves empty, or evaluates the mask in full tiles, if this fails.

// A window whose width and place are symbols: one interval, from the first key
// of the item's first row to the last key of its last row.
// CHECK-LABEL: tile.kernel items @window(
// CHECK-SAME:      memref<2xi32, {{[^,]+}}>, %[[W:arg[0-9]+]]: index,
// CHECK-DAG:     %[[TRUE:.+]] = arith.constant true
// CHECK-DAG:     %[[T:.+]] = arith.constant 64 : index
// CHECK-DAG:     %[[B:.+]] = tile.item sym_first
// CHECK-DAG:     %[[FIRST:.+]] = tile.item row_first
// CHECK:         %[[OFF32:.+]] = tile.load %{{.+}}[%[[B]]]
// CHECK:         %[[OFF:.+]] = arith.index_cast %[[OFF32]]
// The item's own coordinates bound the loop ..
// CHECK:         %[[BEGIN:.+]] = arith.divui %{{.+}}, %[[T]]
// CHECK:         %[[END:.+]] = arith.ceildivui %{{.+}}, %[[T]]
// .. and so do ceil((first + off - w - 62) / 64) and the causal border.
// CHECK:         %[[AT:.+]] = arith.addi %[[FIRST]], %[[OFF]]
// CHECK:         %[[BACK:.+]] = arith.subi %[[AT]], %[[W]]
// CHECK:         arith.ceildivsi %{{.+}}, %[[T]]
// CHECK:         %[[LOWER:.+]] = arith.maxsi %[[BEGIN]], %{{.+}}
// CHECK:         arith.minsi %[[END]],
// CHECK:         %[[UPPER:.+]] = arith.select %{{.+}}, %{{.+}}, %[[LOWER]]
// CHECK:         %[[FROM:.+]] = arith.select %[[ONE:.+]], %[[LOWER]], %[[BEGIN]]
// CHECK:         %[[TO:.+]] = arith.select %[[ONE]], %[[UPPER]], %[[END]]
// Which tiles are partial is known in front of the loop too: from the tile on in which
// the first row's last key or the keys' end lies, and up to that of the last row's first
// key. Of an item that is no run of rows all are.
// CHECK:         %[[CUT:.+]] = arith.select %[[ONE]], %{{.+}}, %[[BEGIN]]
// CHECK:         %[[BEHIND:.+]] = arith.index_cast %[[CUT]] : index to i32
// CHECK:         %[[BEFORE:.+]] = arith.index_cast %{{.+}} : index to i32
// CHECK:         tile.fold from(%[[FROM]]) to(%[[TO]])
// The interval holds no empty tile.
// CHECK:         ^bb0(%[[K:.+]]: index):
// CHECK-NEXT:      %[[N:.+]] = arith.index_cast %[[K]] : index to i32
// CHECK-NEXT:      %[[AFTER:.+]] = arith.cmpi sge, %[[N]], %[[BEHIND]]
// CHECK-NEXT:      %[[EARLY:.+]] = arith.cmpi slt, %[[N]], %[[BEFORE]]
// CHECK-NEXT:      %[[PARTIAL:[0-9]+]] = arith.ori %[[AFTER]], %[[EARLY]]
// CHECK-NEXT:      tile.yield %[[TRUE]], %[[PARTIAL]] : i1, i1
// CHECK:         step
// CHECK:         ^bb0(%{{.+}}: index, %[[PARTIAL:.+]]: i1,
// CHECK:           scf.if %[[PARTIAL]] -> (vector<64x64xi1>) {
// CHECK:             arith.cmpi sge
// CHECK:           } else {
// CHECK-NEXT:        scf.yield %{{.+}} : vector<64x64xi1>
func.func @window(%q: tensor<2x?x64xf32>, %k: tensor<2x?x64xf32>, %off: tensor<2xi32>,
                  %w: index) -> tensor<2x?x64xf32> {
  %o = attn.cascade ranks(b, p, m, e, f) -> tensor<2x?x64xf32> {
    %s = attn.einsum %q[b, p, e], %k[b, m, e] -> [b, p, m] reduce add(e)
        symbols(off = %off[b], w = %w)
        where (p + off - m >= 0 and m + w - p - off >= 1)
        : (tensor<2x?x64xf32>, tensor<2x?x64xf32>, tensor<2xi32>, index) -> tensor<2x?x?xf32>
    %o = attn.einsum %s[b, p, m], %k[b, m, f] -> [b, p, f] reduce add(m)
        : (tensor<2x?x?xf32>, tensor<2x?x64xf32>) -> tensor<2x?x64xf32>
    attn.yield %o : tensor<2x?x64xf32>
  }
  return %o : tensor<2x?x64xf32>
}

// A union has an interval per set; the second one starts where the first ends,
// so that no tile is visited twice.
// CHECK-LABEL: tile.kernel items @sinks(
// CHECK:         arith.cmpi sle, %[[LOWER:[0-9]+]], %[[START:[0-9]+]]
// CHECK:         %[[MORE:[0-9]+]] = arith.maxsi %[[START]],
// CHECK:         arith.cmpi sle, %[[BEGIN:[0-9]+]], %[[START]]
// CHECK:         %[[STOP:[0-9]+]] = arith.maxsi %[[MORE]],
// CHECK:         arith.maxsi %[[LOWER]], %[[STOP]]
// CHECK:         arith.maxsi %[[BEGIN]], %[[STOP]]
// CHECK:         arith.cmpi sle, %[[LOWER]], %[[START1:[0-9]+]]
// An item that is no run of rows has one interval: all its tiles.
// CHECK:         %[[FROM:.+]] = arith.select %[[ONE:.+]], %[[START]], %[[ALL:.+]] : index
// CHECK:         %[[TO:.+]] = arith.select %[[ONE]], %[[STOP]], %{{.+}} : index
// CHECK:         %[[TO1:.+]] = arith.select %[[ONE]], %{{.+}}, %[[ALL]] : index
// CHECK:         tile.fold from(%[[FROM]], %[[START1]]) to(%[[TO]], %[[TO1]])
func.func @sinks(%q: tensor<?x64xf32>, %k: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %o = attn.cascade ranks(p, m, e, f) -> tensor<?x64xf32> {
    %s = attn.einsum %q[p, e], %k[m, e] -> [p, m] reduce add(e)
        where (p - m >= 0 and m - p >= -1000) or (p - m >= 0 and m <= 3)
        : (tensor<?x64xf32>, tensor<?x64xf32>) -> tensor<?x?xf32>
    %o = attn.einsum %s[p, m], %k[m, f] -> [p, f] reduce add(m)
        : (tensor<?x?xf32>, tensor<?x64xf32>) -> tensor<?x64xf32>
    attn.yield %o : tensor<?x64xf32>
  }
  return %o : tensor<?x64xf32>
}
