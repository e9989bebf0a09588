#include "attn/Dialect/Attn/IR/Attn.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/OpImplementation.h"
using namespace attn;
#define GET_OP_CLASSES
#include "attn/Dialect/Attn/IR/AttnOps.cpp.inc"
#define STUB(Op) ParseResult Op::parse(OpAsmParser &, OperationState &) { return failure(); } void Op::print(OpAsmPrinter &) {} LogicalResult Op::verify() { return success(); }
STUB(CascadeOp) STUB(EinsumOp) STUB(SelectOp) STUB(FoldOp) STUB(ViewOp) STUB(PlaceOp) STUB(CoordOp)
//x
