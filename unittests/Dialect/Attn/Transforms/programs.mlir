// Textbook programs for the property test of the rewrites. `test.shape` and
// `test.values` say what the arguments are; the others are drawn.

// Dense softmax attention; 20 keys, a multiple of no tile but 1, 4, 5, 10 and 20.
func.func @dense(%q: tensor<2x5x3x4xf16>, %k: tensor<2x20x3x4xf16>, %v: tensor<2x20x3x4xf16>, %scale: f32) -> tensor<2x5x3x4xf32> {
  %o = attn.cascade ranks(b, h, p, m, e, f) -> tensor<2x5x3x4xf32> {
    %qk = attn.einsum %q[b, p, h, e], %k[b, m, h, e], %scale -> [b, h, p, m] reduce add(e)
      : (tensor<2x5x3x4xf16>, tensor<2x20x3x4xf16>, f32) -> tensor<2x3x5x20xf32>
    %gm = attn.einsum %qk[b, h, p, m] -> [b, h, p] reduce max(m)
      : (tensor<2x3x5x20xf32>) -> tensor<2x3x5xf32>
    %sn = attn.einsum %qk[b, h, p, m], %gm[b, h, p] -> [b, h, p, m]
      : (tensor<2x3x5x20xf32>, tensor<2x3x5xf32>) -> tensor<2x3x5x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.subf %x, %y : f32
      %e = math.exp %d : f32
      attn.yield %e : f32
    }
    %sd = attn.einsum %sn[b, h, p, m] -> [b, h, p] reduce add(m)
      : (tensor<2x3x5x20xf32>) -> tensor<2x3x5xf32>
    %a = attn.einsum %sn[b, h, p, m], %sd[b, h, p] -> [b, h, p, m]
      : (tensor<2x3x5x20xf32>, tensor<2x3x5xf32>) -> tensor<2x3x5x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.divf %x, %y : f32
      attn.yield %d : f32
    }
    %av = attn.einsum %a[b, h, p, m], %v[b, m, h, f] -> [b, p, h, f] reduce add(m)
      : (tensor<2x3x5x20xf32>, tensor<2x20x3x4xf16>) -> tensor<2x5x3x4xf32>
    attn.yield %av : tensor<2x5x3x4xf32>
  }
  return %o : tensor<2x5x3x4xf32>
}

// Causal, with rows that have no key, and the log-sum-exp.
func.func @lse(%q: tensor<2x5x3x4xf16>, %k: tensor<2x?x3x4xf16> {test.shape = array<i64: 2, 19, 3, 4>}, %v: tensor<2x?x3x4xf16> {test.shape = array<i64: 2, 19, 3, 4>}, %scale: f32, %off: index {test.value = -2 : i64}) -> (tensor<2x5x3x4xf32>, tensor<2x3x5xf32>) {
  %o:2 = attn.cascade ranks(b, h, p, m, e, f) -> (tensor<2x5x3x4xf32>, tensor<2x3x5xf32>) {
    %qk = attn.einsum %q[b, p, h, e], %k[b, m, h, e], %scale -> [b, h, p, m] reduce add(e) symbols(off = %off) where (m <= p + off)
      : (tensor<2x5x3x4xf16>, tensor<2x?x3x4xf16>, f32, index) -> tensor<2x3x5x?xf32>
    %gm = attn.einsum %qk[b, h, p, m] -> [b, h, p] reduce max(m)
      : (tensor<2x3x5x?xf32>) -> tensor<2x3x5xf32>
    %sn = attn.einsum %qk[b, h, p, m], %gm[b, h, p] -> [b, h, p, m]
      : (tensor<2x3x5x?xf32>, tensor<2x3x5xf32>) -> tensor<2x3x5x?xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.subf %x, %y : f32
      %e = math.exp %d : f32
      attn.yield %e : f32
    }
    %sd = attn.einsum %sn[b, h, p, m] -> [b, h, p] reduce add(m)
      : (tensor<2x3x5x?xf32>) -> tensor<2x3x5xf32>
    %a = attn.einsum %sn[b, h, p, m], %sd[b, h, p] -> [b, h, p, m]
      : (tensor<2x3x5x?xf32>, tensor<2x3x5xf32>) -> tensor<2x3x5x?xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.divf %x, %y : f32
      attn.yield %d : f32
    }
    %av = attn.einsum %a[b, h, p, m], %v[b, m, h, f] -> [b, p, h, f] reduce add(m)
      : (tensor<2x3x5x?xf32>, tensor<2x?x3x4xf16>) -> tensor<2x5x3x4xf32>
    %lse = attn.einsum %sd[b, h, p], %gm[b, h, p] -> [b, h, p]
      : (tensor<2x3x5xf32>, tensor<2x3x5xf32>) -> tensor<2x3x5xf32> {
    ^bb0(%x: f32, %y: f32):
      %l = math.log %x : f32
      %s = arith.addf %l, %y : f32
      attn.yield %s : f32
    }
    attn.yield %av, %lse : tensor<2x5x3x4xf32>, tensor<2x3x5xf32>
  }
  return %o#0, %o#1 : tensor<2x5x3x4xf32>, tensor<2x3x5xf32>
}

