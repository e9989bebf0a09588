// RUN: attn-opt %s --sm-simplify | FileCheck %s
// An element of a block costs more than it must, or a mask hides less than it did,
// if this fails.

#acc = #sm.acc<1 x 1>
#row = #sm.slice<1, #acc>
#col = #sm.slice<0, #acc>
!block = tensor<16x16xf32, #acc>
!flags = tensor<16x16xi1, #acc>

// A product starts from what it is added to.
// CHECK-LABEL: func.func @accumulate
// CHECK-SAME: (%[[A:.+]]: tensor<16x16xf16, #{{.+}}>, %[[B:[^:]+]]: {{.+}}, %[[X:.+]]: tensor<16x16xf32, #{{.+}}>)
// CHECK-NEXT: %[[SUM:.+]] = sm.gemm %[[A]], %[[B]] acc(%[[X]])
// CHECK-NEXT: return %[[SUM]]
func.func @accumulate(%a: tensor<16x16xf16, #acc>, %b: !sm.buf<16, 16, f16>, %x: !block) -> !block {
  %none = arith.constant dense<0.0> : !block
  %product = sm.gemm %a, %b acc(%none) : tensor<16x16xf16, #acc>, !sm.buf<16, 16, f16> -> !block
  %sum = arith.addf %x, %product : !block
  return %sum : !block
}

// Not where the place of an operand may be overwritten in between, nor where the
// product is wanted alone.
// CHECK-LABEL: func.func @accumulate_not
// CHECK: sm.gemm
// CHECK: sm.release
// CHECK: arith.addf
// CHECK: sm.gemm
// CHECK: arith.addf
func.func @accumulate_not(%a: tensor<16x16xf16, #acc>, %b: !sm.buf<16, 16, f16>, %x: !block,
                          %ring: !sm.ring<2 of !sm.buf<16, 16, f16>>, %at: !sm.cursor) -> (!block, !block, !block) {
  %none = arith.constant dense<0.0> : !block
  %product = sm.gemm %a, %b acc(%none) : tensor<16x16xf16, #acc>, !sm.buf<16, 16, f16> -> !block
  sm.release %ring, %at : !sm.ring<2 of !sm.buf<16, 16, f16>>
  %sum = arith.addf %x, %product : !block
  %other = sm.gemm %a, %b acc(%none) : tensor<16x16xf16, #acc>, !sm.buf<16, 16, f16> -> !block
  %both = arith.addf %x, %other : !block
  return %sum, %other, %both : !block, !block, !block
}

// Rows are kept by a factor of 1, so that an element is scaled and chosen once.
// CHECK-LABEL: func.func @rescale
// CHECK-SAME: (%[[X:.+]]: tensor<16x16xf32, #{{.+}}>, %[[KEPT:.+]]: tensor<16xi1, #{{.+}}>, %[[NEW:.+]]: tensor<16xi1, #{{.+}}>, %[[F:.+]]: tensor<16xf32, #{{.+}}>)
// CHECK-DAG: %[[ONE:.+]] = arith.constant dense<1.000000e+00> : tensor<16xf32
// CHECK-DAG: %[[YES:.+]] = arith.constant dense<true> : tensor<16xi1
// CHECK-DAG: %[[NONE:.+]] = arith.constant dense<0.000000e+00> : tensor<16x16xf32
// CHECK: %[[CHOSEN:.+]] = arith.select %[[KEPT]], %[[ONE]], %[[F]] : tensor<16xi1
// CHECK: %[[WIDE:.+]] = sm.expand %[[CHOSEN]] along 1
// CHECK: %[[SCALED:.+]] = arith.mulf %[[X]], %[[WIDE]]
// CHECK: %[[OTHERS:.+]] = arith.xori %[[KEPT]], %[[YES]]
// CHECK: %[[BEGUN:.+]] = arith.andi %[[NEW]], %[[OTHERS]]
// CHECK: %[[MASK:.+]] = sm.expand %[[BEGUN]] along 1
// CHECK: %[[R:.+]] = arith.select %[[MASK]], %[[NONE]], %[[SCALED]]
// CHECK: return %[[R]]
func.func @rescale(%x: !block, %isKept: tensor<16xi1, #row>, %isNew: tensor<16xi1, #row>,
                   %factor: tensor<16xf32, #row>) -> !block {
  %none = arith.constant dense<0.0> : !block
  %kept = sm.expand %isKept along 1 : tensor<16xi1, #row> -> !flags
  %new = sm.expand %isNew along 1 : tensor<16xi1, #row> -> !flags
  %wide = sm.expand %factor along 1 : tensor<16xf32, #row> -> !block
  %scaled = arith.mulf %x, %wide : !block
  %begun = arith.select %new, %none, %scaled : !flags, !block
  %result = arith.select %kept, %x, %begun : !flags, !block
  return %result : !block
}

