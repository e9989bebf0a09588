// DEFINE: %{npy} = %python %src_root/test/Tools/attn-run/Inputs/npy.py
// DEFINE: %{reference} = attn-run %s --device=reference --print
// DEFINE: %{cpu} = attn-run %s --device=cpu --print
// DEFINE: %{sim} = attn-run %s --device=sim --print
// RUN: rm -rf %t && mkdir %t && cd %t
// RUN: %{npy} x.npy '<f4' 5x5 --values=2,2,2,2,2,3,3,3,3,3,5,5,5,5,5,7,7,7,7,7,9,9,9,9,9
// RUN: %{npy} doc.npy '<i4' 5 --values=1,2,1,1,2
// RUN: %{npy} len.npy '<i4' 5 --values=2,3,4,9,9
// RUN: %{npy} one.npy '<i4' 1
// RUN: %{npy} line.npy '<f4' 8 --values=1,2,3,4,5,6,7,8
// RUN: %{npy} fractions.npy '<f4' 3 --values=2049,2.9,-3.5

// RUN: %{reference} --entry=absent_data --arg=x.npy --arg=doc.npy --arg=3 | FileCheck %s --check-prefix=DATA
// RUN: %{cpu} --entry=absent_data --arg=x.npy --arg=doc.npy --arg=3 | FileCheck %s --check-prefix=DATA
// RUN: %{sim} --entry=absent_data --arg=x.npy --arg=doc.npy --arg=3 | FileCheck %s --check-prefix=DATA
// RUN: %{reference} --entry=absent_symbol --arg=x.npy --arg=len.npy --arg=2 | FileCheck %s --check-prefix=SYMBOL
// RUN: %{cpu} --entry=absent_symbol --arg=x.npy --arg=len.npy --arg=2 | FileCheck %s --check-prefix=SYMBOL
// RUN: %{sim} --entry=absent_symbol --arg=x.npy --arg=len.npy --arg=2 | FileCheck %s --check-prefix=SYMBOL
// RUN: %{npy} long.npy '<i4' 200
// RUN: %{npy} lens.npy '<i4' 3 --values=3,60,7
// RUN: %{reference} --entry=absent_in_fold --arg=rand:3x70x16:1 --arg=rand:3x200x16:2 --arg=long.npy --arg=lens.npy --arg=45 --arg=62 --arg=2 --out=fold.npy > %t/fold.txt
// RUN: FileCheck %s --input-file=fold.txt --check-prefix=FOLD
// RUN: %{cpu} --entry=absent_in_fold --arg=rand:3x70x16:1 --arg=rand:3x200x16:2 --arg=long.npy --arg=lens.npy --arg=45 --arg=62 --arg=2 --expect=fold.npy --stats=fold.json > %t/fold.txt
// RUN: %{sim} --entry=absent_in_fold --arg=rand:3x70x16:1 --arg=rand:3x200x16:2 --arg=long.npy --arg=lens.npy --arg=45 --arg=62 --arg=2 --expect=fold.npy > %t/fold.txt
// RUN: FileCheck %s --input-file=fold.txt --check-prefix=FOLD
// RUN: FileCheck %s --input-file=fold.json --check-prefix=FOLDED
// RUN: %{reference} --entry=names --arg=zeros:2x5 --arg=len.npy | FileCheck %s --check-prefix=NAMES
// RUN: %{cpu} --entry=names --arg=zeros:2x5 --arg=len.npy | FileCheck %s --check-prefix=NAMES
// RUN: %{sim} --entry=names --arg=zeros:2x5 --arg=len.npy | FileCheck %s --check-prefix=NAMES
// RUN: not %{reference} --entry=names --arg=zeros:2x5 --arg=one.npy 2>&1 | FileCheck %s --check-prefix=SHORT
// RUN: not %{cpu} --entry=names --arg=zeros:2x5 --arg=one.npy 2>&1 | FileCheck %s --check-prefix=SHORT