// A window and two sink tokens, a cap, a learned sink logit; one request begins before its keys.
func.func @window(%q: tensor<2x5x3x4xf16>, %k: tensor<2x?x3x4xf16> {test.shape = array<i64: 2, 19, 3, 4>}, %v: tensor<2x?x3x4xf16> {test.shape = array<i64: 2, 19, 3, 4>}, %scale: f32, %sink: tensor<3xf32>, %off: tensor<2xi32> {test.values = array<i64: -3, 12>}) -> tensor<2x5x3x4xf32> {
  %cap = arith.constant 5.0 : f32
  %o = attn.cascade ranks(b, h, p, m, e, f) -> tensor<2x5x3x4xf32> {
    %qk = attn.einsum %q[b, p, h, e], %k[b, m, h, e], %scale -> [b, h, p, m] reduce add(e) symbols(off = %off[b]) where (m <= p + off and m >= p + off - 3) or (m <= 1 and m <= p + off)
      : (tensor<2x5x3x4xf16>, tensor<2x?x3x4xf16>, f32, tensor<2xi32>) -> tensor<2x3x5x?xf32>
    %sc = attn.einsum %qk[b, h, p, m] -> [b, h, p, m]
      : (tensor<2x3x5x?xf32>) -> tensor<2x3x5x?xf32> {
    ^bb0(%x: f32):
      %a = arith.divf %x, %cap : f32
      %s = math.tanh %a : f32
      %d = arith.mulf %s, %cap : f32
      attn.yield %d : f32
    }
    %gm = attn.einsum %sc[b, h, p, m] -> [b, h, p] reduce max(m)
      : (tensor<2x3x5x?xf32>) -> tensor<2x3x5xf32>
    %gms = attn.einsum %gm[b, h, p], %sink[h] -> [b, h, p]
      : (tensor<2x3x5xf32>, tensor<3xf32>) -> tensor<2x3x5xf32> {
    ^bb0(%x: f32, %y: f32):
      %s = arith.maximumf %x, %y : f32
      attn.yield %s : f32
    }
    %sn = attn.einsum %sc[b, h, p, m], %gms[b, h, p] -> [b, h, p, m]
      : (tensor<2x3x5x?xf32>, tensor<2x3x5xf32>) -> tensor<2x3x5x?xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.subf %x, %y : f32
      %e = math.exp %d : f32
      attn.yield %e : f32
    }
    %sd = attn.einsum %sn[b, h, p, m] -> [b, h, p] reduce add(m)
      : (tensor<2x3x5x?xf32>) -> tensor<2x3x5xf32>
    %sds = attn.einsum %sd[b, h, p], %gms[b, h, p], %sink[h] -> [b, h, p]
      : (tensor<2x3x5xf32>, tensor<2x3x5xf32>, tensor<3xf32>) -> tensor<2x3x5xf32> {
    ^bb0(%x: f32, %y: f32, %z: f32):
      %d = arith.subf %z, %y : f32
      %e = math.exp %d : f32
      %s = arith.addf %x, %e : f32
      attn.yield %s : f32
    }
    %a = attn.einsum %sn[b, h, p, m], %sds[b, h, p] -> [b, h, p, m]
      : (tensor<2x3x5x?xf32>, tensor<2x3x5xf32>) -> tensor<2x3x5x?xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.divf %x, %y : f32
      attn.yield %d : f32
    }
    %av = attn.einsum %a[b, h, p, m], %v[b, m, h, f] -> [b, p, h, f] reduce add(m)
      : (tensor<2x3x5x?xf32>, tensor<2x?x3x4xf16>) -> tensor<2x5x3x4xf32>
    attn.yield %av : tensor<2x5x3x4xf32>
  }
  return %o : tensor<2x5x3x4xf32>
}

// A bias by coordinate and key scales per group of four.
func.func @alibi(%q: tensor<2x5x3x4xf16>, %k: tensor<2x20x3x4xf16>, %v: tensor<2x20x3x4xf16>, %scale: f32, %slope: tensor<3xf32>, %ks: tensor<2x5x3xf32>) -> tensor<2x5x3x4xf32> {
  %o = attn.cascade ranks(b, h, p, m, e, f) -> tensor<2x5x3x4xf32> {
    %qk = attn.einsum %q[b, p, h, e], %k[b, m, h, e], %scale -> [b, h, p, m] reduce add(e)
      : (tensor<2x5x3x4xf16>, tensor<2x20x3x4xf16>, f32) -> tensor<2x3x5x20xf32>
    %sb = attn.einsum %qk[b, h, p, m], %slope[h], %ks[b, m floordiv 4, h] -> [b, h, p, m]
      : (tensor<2x3x5x20xf32>, tensor<3xf32>, tensor<2x5x3xf32>) -> tensor<2x3x5x20xf32> {
    ^bb0(%x: f32, %s: f32, %g: f32):
      %i = attn.coord m
      %c = arith.index_cast %i : index to i32
      %j = arith.sitofp %c : i32 to f32
      %y = arith.mulf %s, %j : f32
      %u = arith.mulf %x, %g : f32
      %z = arith.addf %u, %y : f32
      attn.yield %z : f32
    }
    %gm = attn.einsum %sb[b, h, p, m] -> [b, h, p] reduce max(m)
      : (tensor<2x3x5x20xf32>) -> tensor<2x3x5xf32>
    %sn = attn.einsum %sb[b, h, p, m], %gm[b, h, p] -> [b, h, p, m]
      : (tensor<2x3x5x20xf32>, tensor<2x3x5xf32>) -> tensor<2x3x5x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.subf %x, %y : f32
      %e = math.exp %d : f32
      attn.yield %e : f32
    }
    %sd = attn.einsum %sn[b, h, p, m] -> [b, h, p] reduce add(m)
      : (tensor<2x3x5x20xf32>) -> tensor<2x3x5xf32>
    %a = attn.einsum %sn[b, h, p, m], %sd[b, h, p] -> [b, h, p, m]
      : (tensor<2x3x5x20xf32>, tensor<2x3x5xf32>) -> tensor<2x3x5x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.divf %x, %y : f32
      attn.yield %d : f32
    }
    %av = attn.einsum %a[b, h, p, m], %v[b, m, h, f] -> [b, p, h, f] reduce add(m)
      : (tensor<2x3x5x20xf32>, tensor<2x20x3x4xf16>) -> tensor<2x5x3x4xf32>
    attn.yield %av : tensor<2x5x3x4xf32>
  }
  return %o : tensor<2x5x3x4xf32>
}