// CHECK-LABEL: func.func @divide
// CHECK-SAME: (%[[X:.+]]: tensor<16x16xf32, #{{.+}}>, %[[L:.+]]: tensor<16xf32, #{{.+}}>)
// CHECK-DAG: %[[QUARTER:.+]] = arith.constant dense<2.500000e-01> : tensor<16x16xf32
// CHECK-DAG: %[[ONE:.+]] = arith.constant dense<1.000000e+00> : tensor<16xf32
// CHECK-DAG: %[[ZERO:.+]] = arith.constant dense<0.000000e+00>
// CHECK: %[[INVERSE:.+]] = arith.divf %[[ONE]], %[[L]] : tensor<16xf32
// CHECK: %[[WIDE:.+]] = sm.expand %[[INVERSE]] along 1
// CHECK: arith.mulf %[[X]], %[[WIDE]]
// CHECK: arith.mulf %[[X]], %[[QUARTER]]
// CHECK: arith.divf %[[X]], %[[ZERO]]
func.func @divide(%x: !block, %l: tensor<16xf32, #row>) -> (!block, !block, !block) {
  %four = arith.constant dense<4.0> : !block
  %zero = arith.constant dense<0.0> : !block
  %wide = sm.expand %l along 1 : tensor<16xf32, #row> -> !block
  %a = arith.divf %x, %wide : !block
  %b = arith.divf %x, %four : !block
  %c = arith.divf %x, %zero : !block
  return %a, %b, %c : !block, !block, !block
}