// RUN: %{reference} --entry=division --arg=line.npy --arg=3 | FileCheck %s --check-prefix=DIVISION
// RUN: %{cpu} --entry=division --arg=line.npy --arg=3 | FileCheck %s --check-prefix=DIVISION
// RUN: %{sim} --entry=division --arg=line.npy --arg=3 | FileCheck %s --check-prefix=DIVISION
// RUN: %{reference} --entry=odd --arg=line.npy --arg=1 | FileCheck %s --check-prefix=ODD
// RUN: %{cpu} --entry=odd --arg=line.npy --arg=1 | FileCheck %s --check-prefix=ODD
// RUN: %{sim} --entry=odd --arg=line.npy --arg=1 | FileCheck %s --check-prefix=ODD
// RUN: %{reference} --entry=equality --arg=line.npy --arg=1 | FileCheck %s --check-prefix=EQUALITY
// RUN: %{cpu} --entry=equality --arg=line.npy --arg=1 | FileCheck %s --check-prefix=EQUALITY
// RUN: %{sim} --entry=equality --arg=line.npy --arg=1 | FileCheck %s --check-prefix=EQUALITY
// RUN: %{reference} --entry=two_rounds --arg=x.npy --arg=doc.npy --arg=4 | FileCheck %s --check-prefix=ROUNDS2
// RUN: %{cpu} --entry=two_rounds --arg=x.npy --arg=doc.npy --arg=4 | FileCheck %s --check-prefix=ROUNDS2
// RUN: %{sim} --entry=two_rounds --arg=x.npy --arg=doc.npy --arg=4 | FileCheck %s --check-prefix=ROUNDS2
// RUN: %{reference} --entry=flagged --arg=line.npy --arg=doc.npy --arg=5 | FileCheck %s --check-prefix=FLAGGED
// RUN: %{cpu} --entry=flagged --arg=line.npy --arg=doc.npy --arg=5 | FileCheck %s --check-prefix=FLAGGED
// RUN: %{sim} --entry=flagged --arg=line.npy --arg=doc.npy --arg=5 | FileCheck %s --check-prefix=FLAGGED
// RUN: %{reference} --entry=triangle --arg=x.npy --arg=doc.npy | FileCheck %s --check-prefix=TRIANGLE
// RUN: %{cpu} --entry=triangle --arg=x.npy --arg=doc.npy | FileCheck %s --check-prefix=TRIANGLE
// RUN: %{sim} --entry=triangle --arg=x.npy --arg=doc.npy | FileCheck %s --check-prefix=TRIANGLE
// RUN: %{reference} --entry=after_bare --arg=x.npy --arg=doc.npy | FileCheck %s --check-prefix=AFTER
// RUN: %{cpu} --entry=after_bare --arg=x.npy --arg=doc.npy | FileCheck %s --check-prefix=AFTER
// RUN: %{sim} --entry=after_bare --arg=x.npy --arg=doc.npy | FileCheck %s --check-prefix=AFTER
// RUN: %{reference} --entry=no_limit --arg=line.npy --arg=3 | FileCheck %s --check-prefix=NOLIMIT
// RUN: %{cpu} --entry=no_limit --arg=line.npy --arg=3 | FileCheck %s --check-prefix=NOLIMIT
// RUN: %{sim} --entry=no_limit --arg=line.npy --arg=3 | FileCheck %s --check-prefix=NOLIMIT
// RUN: not %{reference} --entry=triangle --arg=zeros:3x3 --arg=doc.npy 2>&1 | FileCheck %s --check-prefix=DISAGREE
// RUN: not %{cpu} --entry=triangle --arg=zeros:3x3 --arg=doc.npy 2>&1 | FileCheck %s --check-prefix=DISAGREE

// RUN: %{reference} --entry=rounds --arg=fractions.npy --arg=zeros:3 --out-arg=1:reference.npy | FileCheck %s --check-prefixes=ROUNDS,EXACT
// RUN: %{cpu} --entry=rounds --arg=fractions.npy --arg=zeros:3 --out-arg=1:cpu.npy | FileCheck %s --check-prefixes=ROUNDS,ROUNDED
// RUN: %{sim} --entry=rounds --arg=fractions.npy --arg=zeros:3 --out-arg=1:sim.npy | FileCheck %s --check-prefixes=ROUNDS,ROUNDED
// RUN: %{reference} --entry=widen --arg=reference.npy | FileCheck %s --check-prefix=PLACED
// RUN: %{cpu} --entry=widen --arg=cpu.npy | FileCheck %s --check-prefix=PLACED
// RUN: %{sim} --entry=widen --arg=sim.npy | FileCheck %s --check-prefix=PLACED
// RUN: %{reference} --entry=empty --arg=zeros:2 | FileCheck %s --check-prefix=EMPTY
// RUN: not %{cpu} --entry=empty --arg=zeros:2 2>&1 | FileCheck %s --check-prefix=NOEMPTY
// A device gives rules of the specification another meaning than the reference, or than the text, if this fails.