// Base 2, a captured factor and one per head; the first row is empty.
func.func @temperature(%q: tensor<2x5x3x4xf16>, %k: tensor<2x20x3x4xf16>, %v: tensor<2x20x3x4xf16>, %scale: f32, %temp: tensor<3xf32>) -> tensor<2x5x3x4xf32> {
  %log2e = arith.constant 1.442695 : f32
  %o = attn.cascade ranks(b, h, p, m, e, f) -> tensor<2x5x3x4xf32> {
    %qk = attn.einsum %q[b, p, h, e], %k[b, m, h, e], %scale -> [b, h, p, m] reduce add(e) where (m <= p - 1)
      : (tensor<2x5x3x4xf16>, tensor<2x20x3x4xf16>, f32) -> tensor<2x3x5x20xf32>
    %gm = attn.einsum %qk[b, h, p, m] -> [b, h, p] reduce max(m)
      : (tensor<2x3x5x20xf32>) -> tensor<2x3x5xf32>
    %sn = attn.einsum %qk[b, h, p, m], %gm[b, h, p], %temp[h] -> [b, h, p, m]
      : (tensor<2x3x5x20xf32>, tensor<2x3x5xf32>, tensor<3xf32>) -> tensor<2x3x5x20xf32> {
    ^bb0(%x: f32, %y: f32, %w: f32):
      %d = arith.subf %x, %y : f32
      %l = arith.mulf %d, %log2e : f32
      %u = arith.mulf %w, %l : f32
      %e = math.exp2 %u : f32
      attn.yield %e : f32
    }
    %sd = attn.einsum %sn[b, h, p, m] -> [b, h, p] reduce add(m)
      : (tensor<2x3x5x20xf32>) -> tensor<2x3x5xf32>
    %a = attn.einsum %sn[b, h, p, m], %sd[b, h, p] -> [b, h, p, m]
      : (tensor<2x3x5x20xf32>, tensor<2x3x5xf32>) -> tensor<2x3x5x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.divf %x, %y : f32
      attn.yield %d : f32
    }
    %av = attn.einsum %a[b, h, p, m], %v[b, m, h, f] -> [b, p, h, f] reduce add(m)
      : (tensor<2x3x5x20xf32>, tensor<2x20x3x4xf16>) -> tensor<2x5x3x4xf32>
    attn.yield %av : tensor<2x5x3x4xf32>
  }
  return %o : tensor<2x5x3x4xf32>
}

// Scores of -inf on points that are present: the first nine keys.
func.func @ninf_bias(%q: tensor<2x5x3x4xf16>, %k: tensor<2x20x3x4xf16>, %v: tensor<2x20x3x4xf16>, %scale: f32) -> tensor<2x5x3x4xf32> {
  %ten = arith.constant 9.0 : f32
  %o = attn.cascade ranks(b, h, p, m, e, f) -> tensor<2x5x3x4xf32> {
    %qk = attn.einsum %q[b, p, h, e], %k[b, m, h, e], %scale -> [b, h, p, m] reduce add(e)
      : (tensor<2x5x3x4xf16>, tensor<2x20x3x4xf16>, f32) -> tensor<2x3x5x20xf32>
    %sb = attn.einsum %qk[b, h, p, m] -> [b, h, p, m]
      : (tensor<2x3x5x20xf32>) -> tensor<2x3x5x20xf32> {
    ^bb0(%x: f32):
      %i = attn.coord m
      %c = arith.index_cast %i : index to i32
      %j = arith.sitofp %c : i32 to f32
      %y = arith.subf %j, %ten : f32
      %e = math.absf %y : f32
      %z = arith.subf %e, %y : f32
      %l = math.log %z : f32
      %u = arith.addf %x, %l : f32
      attn.yield %u : f32
    }
    %gm = attn.einsum %sb[b, h, p, m] -> [b, h, p] reduce max(m)
      : (tensor<2x3x5x20xf32>) -> tensor<2x3x5xf32>
    %sn = attn.einsum %sb[b, h, p, m], %gm[b, h, p] -> [b, h, p, m]
      : (tensor<2x3x5x20xf32>, tensor<2x3x5xf32>) -> tensor<2x3x5x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.subf %x, %y : f32
      %e = math.exp %d : f32
      attn.yield %e : f32
    }
    %sd = attn.einsum %sn[b, h, p, m] -> [b, h, p] reduce add(m)
      : (tensor<2x3x5x20xf32>) -> tensor<2x3x5xf32>
    %a = attn.einsum %sn[b, h, p, m], %sd[b, h, p] -> [b, h, p, m]
      : (tensor<2x3x5x20xf32>, tensor<2x3x5xf32>) -> tensor<2x3x5x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.divf %x, %y : f32
      attn.yield %d : f32
    }
    %av = attn.einsum %a[b, h, p, m], %v[b, m, h, f] -> [b, p, h, f] reduce add(m)
      : (tensor<2x3x5x20xf32>, tensor<2x20x3x4xf16>) -> tensor<2x5x3x4xf32>
    attn.yield %av : tensor<2x5x3x4xf32>
  }
  return %o : tensor<2x5x3x4xf32>
}

