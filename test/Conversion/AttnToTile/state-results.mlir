// RUN: attn-opt %s --attn-partition="rank=m tile=16" --attn-online --convert-attn-to-tile --canonicalize --cse | FileCheck %s
// A result that is made from the state of a fold is missing in one of the kernels that end a row, if this fails.

// Maximum and log-sum-exp are results, the log-sum-exp also goes to a workspace
// for what is no longer inside a row.
// CHECK-LABEL: tile.kernel items @lse(
// CHECK:         %[[S:.+]]:2 = tile.fold
// CHECK:         tile.finish %{{.+}}, %{{.+}} state(%[[S]]#0, %[[S]]#1
// CHECK:           %[[LOG:.+]] = math.log %[[S]]#1
// CHECK:           %[[LSE:.+]] = arith.addf %[[LOG]], %[[S]]#0
// CHECK:           tile.store %[[S]]#0, %[[MAXIMA:arg[0-9]+]][
// CHECK:           tile.store %[[LSE]], %[[RESULT:arg[0-9]+]][
// CHECK:           tile.store %[[LSE]], %[[WORKSPACE:arg[0-9]+]][
// The merge kernel ends rows as well.
// CHECK-LABEL: tile.kernel merge @lse.merge(
// CHECK:         %[[S:.+]]:2 = tile.fold
// CHECK:           %[[PART:.+]]:2 = tile.load_state
// CHECK:           call @lse.combine(%{{.+}}, %{{.+}}, %[[PART]]#0, %[[PART]]#1)
// CHECK:         %[[LOG:.+]] = math.log %[[S]]#1
// CHECK:         %[[LSE:.+]] = arith.addf %[[LOG]], %[[S]]#0
// CHECK:         tile.store %[[S]]#0, %[[MAXIMA]][
// CHECK:         tile.store %[[LSE]], %[[RESULT]][
// CHECK:         tile.store %[[LSE]], %[[WORKSPACE]][
// CHECK-LABEL: func.func private @lse.combine(
// CHECK-NOT:     tile.load
// CHECK:         return %{{.+}}, %{{.+}} : vector<8xf32>, vector<8xf32>

// CHECK-LABEL: tile.kernel stage @lse.1(
// CHECK:         tile.load %[[WORKSPACE]][
// CHECK-LABEL: tile.program @lse.program
// CHECK-DAG:     tile.buffer result 0
// CHECK-DAG:     tile.buffer result 1
// CHECK-DAG:     tile.buffer result 2
// CHECK-DAG:     tile.buffer workspace 0
// CHECK-DAG:     tile.buffer state 0
// CHECK-DAG:     tile.buffer state 1
// CHECK:         tile.launch @lse {
// CHECK:         tile.launch @lse.1{{$}}
func.func @lse(%x: tensor<?x16xf32>, %y: tensor<?x16xf32>)
    -> (tensor<?xf32>, tensor<?xf32>, tensor<f32>) {
  %l, %g, %t = attn.cascade ranks(p, m, e) -> (tensor<?xf32>, tensor<?xf32>, tensor<f32>) {
    %s = attn.einsum %x[p, e], %y[m, e] -> [p, m] reduce add(e)
        : (tensor<?x16xf32>, tensor<?x16xf32>) -> tensor<?x?xf32>
    %g = attn.einsum %s[p, m] -> [p] reduce max(m) : (tensor<?x?xf32>) -> tensor<?xf32>
    %n = attn.einsum %s[p, m], %g[p] -> [p, m] : (tensor<?x?xf32>, tensor<?xf32>) -> tensor<?x?xf32> {
    ^bb0(%a: f32, %c: f32):
      %d = arith.subf %a, %c : f32
      %e = math.exp %d : f32
      attn.yield %e : f32
    }
    %d = attn.einsum %n[p, m] -> [p] reduce add(m) : (tensor<?x?xf32>) -> tensor<?xf32>
    %l = attn.einsum %d[p], %g[p] -> [p] : (tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32> {
    ^bb0(%a: f32, %c: f32):
      %log = math.log %a : f32
      %z = arith.addf %log, %c : f32
      attn.yield %z : f32
    }
    %t = attn.einsum %l[p] -> [] reduce add(p) : (tensor<?xf32>) -> tensor<f32>
    attn.yield %l, %g, %t : tensor<?xf32>, tensor<?xf32>, tensor<f32>
  }
  return %l, %g, %t : tensor<?xf32>, tensor<?xf32>, tensor<f32>
}