// Where the element of a data term is absent the point is absent: columns 3 and
// 4 of the view. The constraint of the view, m < n, names m only: a reduction
// over p hands it on.
// DATA: result #0: {{f..}} 5x5
// DATA-NEXT: [2, 0, 2, 0, 0]
// DATA-NEXT: [0, 3, 0, 0, 0]
// DATA-NEXT: [5, 0, 5, 0, 0]
// DATA-NEXT: [7, 0, 7, 0, 0]
// DATA-NEXT: [0, 9, 0, 0, 0]
// DATA-NEXT: result #1: {{f..}} 5
// DATA-NEXT: [4, 3, 10, 14, 9]
// DATA-NEXT: result #2: {{f..}} 5
// DATA-NEXT: [70, 27, 70, 0, 0]
func.func @absent_data(%x: tensor<?x?xf32>, %doc: tensor<?xi32>, %n: index)
    -> (tensor<?x?xf32>, tensor<?xf32>, tensor<?xf32>) {
  %d = attn.view (m) symbols(n = %n) where (m < n) of %doc[m] : (tensor<?xi32>, index) -> tensor<5xi32>
  %o:3 = attn.cascade ranks(p, m) -> (tensor<?x?xf32>, tensor<?xf32>, tensor<?xf32>) {
    %y = attn.einsum %x[p, m] -> [p, m] where %doc[p] == %d[m]
        : (tensor<?x?xf32>, tensor<?xi32>, tensor<5xi32>) -> tensor<?x?xf32>
    %s = attn.einsum %y[p, m] -> [p] reduce add(m) : (tensor<?x?xf32>) -> tensor<?xf32>
    %t = attn.einsum %y[p, m] -> [m] reduce mul(p) : (tensor<?x?xf32>) -> tensor<?xf32>
    attn.yield %y, %s, %t : tensor<?x?xf32>, tensor<?xf32>, tensor<?xf32>
  }
  return %o#0, %o#1, %o#2 : tensor<?x?xf32>, tensor<?xf32>, tensor<?xf32>
}

// A symbol that is absent, that of rows 2 to 4, makes the point absent, and that
// b < n is handed on by a reduction over m; so the rows are 0 and no product of
// nothing.
// SYMBOL: result #0: {{f..}} 5x5
// SYMBOL-NEXT: [2, 2, 0, 0, 0]
// SYMBOL-NEXT: [3, 3, 3, 0, 0]
// SYMBOL-NEXT: [0, 0, 0, 0, 0]
// SYMBOL-NEXT: [0, 0, 0, 0, 0]
// SYMBOL-NEXT: [0, 0, 0, 0, 0]
// SYMBOL-NEXT: result #1: {{f..}} 5
// SYMBOL-NEXT: [4, 27, 0, 0, 0]
func.func @absent_symbol(%x: tensor<?x?xf32>, %len: tensor<?xi32>, %n: index)
    -> (tensor<?x?xf32>, tensor<?xf32>) {
  %l = attn.view (b) symbols(n = %n) where (b < n) of %len[b] : (tensor<?xi32>, index) -> tensor<5xi32>
  %o:2 = attn.cascade ranks(b, m) -> (tensor<?x?xf32>, tensor<?xf32>) {
    %y = attn.einsum %x[b, m] -> [b, m] symbols(l = %l[b]) where (m < l)
        : (tensor<?x?xf32>, tensor<5xi32>) -> tensor<?x?xf32>
    %s = attn.einsum %y[b, m] -> [b] reduce mul(m) : (tensor<?x?xf32>) -> tensor<?xf32>
    attn.yield %y, %s : tensor<?x?xf32>, tensor<?xf32>
  }
  return %o#0, %o#1 : tensor<?x?xf32>, tensor<?xf32>
}