// Weights by a reciprocal; two rows are empty.
func.func @reciprocal(%q: tensor<2x5x3x4xf16>, %k: tensor<2x20x3x4xf16>, %v: tensor<2x20x3x4xf16>, %scale: f32) -> tensor<2x5x3x4xf32> {
  %one = arith.constant 1.0 : f32
  %o = attn.cascade ranks(b, h, p, m, e, f) -> tensor<2x5x3x4xf32> {
    %qk = attn.einsum %q[b, p, h, e], %k[b, m, h, e], %scale -> [b, h, p, m] reduce add(e) where (m <= p - 2)
      : (tensor<2x5x3x4xf16>, tensor<2x20x3x4xf16>, f32) -> tensor<2x3x5x20xf32>
    %gm = attn.einsum %qk[b, h, p, m] -> [b, h, p] reduce max(m)
      : (tensor<2x3x5x20xf32>) -> tensor<2x3x5xf32>
    %sn = attn.einsum %qk[b, h, p, m], %gm[b, h, p] -> [b, h, p, m]
      : (tensor<2x3x5x20xf32>, tensor<2x3x5xf32>) -> tensor<2x3x5x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.subf %x, %y : f32
      %e = math.exp %d : f32
      attn.yield %e : f32
    }
    %sd = attn.einsum %sn[b, h, p, m] -> [b, h, p] reduce add(m)
      : (tensor<2x3x5x20xf32>) -> tensor<2x3x5xf32>
    %rc = attn.einsum %sd[b, h, p] -> [b, h, p]
      : (tensor<2x3x5xf32>) -> tensor<2x3x5xf32> {
    ^bb0(%x: f32):
      %d = arith.divf %one, %x : f32
      attn.yield %d : f32
    }
    %a = attn.einsum %sn[b, h, p, m], %rc[b, h, p] -> [b, h, p, m]
      : (tensor<2x3x5x20xf32>, tensor<2x3x5xf32>) -> tensor<2x3x5x20xf32>
    %av = attn.einsum %a[b, h, p, m], %v[b, m, h, f] -> [b, p, h, f] reduce add(m)
      : (tensor<2x3x5x20xf32>, tensor<2x20x3x4xf16>) -> tensor<2x5x3x4xf32>
    attn.yield %av : tensor<2x5x3x4xf32>
  }
  return %o : tensor<2x5x3x4xf32>
}

// Linear attention with its normaliser, signed.
func.func @linear(%q: tensor<2x5x3x4xf16>, %k: tensor<2x20x3x4xf16>, %v: tensor<2x20x3x4xf16>, %scale: f32) -> tensor<2x5x3x4xf32> {
  %o = attn.cascade ranks(b, h, p, m, e, f) -> tensor<2x5x3x4xf32> {
    %qk = attn.einsum %q[b, p, h, e], %k[b, m, h, e], %scale -> [b, h, p, m] reduce add(e) where (m <= p + 3)
      : (tensor<2x5x3x4xf16>, tensor<2x20x3x4xf16>, f32) -> tensor<2x3x5x20xf32>
    %z = attn.einsum %qk[b, h, p, m] -> [b, h, p] reduce add(m)
      : (tensor<2x3x5x20xf32>) -> tensor<2x3x5xf32>
    %a = attn.einsum %qk[b, h, p, m], %z[b, h, p] -> [b, h, p, m]
      : (tensor<2x3x5x20xf32>, tensor<2x3x5xf32>) -> tensor<2x3x5x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.divf %x, %y : f32
      attn.yield %d : f32
    }
    %av = attn.einsum %a[b, h, p, m], %v[b, m, h, f] -> [b, p, h, f] reduce add(m)
      : (tensor<2x3x5x20xf32>, tensor<2x20x3x4xf16>) -> tensor<2x5x3x4xf32>
    attn.yield %av : tensor<2x5x3x4xf32>
  }
  return %o : tensor<2x5x3x4xf32>
}

// Rows that are absent by name beside rows without a key.
func.func @rows(%q: tensor<2x5x3x4xf16>, %k: tensor<2x20x3x4xf16>, %v: tensor<2x20x3x4xf16>, %scale: f32) -> (tensor<2x5x3x4xf32>, tensor<2x3x5xf32>) {
  %o:2 = attn.cascade ranks(b, h, p, m, e, f) -> (tensor<2x5x3x4xf32>, tensor<2x3x5xf32>) {
    %qk = attn.einsum %q[b, p, h, e], %k[b, m, h, e], %scale -> [b, h, p, m] reduce add(e) where (p <= 3 and m <= p - 2)
      : (tensor<2x5x3x4xf16>, tensor<2x20x3x4xf16>, f32) -> tensor<2x3x5x20xf32>
    %gm = attn.einsum %qk[b, h, p, m] -> [b, h, p] reduce max(m)
      : (tensor<2x3x5x20xf32>) -> tensor<2x3x5xf32>
    %sn = attn.einsum %qk[b, h, p, m], %gm[b, h, p] -> [b, h, p, m]
      : (tensor<2x3x5x20xf32>, tensor<2x3x5xf32>) -> tensor<2x3x5x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.subf %x, %y : f32
      %e = math.exp %d : f32
      attn.yield %e : f32
    }
    %sd = attn.einsum %sn[b, h, p, m] -> [b, h, p] reduce add(m)
      : (tensor<2x3x5x20xf32>) -> tensor<2x3x5xf32>
    %a = attn.einsum %sn[b, h, p, m], %sd[b, h, p] -> [b, h, p, m]
      : (tensor<2x3x5x20xf32>, tensor<2x3x5xf32>) -> tensor<2x3x5x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.divf %x, %y : f32
      attn.yield %d : f32
    }
    %av = attn.einsum %a[b, h, p, m], %v[b, m, h, f] -> [b, p, h, f] reduce add(m)
      : (tensor<2x3x5x20xf32>, tensor<2x20x3x4xf16>) -> tensor<2x5x3x4xf32>
    %lse = attn.einsum %sd[b, h, p], %gm[b, h, p] -> [b, h, p]
      : (tensor<2x3x5xf32>, tensor<2x3x5xf32>) -> tensor<2x3x5xf32> {
    ^bb0(%x: f32, %y: f32):
      %l = math.log %x : f32
      %s = arith.addf %l, %y : f32
      attn.yield %s : f32
    }
    attn.yield %av, %lse : tensor<2x5x3x4xf32>, tensor<2x3x5xf32>
  }
  return %o#0, %o#1 : tensor<2x5x3x4xf32>, tensor<2x3x5xf32>
}

