// RUN: attn-run %s --entry=rows --arg=0 --out=%t.npy --out=%t.inf.npy
// RUN: attn-run %s --entry=rows --arg=0 --expect=%t.npy --expect=%t.inf.npy --rtol=0 --stats=%t.json
// RUN: FileCheck %s --check-prefix=STATS --input-file=%t.json
// RUN: attn-run %s --entry=rows --arg=0.0005 --expect=%t.npy --rtol=0.002
// RUN: not attn-run %s --entry=rows --arg=0.01 --expect=%t.npy --rtol=0.002 2>&1 | FileCheck %s --check-prefix=SMALL
// RUN: not attn-run %s --entry=zeros --arg=1.0e-30 --expect=%t.npy --rtol=0.5 2>&1 | FileCheck %s --check-prefix=ZERO
// RUN: not attn-run %s --entry=rows --arg=nan --expect=%t.npy --rtol=1e9 2>&1 | FileCheck %s --check-prefix=NAN
// RUN: not attn-run %s --entry=zeros --arg=0 --expect=%t.inf.npy 2>&1 | FileCheck %s --check-prefix=SHAPE
// RUN: %python -c "import subprocess, sys; sys.exit(subprocess.run(sys.argv[1:]).returncode != 1)" attn-run %s --entry=rows --arg=1 --expect=%t.npy
// A row that is wrong passes, or one that is right does not; 1 is the exit code of a mismatch.

// The rows are [1000, 2000], [1 + x, 2], [x, 0] and [-inf, 5].
// The large row does not hide the small one.
// SMALL: result #0: 1 bad rows; expects 1 at [1, 0], but got 1.01 (row error 0.005, tolerance 0.002)
// ZERO: result #0: 1 bad rows; expects 0 at [2, 0], but got 1e-30 (row error inf, tolerance 0.5)
// NAN: result #0: 1 bad rows; expects 1 at [1, 0], but got nan
// SHAPE: expects shape 1, but got 4x2
// STATS: "max_row_error": 0
func.func @rows(%x: f64) -> (tensor<4x2xf64>, tensor<1xf64>) {
  %a = arith.constant dense<[[1000.0, 2000.0], [1.0, 2.0], [0.0, 0.0], [0xFFF0000000000000, 5.0]]> : tensor<4x2xf64>
  %inf = arith.constant dense<0x7FF0000000000000> : tensor<1xf64>
  %o = attn.cascade ranks(i, j) -> tensor<4x2xf64> {
    %y = attn.einsum %a[i, j], %x -> [i, j] : (tensor<4x2xf64>, f64) -> tensor<4x2xf64> {
    ^bb0(%v: f64, %w: f64):
      %one = arith.constant 1.0 : f64
      %is = arith.cmpf oeq, %v, %one : f64
      %sum = arith.addf %v, %w : f64
      %r = arith.select %is, %sum, %v : f64
      attn.yield %r : f64
    }
    attn.yield %y : tensor<4x2xf64>
  }
  return %o, %inf : tensor<4x2xf64>, tensor<1xf64>
}

func.func @zeros(%x: f64) -> tensor<4x2xf64> {
  %a = arith.constant dense<[[1000.0, 2000.0], [1.0, 2.0], [7.0, 0.0], [0xFFF0000000000000, 5.0]]> : tensor<4x2xf64>
  %o = attn.cascade ranks(i, j) -> tensor<4x2xf64> {
    %y = attn.einsum %a[i, j], %x -> [i, j] : (tensor<4x2xf64>, f64) -> tensor<4x2xf64> {
    ^bb0(%v: f64, %w: f64):
      %seven = arith.constant 7.0 : f64
      %is = arith.cmpf oeq, %v, %seven : f64
      %r = arith.select %is, %w, %v : f64
      attn.yield %r : f64
    }
    attn.yield %y : tensor<4x2xf64>
  }
  return %o : tensor<4x2xf64>
}