// The same inside of a fold. Row p sees key p only, and that if p < n and
// p <= len[b] + more: 49 rows of request 0 and 62 of request 1. For request 2 there
// is no length.
// FOLD-COUNT-49: {{^}}[{{.*[1-9].*}}]
// FOLD-COUNT-21: {{^}}[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
// FOLD-COUNT-62: {{^}}[{{.*[1-9].*}}]
// FOLD-COUNT-78: {{^}}[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
// FOLDED: "folds": 1,
func.func @absent_in_fold(%q: tensor<3x?x16xf32>, %k: tensor<3x?x16xf32>, %doc: tensor<?xi32>,
                          %len: tensor<?xi32>, %more: index, %n: index, %c: index)
    -> tensor<3x?x16xf32> {
  %d = attn.view (m) symbols(n = %n) where (m < n) of %doc[m] : (tensor<?xi32>, index) -> tensor<200xi32>
  %l = attn.view (b) symbols(c = %c) where (b < c) of %len[b] : (tensor<?xi32>, index) -> tensor<3xi32>
  %o = attn.cascade ranks(b, p, m, e, f) -> tensor<3x?x16xf32> {
    %y = attn.einsum %q[b, p, e], %k[b, m, e] -> [b, p, m] reduce add(e)
        symbols(l = %l[b], more = %more) where (m <= l + more) and %doc[p] == %d[m]
        : (tensor<3x?x16xf32>, tensor<3x?x16xf32>, tensor<3xi32>, index, tensor<?xi32>,
           tensor<200xi32>) -> tensor<3x?x?xf32>
    %s = attn.einsum %y[b, p, m], %k[b, m, f] -> [b, p, f] reduce add(m)
        : (tensor<3x?x?xf32>, tensor<3x?x16xf32>) -> tensor<3x?x16xf32>
    attn.yield %s : tensor<3x?x16xf32>
  }
  return %o : tensor<3x?x16xf32>
}

// m < len[b] names b: a product over b drops it, and a column without a row is
// the unit. len has three elements more than there are rows; one less is wrong.
// NAMES: result #0: {{f..}} 5
// NAMES-NEXT: [0, 0, 0, 1, 1]
// NAMES-NEXT: result #1: {{f..}} 2
// NAMES-NEXT: [0, 0]
// SHORT: expects at least the extent 2 of rank 'b' in axis 0 of argument #1, but got 1
func.func @names(%x: tensor<?x?xf32>, %len: tensor<?xi32>) -> (tensor<?xf32>, tensor<?xf32>) {
  %o:2 = attn.cascade ranks(b, m) -> (tensor<?xf32>, tensor<?xf32>) {
    %y = attn.einsum %x[b, m] -> [b, m] symbols(l = %len[b]) where (m < l)
        : (tensor<?x?xf32>, tensor<?xi32>) -> tensor<?x?xf32>
    %t = attn.einsum %y[b, m] -> [m] reduce mul(b) : (tensor<?x?xf32>) -> tensor<?xf32>
    %u = attn.einsum %y[b, m] -> [b] reduce mul(m) : (tensor<?x?xf32>) -> tensor<?xf32>
    attn.yield %t, %u : tensor<?xf32>, tensor<?xf32>
  }
  return %o#0, %o#1 : tensor<?xf32>, tensor<?xf32>
}

// A division bounds an axis.
// DIVISION: [1, 2, 3, 4, 5, 6]{{$}}
func.func @division(%x: tensor<?xf32>, %n: index) -> tensor<?xf32> {
  %v = attn.view (m) symbols(n = %n) where (m floordiv 2 < n) of %x[m]
      : (tensor<?xf32>, index) -> tensor<?xf32>
  %o = attn.cascade ranks(m) -> tensor<?xf32> {
    %y = attn.einsum %v[m] -> [m] : (tensor<?xf32>) -> tensor<?xf32>
    attn.yield %y : tensor<?xf32>
  }
  return %o : tensor<?xf32>
}

// So does an equality.
// EQUALITY: [0, 0, 3, 4]{{$}}
func.func @equality(%x: tensor<?xf32>, %n: index) -> tensor<?xf32> {
  %v = attn.view (m) symbols(n = %n) where (m floordiv 2 == n) of %x[m]
      : (tensor<?xf32>, index) -> tensor<?xf32>
  %o = attn.cascade ranks(m) -> tensor<?xf32> {
    %y = attn.einsum %v[m] -> [m] : (tensor<?xf32>) -> tensor<?xf32>
    attn.yield %y : tensor<?xf32>
  }
  return %o : tensor<?xf32>
}