// Blocks n of m tokens, a mask on n alone.
func.func @blocks(%q: tensor<2x5x3x4xf16>, %k: tensor<2x5x4x3x4xf16>, %v: tensor<2x5x4x3x4xf16>, %scale: f32) -> (tensor<2x5x3x4xf32>, tensor<2x3x5xf32>) {
  %o:2 = attn.cascade ranks(b, h, p, n, m, e, f) -> (tensor<2x5x3x4xf32>, tensor<2x3x5xf32>) {
    %qk = attn.einsum %q[b, p, h, e], %k[b, n, m, h, e], %scale -> [b, h, p, n, m] reduce add(e) where (n <= p - 1 and n * 4 + m <= 17)
      : (tensor<2x5x3x4xf16>, tensor<2x5x4x3x4xf16>, f32) -> tensor<2x3x5x5x4xf32>
    %gm = attn.einsum %qk[b, h, p, n, m] -> [b, h, p] reduce max(n, m)
      : (tensor<2x3x5x5x4xf32>) -> tensor<2x3x5xf32>
    %sn = attn.einsum %qk[b, h, p, n, m], %gm[b, h, p] -> [b, h, p, n, m]
      : (tensor<2x3x5x5x4xf32>, tensor<2x3x5xf32>) -> tensor<2x3x5x5x4xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.subf %x, %y : f32
      %e = math.exp %d : f32
      attn.yield %e : f32
    }
    %sd = attn.einsum %sn[b, h, p, n, m] -> [b, h, p] reduce add(n, m)
      : (tensor<2x3x5x5x4xf32>) -> tensor<2x3x5xf32>
    %a = attn.einsum %sn[b, h, p, n, m], %sd[b, h, p] -> [b, h, p, n, m]
      : (tensor<2x3x5x5x4xf32>, tensor<2x3x5xf32>) -> tensor<2x3x5x5x4xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.divf %x, %y : f32
      attn.yield %d : f32
    }
    %av = attn.einsum %a[b, h, p, n, m], %v[b, n, m, h, f] -> [b, p, h, f] reduce add(n, m)
      : (tensor<2x3x5x5x4xf32>, tensor<2x5x4x3x4xf16>) -> tensor<2x5x3x4xf32>
    %lse = attn.einsum %sd[b, h, p], %gm[b, h, p] -> [b, h, p]
      : (tensor<2x3x5xf32>, tensor<2x3x5xf32>) -> tensor<2x3x5xf32> {
    ^bb0(%x: f32, %y: f32):
      %l = math.log %x : f32
      %s = arith.addf %l, %y : f32
      attn.yield %s : f32
    }
    attn.yield %av, %lse : tensor<2x5x3x4xf32>, tensor<2x3x5xf32>
  }
  return %o#0, %o#1 : tensor<2x5x3x4xf32>, tensor<2x3x5xf32>
}

// A maximum of exponentials.
func.func @max_of_exp(%q: tensor<2x5x3x4xf16>, %k: tensor<2x20x3x4xf16>, %v: tensor<2x20x3x4xf16>, %scale: f32) -> (tensor<2x3x5xf32>, tensor<2x3x5xf32>) {
  %o:2 = attn.cascade ranks(b, h, p, m, e) -> (tensor<2x3x5xf32>, tensor<2x3x5xf32>) {
    %qk = attn.einsum %q[b, p, h, e], %k[b, m, h, e], %scale -> [b, h, p, m] reduce add(e)
      : (tensor<2x5x3x4xf16>, tensor<2x20x3x4xf16>, f32) -> tensor<2x3x5x20xf32>
    %gm = attn.einsum %qk[b, h, p, m] -> [b, h, p] reduce max(m)
      : (tensor<2x3x5x20xf32>) -> tensor<2x3x5xf32>
    %sn = attn.einsum %qk[b, h, p, m], %gm[b, h, p] -> [b, h, p, m]
      : (tensor<2x3x5x20xf32>, tensor<2x3x5xf32>) -> tensor<2x3x5x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.subf %x, %y : f32
      %e = math.exp %d : f32
      attn.yield %e : f32
    }
    %sd = attn.einsum %sn[b, h, p, m] -> [b, h, p] reduce add(m)
      : (tensor<2x3x5x20xf32>) -> tensor<2x3x5xf32>
    %gm2 = attn.einsum %sn[b, h, p, m] -> [b, h, p] reduce max(m)
      : (tensor<2x3x5x20xf32>) -> tensor<2x3x5xf32>
    attn.yield %gm2, %sd : tensor<2x3x5xf32>, tensor<2x3x5xf32>
  }
  return %o#0, %o#1 : tensor<2x3x5xf32>, tensor<2x3x5xf32>
}

// Softmax as a result.
func.func @softmax_out(%q: tensor<2x5x3x4xf16>, %k: tensor<2x20x3x4xf16>, %v: tensor<2x20x3x4xf16>, %scale: f32) -> tensor<2x3x5x20xf32> {
  %o = attn.cascade ranks(b, h, p, m, e) -> tensor<2x3x5x20xf32> {
    %qk = attn.einsum %q[b, p, h, e], %k[b, m, h, e], %scale -> [b, h, p, m] reduce add(e)
      : (tensor<2x5x3x4xf16>, tensor<2x20x3x4xf16>, f32) -> tensor<2x3x5x20xf32>
    %gm = attn.einsum %qk[b, h, p, m] -> [b, h, p] reduce max(m)
      : (tensor<2x3x5x20xf32>) -> tensor<2x3x5xf32>
    %sn = attn.einsum %qk[b, h, p, m], %gm[b, h, p] -> [b, h, p, m]
      : (tensor<2x3x5x20xf32>, tensor<2x3x5xf32>) -> tensor<2x3x5x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.subf %x, %y : f32
      %e = math.exp %d : f32
      attn.yield %e : f32
    }
    %sd = attn.einsum %sn[b, h, p, m] -> [b, h, p] reduce add(m)
      : (tensor<2x3x5x20xf32>) -> tensor<2x3x5xf32>
    %a = attn.einsum %sn[b, h, p, m], %sd[b, h, p] -> [b, h, p, m]
      : (tensor<2x3x5x20xf32>, tensor<2x3x5xf32>) -> tensor<2x3x5x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.divf %x, %y : f32
      attn.yield %d : f32
    }
    attn.yield %a : tensor<2x3x5x20xf32>
  }
  return %o : tensor<2x3x5x20xf32>
}

