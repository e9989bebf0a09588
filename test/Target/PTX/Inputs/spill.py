"""Prints a kernel that keeps 64 loaded values alive in 32 registers."""

COUNT = 64
print(
    "llvm.func @spill(%p: !llvm.ptr<1>) attributes"
    " {nvvm.kernel, nvvm.reqntid = array<i32: 32>, nvvm.maxnreg = 32 : i32} {"
)
for i in range(COUNT):
    print(f"  %a{i} = llvm.getelementptr %p[{i}] : (!llvm.ptr<1>) -> !llvm.ptr<1>, i32")
    print(f"  %v{i} = llvm.load volatile %a{i} : !llvm.ptr<1> -> i32")
print("  nvvm.barrier")
for i in range(COUNT):
    print(f"  llvm.store volatile %v{i}, %a{COUNT - 1 - i} : i32, !llvm.ptr<1>")
print("  llvm.return")
print("}")