// LLVM simplifies the code of these extents in more than one round.
// ROUNDS2: result #0: {{f..}} 5x2
func.func @two_rounds(%x: tensor<?x?xf32>, %len: tensor<?xi32>, %n: index) -> tensor<?x?xf32> {
  %v = attn.view (b, p) symbols(len = %len[b], n = %n)
      where (p < len and p < len) or (p >= n and p < n) of %x[b, p]
      : (tensor<?x?xf32>, tensor<?xi32>, index) -> tensor<?x?xf32>
  %o = attn.cascade ranks(b, p) -> tensor<?x?xf32> {
    %y = attn.einsum %v[b, p] -> [b, p] : (tensor<?x?xf32>) -> tensor<?x?xf32>
    attn.yield %y : tensor<?x?xf32>
  }
  return %o : tensor<?x?xf32>
}

// A remainder bounds nothing, but the last coordinate of the domain is 3, not 4.
// ODD: [0, 2, 0, 4]{{$}}
func.func @odd(%x: tensor<?xf32>, %n: index) -> tensor<?xf32> {
  %v = attn.view (m) symbols(n = %n) where (m mod 2 == 1 and m floordiv 5 < n) of %x[m]
      : (tensor<?xf32>, index) -> tensor<?xf32>
  %o = attn.cascade ranks(m) -> tensor<?xf32> {
    %y = attn.einsum %v[m] -> [m] : (tensor<?xf32>) -> tensor<?xf32>
    attn.yield %y : tensor<?xf32>
  }
  return %o : tensor<?xf32>
}

// The same with a symbol that the axis looks up.
// FLAGGED: [1, 0, 3, 4]{{$}}
func.func @flagged(%x: tensor<?xf32>, %flag: tensor<?xi32>, %n: index) -> tensor<?xf32> {
  %v = attn.view (m) symbols(flag = %flag[m], n = %n) where (flag == 1 and m < n) of %x[m]
      : (tensor<?xf32>, tensor<?xi32>, index) -> tensor<?xf32>
  %o = attn.cascade ranks(m) -> tensor<?xf32> {
    %y = attn.einsum %v[m] -> [m] : (tensor<?xf32>) -> tensor<?xf32>
    attn.yield %y : tensor<?xf32>
  }
  return %o : tensor<?xf32>
}

// b is in no constraint: 5. p is bounded by len, m by p.
// TRIANGLE: result #0: {{f..}} 5x2
// TRIANGLE-NEXT: [2, 0]
// TRIANGLE-NEXT: [6, 3]
// TRIANGLE-NEXT: [5, 0]
// TRIANGLE-NEXT: [7, 0]
// TRIANGLE-NEXT: [18, 9]
// What b indexes bare must agree.
// DISAGREE: expects one extent of axis 'b', but got 5 from argument #1 and 3 from argument #0
func.func @triangle(%x: tensor<?x?xf32>, %len: tensor<?xi32>) -> tensor<?x?xf32> {
  %v = attn.view (b, p, m) symbols(len = %len[b]) where (m <= p and p < len) of %x[b, m]
      : (tensor<?x?xf32>, tensor<?xi32>) -> tensor<?x?x?xf32>
  %o = attn.cascade ranks(b, p, m) -> tensor<?x?xf32> {
    %one = attn.einsum %v[b, p, m] -> [b, p, m] : (tensor<?x?x?xf32>) -> tensor<?x?x?xf32>
    %y = attn.einsum %one[b, p, m] -> [b, m] reduce add(p) : (tensor<?x?x?xf32>) -> tensor<?x?xf32>
    attn.yield %y : tensor<?x?xf32>
  }
  return %o : tensor<?x?xf32>
}

// Nothing bounds b, which has constraints: 5 by what it indexes. Then m is bounded,
// by the longest request whose b the domain has: 2 pages of 2, from b = 1.
// AFTER: result #0: {{f..}} 5x4
// AFTER-NEXT: [2, 2, 0, 0]
// AFTER-NEXT: [3, 3, 3, 3]
// AFTER-NEXT: [0, 0, 0, 0]
// AFTER-NEXT: [7, 7, 0, 0]
// AFTER-NEXT: [9, 9, 9, 9]
func.func @after_bare(%x: tensor<?x?xf32>, %pages: tensor<?xi32>) -> tensor<?x?xf32> {
  %v = attn.view (b, m) symbols(n = %pages[b]) where (m floordiv 2 < n and b mod 3 <= 1) of %x[b, m]
      : (tensor<?x?xf32>, tensor<?xi32>) -> tensor<?x?xf32>
  %o = attn.cascade ranks(b, m) -> tensor<?x?xf32> {
    %y = attn.einsum %v[b, m] -> [b, m] : (tensor<?x?xf32>) -> tensor<?x?xf32>
    attn.yield %y : tensor<?x?xf32>
  }
  return %o : tensor<?x?xf32>
}