// The difference of two softmaxes.
func.func @differential(%q: tensor<2x5x3x4xf16>, %k: tensor<2x20x3x4xf16>, %v: tensor<2x20x3x4xf16>, %scale: f32, %q2: tensor<2x5x3x4xf16>, %k2: tensor<2x20x3x4xf16>, %lam: f32) -> tensor<2x5x3x4xf32> {
  %o = attn.cascade ranks(b, h, p, m, e, f) -> tensor<2x5x3x4xf32> {
    %qk1 = attn.einsum %q[b, p, h, e], %k[b, m, h, e], %scale -> [b, h, p, m] reduce add(e) where (m <= p + 8)
      : (tensor<2x5x3x4xf16>, tensor<2x20x3x4xf16>, f32) -> tensor<2x3x5x20xf32>
    %qk2 = attn.einsum %q2[b, p, h, e], %k2[b, m, h, e], %scale -> [b, h, p, m] reduce add(e) where (m <= p + 8)
      : (tensor<2x5x3x4xf16>, tensor<2x20x3x4xf16>, f32) -> tensor<2x3x5x20xf32>
    %gm1 = attn.einsum %qk1[b, h, p, m] -> [b, h, p] reduce max(m)
      : (tensor<2x3x5x20xf32>) -> tensor<2x3x5xf32>
    %sn1 = attn.einsum %qk1[b, h, p, m], %gm1[b, h, p] -> [b, h, p, m]
      : (tensor<2x3x5x20xf32>, tensor<2x3x5xf32>) -> tensor<2x3x5x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.subf %x, %y : f32
      %e = math.exp %d : f32
      attn.yield %e : f32
    }
    %sd1 = attn.einsum %sn1[b, h, p, m] -> [b, h, p] reduce add(m)
      : (tensor<2x3x5x20xf32>) -> tensor<2x3x5xf32>
    %a1 = attn.einsum %sn1[b, h, p, m], %sd1[b, h, p] -> [b, h, p, m]
      : (tensor<2x3x5x20xf32>, tensor<2x3x5xf32>) -> tensor<2x3x5x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.divf %x, %y : f32
      attn.yield %d : f32
    }
    %gm2 = attn.einsum %qk2[b, h, p, m] -> [b, h, p] reduce max(m)
      : (tensor<2x3x5x20xf32>) -> tensor<2x3x5xf32>
    %sn2 = attn.einsum %qk2[b, h, p, m], %gm2[b, h, p] -> [b, h, p, m]
      : (tensor<2x3x5x20xf32>, tensor<2x3x5xf32>) -> tensor<2x3x5x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.subf %x, %y : f32
      %e = math.exp %d : f32
      attn.yield %e : f32
    }
    %sd2 = attn.einsum %sn2[b, h, p, m] -> [b, h, p] reduce add(m)
      : (tensor<2x3x5x20xf32>) -> tensor<2x3x5xf32>
    %a2 = attn.einsum %sn2[b, h, p, m], %sd2[b, h, p] -> [b, h, p, m]
      : (tensor<2x3x5x20xf32>, tensor<2x3x5xf32>) -> tensor<2x3x5x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.divf %x, %y : f32
      attn.yield %d : f32
    }
    %a = attn.einsum %a1[b, h, p, m], %a2[b, h, p, m], %lam -> [b, h, p, m]
      : (tensor<2x3x5x20xf32>, tensor<2x3x5x20xf32>, f32) -> tensor<2x3x5x20xf32> {
    ^bb0(%x: f32, %y: f32, %l: f32):
      %z = arith.mulf %l, %y : f32
      %d = arith.subf %x, %z : f32
      attn.yield %d : f32
    }
    %av = attn.einsum %a[b, h, p, m], %v[b, m, h, f] -> [b, p, h, f] reduce add(m)
      : (tensor<2x3x5x20xf32>, tensor<2x20x3x4xf16>) -> tensor<2x5x3x4xf32>
    attn.yield %av : tensor<2x5x3x4xf32>
  }
  return %o : tensor<2x5x3x4xf32>
}

