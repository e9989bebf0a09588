// RUN: attn-run %s --entry=integers --arg=-7 --arg=2 --arg=100 --arg=1 --print | FileCheck %s --check-prefix=INTEGERS
// RUN: attn-run %s --entry=floats --arg=-2.5 --arg=nan --print | FileCheck %s --check-prefix=FLOATS
// RUN: attn-run %s --entry=in_fold --print | FileCheck %s --check-prefix=FOLD
// RUN: attn-run %s --entry=in_fold --split=2 --print | FileCheck %s --check-prefix=FOLD
// Scalar arithmetic goes wrong: widths, signs, NaN, or values that change in a fold.

// INTEGERS: result #0: f64 scalar
// INTEGERS-NEXT: [-4]
// INTEGERS-NEXT: result #1: f64 scalar
// INTEGERS-NEXT: [-3]
// INTEGERS-NEXT: result #2: f64 scalar
// INTEGERS-NEXT: [-1]
// INTEGERS-NEXT: result #3: f64 scalar
// INTEGERS-NEXT: [-56]
// INTEGERS-NEXT: result #4: f64 scalar
// INTEGERS-NEXT: [124]
// INTEGERS-NEXT: result #5: f64 scalar
// INTEGERS-NEXT: [-2]
// INTEGERS-NEXT: result #6: f64 scalar
// INTEGERS-NEXT: [0]
// INTEGERS-NEXT: result #7: f64 scalar
// INTEGERS-NEXT: [-1]
// INTEGERS-NEXT: result #8: f64 scalar
// INTEGERS-NEXT: [249]
func.func @integers(%a: i8, %b: i8, %c: i8, %t: i1)
    -> (i8, i8, i8, i8, i8, i8, i1, i32, i32) {
  %floor = arith.floordivsi %a, %b : i8
  %ceil = arith.ceildivsi %a, %b : i8
  %rest = arith.remsi %a, %b : i8
  %wrapped = arith.addi %c, %c : i8
  %one = arith.constant 1 : i8
  %logical = arith.shrui %a, %one : i8
  %signed = arith.shrsi %a, %b : i8
  // -7 is 249 without a sign; i1 1 is -1 with one.
  %less = arith.cmpi ult, %a, %b : i8
  %extended = arith.extsi %t : i1 to i32
  %unsigned = arith.extui %a : i8 to i32
  return %floor, %ceil, %rest, %wrapped, %logical, %signed, %less, %extended, %unsigned
      : i8, i8, i8, i8, i8, i8, i1, i32, i32
}

// FLOATS: result #0: f64 scalar
// FLOATS-NEXT: [-2]
// FLOATS-NEXT: result #1: f64 scalar
// FLOATS-NEXT: [nan]
// FLOATS-NEXT: result #2: f64 scalar
// FLOATS-NEXT: [-2.5]
// FLOATS-NEXT: result #3: f64 scalar
// FLOATS-NEXT: [0]
// FLOATS-NEXT: result #4: f64 scalar
// FLOATS-NEXT: [1]
// FLOATS-NEXT: result #5: f64 scalar
// FLOATS-NEXT: [-2]
func.func @floats(%x: f32, %nan: f32) -> (i32, f32, f32, i1, i1, f32) {
  %toward_zero = arith.fptosi %x : f32 to i32
  %maximum = arith.maximumf %x, %nan : f32
  %maxnum = arith.maxnumf %nan, %x : f32
  %ordered = arith.cmpf olt, %x, %nan : f32
  %unordered = arith.cmpf ult, %x, %nan : f32
  %even = math.roundeven %x : f32
  return %toward_zero, %maximum, %maxnum, %ordered, %unordered, %even
      : i32, f32, f32, i1, i1, f32
}

// The coordinate of the fold, as an operand and captured: 0*0 + .. + 3*3, and the
// sum of 10 * m.
// FOLD: result #0: f64 scalar
// FOLD-NEXT: [14]
// FOLD-NEXT: result #1: f64 scalar
// FOLD-NEXT: [60]
func.func @in_fold() -> (tensor<f64>, tensor<f64>) {
  %n = arith.constant 4 : index
  %zero = arith.constant 0.0 : f64
  %ten = arith.constant 10.0 : f64
  %o:2 = attn.cascade ranks(m) -> (tensor<f64>, tensor<f64>) {
    %s:2 = attn.fold over m to %n state(%a[] = %zero, %b[] = %zero) : tensor<f64>, tensor<f64>
    step {
      %c = attn.coord m
      %i = arith.index_cast %c : index to i64
      %f = arith.sitofp %i : i64 to f64
      %x = attn.einsum %a[], %f -> [] : (tensor<f64>, f64) -> tensor<f64> {
      ^bb0(%u: f64, %v: f64):
        %w = arith.mulf %v, %v : f64
        %y = arith.addf %u, %w : f64
        attn.yield %y : f64
      }
      %g = arith.mulf %f, %ten : f64
      %z = attn.einsum %b[] -> [] : (tensor<f64>) -> tensor<f64> {
      ^bb0(%u: f64):
        %y = arith.addf %u, %g : f64
        attn.yield %y : f64
      }
      attn.yield %x, %z : tensor<f64>, tensor<f64>
    } merge(%aa, %ba) with(%ab, %bb) {
      %x = attn.einsum %aa[], %ab[] -> [] : (tensor<f64>, tensor<f64>) -> tensor<f64> {
      ^bb0(%u: f64, %v: f64):
        %y = arith.addf %u, %v : f64
        attn.yield %y : f64
      }
      %z = attn.einsum %ba[], %bb[] -> [] : (tensor<f64>, tensor<f64>) -> tensor<f64> {
      ^bb0(%u: f64, %v: f64):
        %y = arith.addf %u, %v : f64
        attn.yield %y : f64
      }
      attn.yield %x, %z : tensor<f64>, tensor<f64>
    }
    attn.yield %s#0, %s#1 : tensor<f64>, tensor<f64>
  }
  return %o#0, %o#1 : tensor<f64>, tensor<f64>
}
