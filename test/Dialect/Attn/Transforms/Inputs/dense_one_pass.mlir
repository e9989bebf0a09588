// Softmax attention in one pass over m1: cascade 5 of FuseMax (arXiv:2406.10491)
// with guards, its merge, and the deferred division behind the fold.
func.func @dense(%q: tensor<2x128x8x64xf16>, %k: tensor<2x256x8x64xf16>, %v: tensor<2x256x8x64xf16>) -> tensor<2x128x8x64xf32> {
  %c4 = arith.constant 4 : index
  %ninf = arith.constant 0xFF800000 : f32
  %zero = arith.constant 0.000000e+00 : f32
  %o = attn.cascade ranks(b, h, p, m1, m0, e, f) -> tensor<2x128x8x64xf32> {
    %s:3 = attn.fold over m1 to %c4 state(%rm[b, h, p] = %ninf, %rd[b, h, p] = %zero, %rnv[b, p, h, f] = %zero)
        : tensor<2x8x128xf32>, tensor<2x8x128xf32>, tensor<2x128x8x64xf32> step {
      %bqk = attn.einsum %q[b, p, h, e], %k[b, m1 * 64 + m0, h, e] -> [b, h, p, m0] reduce add(e)
        : (tensor<2x128x8x64xf16>, tensor<2x256x8x64xf16>) -> tensor<2x8x128x64xf32>
      %lm = attn.einsum %bqk[b, h, p, m0] -> [b, h, p] reduce max(m0) : (tensor<2x8x128x64xf32>) -> tensor<2x8x128xf32>
      %rm1 = attn.einsum %rm[b, h, p], %lm[b, h, p] -> [b, h, p]
        : (tensor<2x8x128xf32>, tensor<2x8x128xf32>) -> tensor<2x8x128xf32> {
      ^bb0(%a: f32, %x: f32):
        %y = arith.maximumf %a, %x : f32
        attn.yield %y : f32
      }
      %sln = attn.einsum %bqk[b, h, p, m0], %rm1[b, h, p] -> [b, h, p, m0]
        : (tensor<2x8x128x64xf32>, tensor<2x8x128xf32>) -> tensor<2x8x128x64xf32> {
      ^bb0(%a: f32, %x: f32):
        %d = arith.subf %a, %x : f32
        %y = math.exp %d : f32
        attn.yield %y : f32
      }
      %sld = attn.einsum %sln[b, h, p, m0] -> [b, h, p] reduce add(m0) : (tensor<2x8x128x64xf32>) -> tensor<2x8x128xf32>
      %prm = attn.einsum %rm[b, h, p], %rm1[b, h, p] -> [b, h, p]
        : (tensor<2x8x128xf32>, tensor<2x8x128xf32>) -> tensor<2x8x128xf32> {
      ^bb0(%a: f32, %x: f32):
        %d = arith.subf %a, %x : f32
        %y = math.exp %d : f32
        attn.yield %y : f32
      }
      %rd1 = attn.einsum %rd[b, h, p], %sld[b, h, p], %prm[b, h, p], %rm[b, h, p], %rm1[b, h, p] -> [b, h, p]
        : (tensor<2x8x128xf32>, tensor<2x8x128xf32>, tensor<2x8x128xf32>, tensor<2x8x128xf32>, tensor<2x8x128xf32>) -> tensor<2x8x128xf32> {
      ^bb0(%t: f32, %x: f32, %f: f32, %c: f32, %c1: f32):
        %h = arith.mulf %t, %f : f32
        %same = arith.cmpf oeq, %c, %c1 : f32
        %empty = arith.cmpf oeq, %c, %ninf : f32
        %g = arith.select %empty, %zero, %h : f32
        %z = arith.select %same, %t, %g : f32
        %y = arith.addf %z, %x : f32
        attn.yield %y : f32
      }
      %slnv = attn.einsum %sln[b, h, p, m0], %v[b, m1 * 64 + m0, h, f] -> [b, p, h, f] reduce add(m0)
        : (tensor<2x8x128x64xf32>, tensor<2x256x8x64xf16>) -> tensor<2x128x8x64xf32>
      %rnv1 = attn.einsum %rnv[b, p, h, f], %slnv[b, p, h, f], %prm[b, h, p], %rm[b, h, p], %rm1[b, h, p] -> [b, p, h, f]
        : (tensor<2x128x8x64xf32>, tensor<2x128x8x64xf32>, tensor<2x8x128xf32>, tensor<2x8x128xf32>, tensor<2x8x128xf32>) -> tensor<2x128x8x64xf32> {
      ^bb0(%t: f32, %x: f32, %f: f32, %c: f32, %c1: f32):
        %h = arith.mulf %t, %f : f32
        %same = arith.cmpf oeq, %c, %c1 : f32
        %empty = arith.cmpf oeq, %c, %ninf : f32
        %g = arith.select %empty, %zero, %h : f32
        %z = arith.select %same, %t, %g : f32
        %y = arith.addf %z, %x : f32
        attn.yield %y : f32
      }
      attn.yield %rm1, %rd1, %rnv1 : tensor<2x8x128xf32>, tensor<2x8x128xf32>, tensor<2x128x8x64xf32>
    } merge(%ma, %da, %na) with(%mb, %db, %nb) {
      %mm = attn.einsum %ma[b, h, p], %mb[b, h, p] -> [b, h, p]
        : (tensor<2x8x128xf32>, tensor<2x8x128xf32>) -> tensor<2x8x128xf32> {
      ^bb0(%a: f32, %x: f32):
        %y = arith.maximumf %a, %x : f32
        attn.yield %y : f32
      }
      %ka = attn.einsum %ma[b, h, p], %mm[b, h, p] -> [b, h, p]
        : (tensor<2x8x128xf32>, tensor<2x8x128xf32>) -> tensor<2x8x128xf32> {
      ^bb0(%a: f32, %x: f32):
        %d = arith.subf %a, %x : f32
        %y = math.exp %d : f32
        attn.yield %y : f32
      }
      %kb = attn.einsum %mb[b, h, p], %mm[b, h, p] -> [b, h, p]
        : (tensor<2x8x128xf32>, tensor<2x8x128xf32>) -> tensor<2x8x128xf32> {
      ^bb0(%a: f32, %x: f32):
        %d = arith.subf %a, %x : f32
        %y = math.exp %d : f32
        attn.yield %y : f32
      }
      %dd = attn.einsum %da[b, h, p], %db[b, h, p], %ka[b, h, p], %kb[b, h, p], %ma[b, h, p], %mb[b, h, p], %mm[b, h, p] -> [b, h, p]
        : (tensor<2x8x128xf32>, tensor<2x8x128xf32>, tensor<2x8x128xf32>, tensor<2x8x128xf32>, tensor<2x8x128xf32>, tensor<2x8x128xf32>, tensor<2x8x128xf32>) -> tensor<2x8x128xf32> {
      ^bb0(%ta: f32, %tb: f32, %fa: f32, %fb: f32, %ca: f32, %cb: f32, %c1: f32):
        %ha = arith.mulf %ta, %fa : f32
        %same_a = arith.cmpf oeq, %ca, %c1 : f32
        %empty_a = arith.cmpf oeq, %ca, %ninf : f32
        %ga = arith.select %empty_a, %zero, %ha : f32
        %za = arith.select %same_a, %ta, %ga : f32
        %hb = arith.mulf %tb, %fb : f32
        %same_b = arith.cmpf oeq, %cb, %c1 : f32
        %empty_b = arith.cmpf oeq, %cb, %ninf : f32
        %gb = arith.select %empty_b, %zero, %hb : f32
        %zb = arith.select %same_b, %tb, %gb : f32
        %y = arith.addf %za, %zb : f32
        attn.yield %y : f32
      }
      %nn = attn.einsum %na[b, p, h, f], %nb[b, p, h, f], %ka[b, h, p], %kb[b, h, p], %ma[b, h, p], %mb[b, h, p], %mm[b, h, p] -> [b, p, h, f]
        : (tensor<2x128x8x64xf32>, tensor<2x128x8x64xf32>, tensor<2x8x128xf32>, tensor<2x8x128xf32>, tensor<2x8x128xf32>, tensor<2x8x128xf32>, tensor<2x8x128xf32>) -> tensor<2x128x8x64xf32> {
      ^bb0(%ta: f32, %tb: f32, %fa: f32, %fb: f32, %ca: f32, %cb: f32, %c1: f32):
        %ha = arith.mulf %ta, %fa : f32
        %same_a = arith.cmpf oeq, %ca, %c1 : f32
        %empty_a = arith.cmpf oeq, %ca, %ninf : f32
        %ga = arith.select %empty_a, %zero, %ha : f32
        %za = arith.select %same_a, %ta, %ga : f32
        %hb = arith.mulf %tb, %fb : f32
        %same_b = arith.cmpf oeq, %cb, %c1 : f32
        %empty_b = arith.cmpf oeq, %cb, %ninf : f32
        %gb = arith.select %empty_b, %zero, %hb : f32
        %zb = arith.select %same_b, %tb, %gb : f32
        %y = arith.addf %za, %zb : f32
        attn.yield %y : f32
      }
      attn.yield %mm, %dd, %nn : tensor<2x8x128xf32>, tensor<2x8x128xf32>, tensor<2x128x8x64xf32>
    }
    %av = attn.einsum %s#2[b, p, h, f], %s#1[b, h, p] -> [b, p, h, f]
      : (tensor<2x128x8x64xf32>, tensor<2x8x128xf32>) -> tensor<2x128x8x64xf32> {
    ^bb0(%n: f32, %d: f32):
      %q0 = arith.divf %n, %d : f32
      %z0 = arith.constant 0.000000e+00 : f32
      %none = arith.cmpf oeq, %n, %z0 : f32
      %y = arith.select %none, %n, %q0 : f32
      attn.yield %y : f32
    }
    attn.yield %av : tensor<2x128x8x64xf32>
  }
  return %o : tensor<2x128x8x64xf32>
}