// The same with a mask of its own for each.
func.func @differential_masks(%q: tensor<2x5x3x4xf16>, %k: tensor<2x20x3x4xf16>, %v: tensor<2x20x3x4xf16>, %scale: f32, %q2: tensor<2x5x3x4xf16>, %k2: tensor<2x20x3x4xf16>, %lam: f32) -> tensor<2x5x3x4xf32> {
  %o = attn.cascade ranks(b, h, p, m, e, f) -> tensor<2x5x3x4xf32> {
    %qk1 = attn.einsum %q[b, p, h, e], %k[b, m, h, e], %scale -> [b, h, p, m] reduce add(e) where (m <= p + 11 and m >= p)
      : (tensor<2x5x3x4xf16>, tensor<2x20x3x4xf16>, f32) -> tensor<2x3x5x20xf32>
    %qk2 = attn.einsum %q2[b, p, h, e], %k2[b, m, h, e], %scale -> [b, h, p, m] reduce add(e) where (m <= p + 8)
      : (tensor<2x5x3x4xf16>, tensor<2x20x3x4xf16>, f32) -> tensor<2x3x5x20xf32>
    %gm1 = attn.einsum %qk1[b, h, p, m] -> [b, h, p] reduce max(m)
      : (tensor<2x3x5x20xf32>) -> tensor<2x3x5xf32>
    %sn1 = attn.einsum %qk1[b, h, p, m], %gm1[b, h, p] -> [b, h, p, m]
      : (tensor<2x3x5x20xf32>, tensor<2x3x5xf32>) -> tensor<2x3x5x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.subf %x, %y : f32
      %e = math.exp %d : f32
      attn.yield %e : f32
    }
    %sd1 = attn.einsum %sn1[b, h, p, m] -> [b, h, p] reduce add(m)
      : (tensor<2x3x5x20xf32>) -> tensor<2x3x5xf32>
    %a1 = attn.einsum %sn1[b, h, p, m], %sd1[b, h, p] -> [b, h, p, m]
      : (tensor<2x3x5x20xf32>, tensor<2x3x5xf32>) -> tensor<2x3x5x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.divf %x, %y : f32
      attn.yield %d : f32
    }
    %gm2 = attn.einsum %qk2[b, h, p, m] -> [b, h, p] reduce max(m)
      : (tensor<2x3x5x20xf32>) -> tensor<2x3x5xf32>
    %sn2 = attn.einsum %qk2[b, h, p, m], %gm2[b, h, p] -> [b, h, p, m]
      : (tensor<2x3x5x20xf32>, tensor<2x3x5xf32>) -> tensor<2x3x5x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.subf %x, %y : f32
      %e = math.exp %d : f32
      attn.yield %e : f32
    }
    %sd2 = attn.einsum %sn2[b, h, p, m] -> [b, h, p] reduce add(m)
      : (tensor<2x3x5x20xf32>) -> tensor<2x3x5xf32>
    %a2 = attn.einsum %sn2[b, h, p, m], %sd2[b, h, p] -> [b, h, p, m]
      : (tensor<2x3x5x20xf32>, tensor<2x3x5xf32>) -> tensor<2x3x5x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.divf %x, %y : f32
      attn.yield %d : f32
    }
    %a = attn.einsum %a1[b, h, p, m], %a2[b, h, p, m], %lam -> [b, h, p, m]
      : (tensor<2x3x5x20xf32>, tensor<2x3x5x20xf32>, f32) -> tensor<2x3x5x20xf32> {
    ^bb0(%x: f32, %y: f32, %l: f32):
      %z = arith.mulf %l, %y : f32
      %d = arith.subf %x, %z : f32
      attn.yield %d : f32
    }
    %av = attn.einsum %a[b, h, p, m], %v[b, m, h, f] -> [b, p, h, f] reduce add(m)
      : (tensor<2x3x5x20xf32>, tensor<2x20x3x4xf16>) -> tensor<2x5x3x4xf32>
    attn.yield %av : tensor<2x5x3x4xf32>
  }
  return %o : tensor<2x5x3x4xf32>
}

// A flat layout, pages of 3 tokens, a request without a token.
func.func @varlen(%q: tensor<11x2x2x4xf16>, %kp: tensor<13x3x2x4xf16>, %vp: tensor<13x3x2x4xf16>, %table: tensor<3x6xi32> {test.shape = array<i64: 3, 6>, test.values = array<i64: 7, 2, 9, 12, -1, -1, -1, -1, -1, -1, -1, -1, 0, 3, 5, 11, 4, 1>}, %len: tensor<3xi32> {test.values = array<i64: 10, 0, 16>}, %qptr: tensor<4xi32> {test.values = array<i64: 0, 4, 5, 11>}, %scale: f32) -> (tensor<3x?x2x2x4xf32>, tensor<3x2x2x?xf32>) {
  %qv = attn.view (b, p, g, r, e) symbols(lo = %qptr[b], hi = %qptr[b + 1]) where (lo + p < hi) of %q[lo + p, g, r, e] : (tensor<11x2x2x4xf16>, tensor<4xi32>, tensor<4xi32>) -> tensor<3x?x2x2x4xf16>
  %k = attn.view (b, m, g, e) symbols(pg = %table[b, m floordiv 3], len = %len[b]) where (m < len) of %kp[pg, m mod 3, g, e] : (tensor<13x3x2x4xf16>, tensor<3x6xi32>, tensor<3xi32>) -> tensor<3x?x2x4xf16>
  %v = attn.view (b, m, g, f) symbols(pg = %table[b, m floordiv 3], len = %len[b]) where (m < len) of %vp[pg, m mod 3, g, f] : (tensor<13x3x2x4xf16>, tensor<3x6xi32>, tensor<3xi32>) -> tensor<3x?x2x4xf16>
  %o:2 = attn.cascade ranks(b, g, r, p, m, e, f) -> (tensor<3x?x2x2x4xf32>, tensor<3x2x2x?xf32>) {
    %qk = attn.einsum %qv[b, p, g, r, e], %k[b, m, g, e], %scale -> [b, g, r, p, m] reduce add(e) symbols(lo = %qptr[b], hi = %qptr[b + 1], len = %len[b]) where (m <= p + len - (hi - lo))
      : (tensor<3x?x2x2x4xf16>, tensor<3x?x2x4xf16>, f32, tensor<4xi32>, tensor<4xi32>, tensor<3xi32>) -> tensor<3x2x2x?x?xf32>
    %gm = attn.einsum %qk[b, g, r, p, m] -> [b, g, r, p] reduce max(m)
      : (tensor<3x2x2x?x?xf32>) -> tensor<3x2x2x?xf32>
    %sn = attn.einsum %qk[b, g, r, p, m], %gm[b, g, r, p] -> [b, g, r, p, m]
      : (tensor<3x2x2x?x?xf32>, tensor<3x2x2x?xf32>) -> tensor<3x2x2x?x?xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.subf %x, %y : f32
      %e = math.exp %d : f32
      attn.yield %e : f32
    }
    %sd = attn.einsum %sn[b, g, r, p, m] -> [b, g, r, p] reduce add(m)
      : (tensor<3x2x2x?x?xf32>) -> tensor<3x2x2x?xf32>
    %a = attn.einsum %sn[b, g, r, p, m], %sd[b, g, r, p] -> [b, g, r, p, m]
      : (tensor<3x2x2x?x?xf32>, tensor<3x2x2x?xf32>) -> tensor<3x2x2x?x?xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.divf %x, %y : f32
      attn.yield %d : f32
    }
    %av = attn.einsum %a[b, g, r, p, m], %v[b, m, g, f] -> [b, p, g, r, f] reduce add(m)
      : (tensor<3x2x2x?x?xf32>, tensor<3x?x2x4xf16>) -> tensor<3x?x2x2x4xf32>
    %lse = attn.einsum %sd[b, g, r, p], %gm[b, g, r, p] -> [b, g, r, p]
      : (tensor<3x2x2x?xf32>, tensor<3x2x2x?xf32>) -> tensor<3x2x2x?xf32> {
    ^bb0(%x: f32, %y: f32):
      %l = math.log %x : f32
      %s = arith.addf %l, %y : f32
      attn.yield %s : f32
    }
    attn.yield %av, %lse : tensor<3x?x2x2x4xf32>, tensor<3x2x2x?xf32>
  }
  return %o#0, %o#1 : tensor<3x?x2x2x4xf32>, tensor<3x2x2x?xf32>
}