// One disjunct without a limit: the extent is that of the storage, even though
// that disjunct is empty here.
// NOLIMIT: [1, 2, 3, 0, 0, 0, 0, 0]{{$}}
func.func @no_limit(%x: tensor<?xf32>, %n: index) -> tensor<?xf32> {
  %v = attn.view (m) symbols(n = %n) where (m < n) or (m >= 0 and n == 0) of %x[m]
      : (tensor<?xf32>, index) -> tensor<?xf32>
  %o = attn.cascade ranks(m) -> tensor<?xf32> {
    %y = attn.einsum %v[m] -> [m] : (tensor<?xf32>) -> tensor<?xf32>
    attn.yield %y : tensor<?xf32>
  }
  return %o : tensor<?xf32>
}

// The reference does not round to narrow types; integers wrap everywhere, and a
// place into memory rounds.
// ROUNDS: result #0: {{f..}} 3
// EXACT-NEXT: [2049, 2.9, -3.5]
// ROUNDED-NEXT: [2048, 2.90039, -3.5]
// ROUNDS-NEXT: result #1: {{f..}} 3
// EXACT-NEXT: [2049, 2.9, -3.5]
// ROUNDED-NEXT: [2048, 2.90039, -3.5]
// ROUNDS-NEXT: result #2: {{...}} 3
// ROUNDS-NEXT: [1.07374e+09, -2.14748e+09, 1.07374e+09]
// PLACED: [2048, 2.90039, -3.5]
func.func @rounds(%x: tensor<?xf32>, %to: memref<?xf16>)
    -> (tensor<?xf32>, tensor<?xf16>, tensor<?xi32>) {
  %o:3 = attn.cascade ranks(p) -> (tensor<?xf32>, tensor<?xf16>, tensor<?xi32>) {
    %y = attn.einsum %x[p] -> [p] : (tensor<?xf32>) -> tensor<?xf32> {
    ^bb0(%a: f32):
      %h = arith.truncf %a : f32 to f16
      %w = arith.extf %h : f16 to f32
      attn.yield %w : f32
    }
    %z = attn.einsum %x[p] -> [p] : (tensor<?xf32>) -> tensor<?xf16> {
    ^bb0(%a: f32):
      %h = arith.truncf %a : f32 to f16
      attn.yield %h : f16
    }
    %i = attn.einsum %x[p] -> [p] : (tensor<?xf32>) -> tensor<?xi32> {
    ^bb0(%a: f32):
      %h = arith.fptosi %a : f32 to i32
      %big = arith.constant 1073741824 : i32
      %s = arith.muli %h, %big : i32
      attn.yield %s : i32
    }
    attn.yield %y, %z, %i : tensor<?xf32>, tensor<?xf16>, tensor<?xi32>
  }
  attn.place %o#1[p] into %to[p] : (tensor<?xf16>, memref<?xf16>) -> ()
  return %o#0, %o#1, %o#2 : tensor<?xf32>, tensor<?xf16>, tensor<?xi32>
}
func.func @widen(%x: tensor<?xf16>) -> tensor<?xf32> {
  %o = attn.cascade ranks(p) -> tensor<?xf32> {
    %y = attn.einsum %x[p] -> [p] : (tensor<?xf16>) -> tensor<?xf32>
    attn.yield %y : tensor<?xf32>
  }
  return %o : tensor<?xf32>
}

// An empty tensor shows as NaN; compiled programs cannot read one.
// EMPTY: [nan, nan]
// NOEMPTY-NOT: {{^}}loc(
// NOEMPTY: attn-run: 'tensor.empty' op cannot be compiled outside of a cascade
func.func @empty(%x: tensor<2xf32>) -> tensor<2xf32> {
  %e = tensor.empty() : tensor<2xf32>
  %o = attn.cascade ranks(p) -> tensor<2xf32> {
    %y = attn.einsum %x[p], %e[p] -> [p] : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
    attn.yield %y : tensor<2xf32>
  }
  return %o : tensor<2xf32>
}
