// RUN: attn-run %s --entry=scale --arg=rand:3x4:7 --arg=2 --out=%t.npy --print | FileCheck %s --check-prefix=RANDOM
// RUN: attn-run %s --entry=widen --arg=%t.npy --print | FileCheck %s --check-prefix=RANDOM
// RUN: attn-run %s --entry=scale --arg=zeros:2x2 --arg=-0.5 --bench=2 --stats=%t.json | FileCheck %s --check-prefix=BENCH
// RUN: FileCheck %s --check-prefix=STATS --input-file=%t.json
// RUN: attn-run --help | FileCheck %s --check-prefix=HELP
// Arguments do not reach the program, or results, times and statistics do not come out.

// A seed means these numbers everywhere.
// RANDOM: result #0: f64 3x4
// RANDOM-NEXT: [2.72998, 0.289042, -0.793048, -0.455193]
// RANDOM-NEXT: [0.00899705, 2.51887, -1.16123, 2.17409]
// RANDOM-NEXT: [-3.42578, 2.08038, 4.12456, -1.06249]
func.func @scale(%a: tensor<?x?xf32>, %s: f32) -> tensor<?x?xf32> {
  %o = attn.cascade ranks(i, j) -> tensor<?x?xf32> {
    %x = attn.einsum %a[i, j], %s -> [i, j] : (tensor<?x?xf32>, f32) -> tensor<?x?xf32>
    attn.yield %x : tensor<?x?xf32>
  }
  return %o : tensor<?x?xf32>
}

func.func @widen(%a: tensor<?x?xf64>) -> tensor<?x?xf64> {
  %o = attn.cascade ranks(i, j) -> tensor<?x?xf64> {
    %x = attn.einsum %a[i, j] -> [i, j] : (tensor<?x?xf64>) -> tensor<?x?xf64>
    attn.yield %x : tensor<?x?xf64>
  }
  return %o : tensor<?x?xf64>
}

// BENCH: bench: runs 2, min {{[0-9.]+}} ms, median {{[0-9.]+}} ms
// STATS-DAG: "bound_bytes": null
// STATS-DAG: "kv_bytes": null
// STATS-DAG: "max_row_error": null
// STATS-DAG: "bytes_unknown": "no rank is folded"
// STATS-DAG: "passes": null
// STATS-DAG: "tiles": null
// STATS-DAG: "points": 4
// HELP: --rtol=R