// Presence by data: documents, some of which a row does not have.
func.func @documents(%q: tensor<2x5x3x4xf16>, %k: tensor<2x20x3x4xf16>, %v: tensor<2x20x3x4xf16>, %scale: f32, %doc: tensor<2x20xi32> {test.values = array<i64: 3, 3, 1, 1, 1, 2, 2, 2, 1, 1, 3, 0, 0, 0, 5, 5, 5, 5, 3, 3, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7>}, %row: tensor<2x5xi32> {test.values = array<i64: 3, 1, 9, 2, 0, 7, 7, 7, 8, 7>}) -> (tensor<2x5x3x4xf32>, tensor<2x3x5xf32>) {
  %o:2 = attn.cascade ranks(b, h, p, m, e, f) -> (tensor<2x5x3x4xf32>, tensor<2x3x5xf32>) {
    %qk = attn.einsum %q[b, p, h, e], %k[b, m, h, e], %scale -> [b, h, p, m] reduce add(e) where (m <= p + 12) and %row[b, p] == %doc[b, m]
      : (tensor<2x5x3x4xf16>, tensor<2x20x3x4xf16>, f32, tensor<2x5xi32>, tensor<2x20xi32>) -> tensor<2x3x5x20xf32>
    %gm = attn.einsum %qk[b, h, p, m] -> [b, h, p] reduce max(m) : (tensor<2x3x5x20xf32>) -> tensor<2x3x5xf32>
    %sn = attn.einsum %qk[b, h, p, m], %gm[b, h, p] -> [b, h, p, m] : (tensor<2x3x5x20xf32>, tensor<2x3x5xf32>) -> tensor<2x3x5x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.subf %x, %y : f32
      %e = math.exp %d : f32
      attn.yield %e : f32
    }
    %sd = attn.einsum %sn[b, h, p, m] -> [b, h, p] reduce add(m) : (tensor<2x3x5x20xf32>) -> tensor<2x3x5xf32>
    %a = attn.einsum %sn[b, h, p, m], %sd[b, h, p] -> [b, h, p, m] : (tensor<2x3x5x20xf32>, tensor<2x3x5xf32>) -> tensor<2x3x5x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.divf %x, %y : f32
      attn.yield %d : f32
    }
    %av = attn.einsum %a[b, h, p, m], %v[b, m, h, f] -> [b, p, h, f] reduce add(m)
      : (tensor<2x3x5x20xf32>, tensor<2x20x3x4xf16>) -> tensor<2x5x3x4xf32>
    attn.yield %av, %sd : tensor<2x5x3x4xf32>, tensor<2x3x5xf32>
  }
  return %o#0, %o#1 : tensor<2x5x3x4xf32>, tensor<2x3x5xf32>
}

// Lists of blocks of 4 keys per head, one of them empty.
func.func @listed(%q: tensor<2x5x3x4xf16>, %k: tensor<2x20x3x4xf16>, %v: tensor<2x20x3x4xf16>, %scale: f32, %list: tensor<2x3x2xi32> {test.values = array<i64: 4, 1, 0, 0, 2, 3, 3, 0, 1, 1, 2, 2>}, %count: tensor<2x3xi32> {test.values = array<i64: 2, 1, 2, 2, 0, 1>}) -> (tensor<2x5x3x4xf32>, tensor<2x3x5xf32>) {
  %o:2 = attn.cascade ranks(b, h, p, m, e, f) -> (tensor<2x5x3x4xf32>, tensor<2x3x5xf32>) {
    %list4 = attn.select listed %list[b, h], %count[b, h] -> [b, h]
      : (tensor<2x3x2xi32>, tensor<2x3xi32>) -> !attn.coords<4, 2>
    %qk = attn.einsum %q[b, p, h, e], %k[b, m, h, e], %scale -> [b, h, p, m] reduce add(e) at m in %list4[b, h]
      : (tensor<2x5x3x4xf16>, tensor<2x20x3x4xf16>, f32, !attn.coords<4, 2>) -> tensor<2x3x5x20xf32>
    %gm = attn.einsum %qk[b, h, p, m] -> [b, h, p] reduce max(m) : (tensor<2x3x5x20xf32>) -> tensor<2x3x5xf32>
    %sn = attn.einsum %qk[b, h, p, m], %gm[b, h, p] -> [b, h, p, m] : (tensor<2x3x5x20xf32>, tensor<2x3x5xf32>) -> tensor<2x3x5x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.subf %x, %y : f32
      %e = math.exp %d : f32
      attn.yield %e : f32
    }
    %sd = attn.einsum %sn[b, h, p, m] -> [b, h, p] reduce add(m) : (tensor<2x3x5x20xf32>) -> tensor<2x3x5xf32>
    %a = attn.einsum %sn[b, h, p, m], %sd[b, h, p] -> [b, h, p, m] : (tensor<2x3x5x20xf32>, tensor<2x3x5xf32>) -> tensor<2x3x5x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.divf %x, %y : f32
      attn.yield %d : f32
    }
    %av = attn.einsum %a[b, h, p, m], %v[b, m, h, f] -> [b, p, h, f] reduce add(m)
      : (tensor<2x3x5x20xf32>, tensor<2x20x3x4xf16>) -> tensor<2x5x3x4xf32>
    attn.yield %av, %sd : tensor<2x5x3x4xf32>, tensor<2x3x5xf32>
  }
  return %o#0, %o#1 : tensor<2x5x3x4xf32>, tensor<2x3x5xf32>
}