// A mask is applied where it is computed, each time anew; what is behind it is
// computed from the masked block, so that the other one ends there.
// CHECK-LABEL: func.func @sink
// CHECK-SAME: (%[[PART:.+]]: i1, %[[S:.+]]: tensor<16x16xf32, #{{.+}}>, %[[LIMIT:[^:]+]]: {{.+}})
// CHECK-NOT: scf.if {{.+}} xi1
// CHECK: %[[MASKED:.+]] = scf.if %[[PART]] -> (tensor<16x16xf32
// CHECK:   %[[M:.+]] = arith.cmpi sle
// CHECK:   %[[R:.+]] = arith.select %[[M]], %[[S]],
// CHECK:   scf.yield %[[R]]
// CHECK: } else {
// CHECK:   scf.yield %[[S]]
// CHECK: }
// CHECK: sm.reduce maximum %[[MASKED]]
// CHECK: %[[E:.+]] = math.exp %[[MASKED]]
// CHECK: %[[P:.+]] = scf.if %[[PART]] -> (tensor<16x16xf32
// CHECK:   %[[M:.+]] = arith.cmpi sle
// CHECK:   arith.select %[[M]], %[[E]],
// CHECK: } else {
// CHECK:   scf.yield %[[E]]
// CHECK: }
// CHECK: return %{{.+}}, %[[P]]
func.func @sink(%part: i1, %s: !block, %limit: tensor<16xi32, #row>)
    -> (tensor<16xf32, #sm.partial<maximum, 1, #acc>>, !block) {
  %zero = arith.constant 0 : index
  %all = arith.constant dense<true> : !flags
  %low = arith.constant dense<0xFF800000> : !block
  %none = arith.constant dense<0.0> : !block
  %mask = scf.if %part -> (!flags) {
    %col = sm.coord %zero : tensor<16xi32, #col>
    %cols = sm.expand %col along 0 : tensor<16xi32, #col> -> tensor<16x16xi32, #acc>
    %rows = sm.expand %limit along 1 : tensor<16xi32, #row> -> tensor<16x16xi32, #acc>
    %in = arith.cmpi sle, %cols, %rows : tensor<16x16xi32, #acc>
    scf.yield %in : !flags
  } else {
    scf.yield %all : !flags
  }
  %masked = arith.select %mask, %s, %low : !flags, !block
  %top = sm.reduce maximum %masked along 1 : !block -> tensor<16xf32, #sm.partial<maximum, 1, #acc>>
  %e = math.exp %s : !block
  %p = arith.select %mask, %e, %none : !flags, !block
  return %top, %p : tensor<16xf32, #sm.partial<maximum, 1, #acc>>, !block
}

// What a mask hides from one reader, another one may see.
// CHECK-LABEL: func.func @seen
// CHECK-SAME: (%{{.+}}: i1, %[[S:.+]]: tensor<16x16xf32, #{{.+}}>,
// CHECK: scf.if
// CHECK: math.exp %[[S]]
func.func @seen(%part: i1, %s: !block, %flags: !flags) -> (!block, !block, !block) {
  %all = arith.constant dense<true> : !flags
  %none = arith.constant dense<0.0> : !block
  %mask = scf.if %part -> (!flags) {
    scf.yield %flags : !flags
  } else {
    scf.yield %all : !flags
  }
  %masked = arith.select %mask, %s, %none : !flags, !block
  %e = math.exp %s : !block
  %p = arith.select %mask, %e, %none : !flags, !block
  return %masked, %p, %e : !block, !block, !block
}

// What rows subtract is scaled to base 2 per row: a multiply-add for each element.
// CHECK-LABEL: func.func @exponential
// CHECK-SAME: (%[[X:.+]]: tensor<16x16xf32, #{{.+}}>, %[[M:.+]]: tensor<16xf32, #{{.+}}>)
// CHECK-DAG: %[[LOG2E:.+]] = arith.constant dense<1.44269502> : tensor<16x16xf32
// CHECK-DAG: %[[MINUS:.+]] = arith.constant dense<-1.44269502> : tensor<16xf32
// CHECK: %[[SCALED:.+]] = arith.mulf %[[M]], %[[MINUS]]
// CHECK: %[[WIDE:.+]] = sm.expand %[[SCALED]] along 1
// CHECK: %[[E:.+]] = math.fma %[[X]], %[[LOG2E]], %[[WIDE]]
// CHECK: %[[P:.+]] = math.exp2 %[[E]]
// CHECK: return %[[P]]
func.func @exponential(%x: !block, %m: tensor<16xf32, #row>) -> !block {
  %wide = sm.expand %m along 1 : tensor<16xf32, #row> -> !block
  %d = arith.subf %x, %wide : !block
  %p = math.exp %d : !block
  return %p : !block
}

// And of rows, so that both round in the same way.
// CHECK-LABEL: func.func @exponential_of_rows
// CHECK-SAME: (%[[M:.+]]: tensor<16xf32, #{{.+}}>, %[[N:.+]]: tensor<16xf32, #{{.+}}>)
// CHECK-DAG: %[[A:.+]] = arith.mulf %[[M]], %{{.+}}
// CHECK-DAG: %[[B:.+]] = arith.mulf %[[N]], %{{.+}}
// CHECK: %[[E:.+]] = arith.addf %[[A]], %[[B]]
// CHECK: math.exp2 %[[E]]
func.func @exponential_of_rows(%m: tensor<16xf32, #row>, %n: tensor<16xf32, #row>) -> tensor<16xf32, #row> {
  %d = arith.subf %m, %n : tensor<16xf32, #row>
  %p = math.exp %d : tensor<16xf32, #row>
  return %p : tensor<16xf32, #row>
}

// Elements of their own on both sides: nothing is shared.
// CHECK-LABEL: func.func @exponential_not
// CHECK: arith.subf
// CHECK: math.exp %
func.func @exponential_not(%x: !block, %y: !block) -> !block {
  %d = arith.subf %x, %y : !block
  %p = math.exp %d : !block
  return %p : !block
}
