// RUN: attn-run %s --entry=constant --device=reference --arg=rand:100x16:1 --arg=rand:200x16:2 --out=%t.npy
// RUN: attn-run %s --entry=constant --device=cpu --arg=rand:100x16:1 --arg=rand:200x16:2 --expect=%t.npy
// RUN: attn-run %s --entry=constant --device=sim --arg=rand:100x16:1 --arg=rand:200x16:2 --rtol=2e-3 --expect=%t.npy
// RUN: attn-run %s --entry=ahead --device=reference --arg=rand:100x16:1 --arg=rand:200x16:2 --out=%t.npy
// RUN: attn-run %s --entry=ahead --device=cpu --arg=rand:100x16:1 --arg=rand:200x16:2 --expect=%t.npy
// RUN: attn-run %s --entry=ahead --device=sim --arg=rand:100x16:1 --arg=rand:200x16:2 --rtol=2e-3 --expect=%t.npy
// RUN: attn-run %s --entry=behind_symbol --device=reference --arg=rand:100x16:1 --arg=rand:200x16:2 --arg=2147483647 --out=%t.npy
// RUN: attn-run %s --entry=behind_symbol --device=cpu --arg=rand:100x16:1 --arg=rand:200x16:2 --arg=2147483647 --expect=%t.npy
// RUN: attn-run %s --entry=behind_symbol --device=sim --arg=rand:100x16:1 --arg=rand:200x16:2 --arg=2147483647 --rtol=2e-3 --expect=%t.npy
// RUN: attn-run %s --entry=ahead_symbol --device=reference --arg=rand:100x16:1 --arg=rand:200x16:2 --arg=2147483647 --out=%t.npy
// RUN: attn-run %s --entry=ahead_symbol --device=cpu --arg=rand:100x16:1 --arg=rand:200x16:2 --arg=2147483647 --expect=%t.npy
// RUN: attn-run %s --entry=ahead_symbol --device=sim --arg=rand:100x16:1 --arg=rand:200x16:2 --arg=2147483647 --rtol=2e-3 --expect=%t.npy
// RUN: attn-run %s --entry=around --device=reference --arg=rand:100x16:1 --arg=rand:200x16:2 --arg=2147483647 --arg=64 --out=%t.npy
// RUN: attn-run %s --entry=around --device=cpu --arg=rand:100x16:1 --arg=rand:200x16:2 --arg=2147483647 --arg=64 --expect=%t.npy
// RUN: attn-run %s --entry=around --device=sim --arg=rand:100x16:1 --arg=rand:200x16:2 --arg=2147483647 --arg=64 --rtol=2e-3 --expect=%t.npy
// RUN: attn-run %s --entry=nowhere --device=reference --arg=rand:100x16:1 --arg=rand:200x16:2 --arg=-2147483647 --out=%t.npy
// RUN: attn-run %s --entry=nowhere --device=cpu --arg=rand:100x16:1 --arg=rand:200x16:2 --arg=-2147483647 --expect=%t.npy
// RUN: attn-run %s --entry=nowhere --device=sim --arg=rand:100x16:1 --arg=rand:200x16:2 --arg=-2147483647 --rtol=2e-3 --expect=%t.npy
// RUN: attn-run %s --entry=twice --device=reference --arg=rand:100x16:1 --arg=rand:200x16:2 --out=%t.npy
// RUN: attn-run %s --entry=twice --device=cpu --arg=rand:100x16:1 --arg=rand:200x16:2 --expect=%t.npy
// RUN: attn-run %s --entry=twice --device=sim --arg=rand:100x16:1 --arg=rand:200x16:2 --rtol=2e-3 --expect=%t.npy
// RUN: attn-run %s --entry=of_points --device=reference --arg=rand:100x16:1 --arg=rand:200x16:2 --arg=2147483647 --arg=64 --out=%t.npy
// RUN: attn-run %s --entry=of_points --device=cpu --arg=rand:100x16:1 --arg=rand:200x16:2 --arg=2147483647 --arg=64 --expect=%t.npy
// RUN: attn-run %s --entry=of_points --device=sim --arg=rand:100x16:1 --arg=rand:200x16:2 --arg=2147483647 --arg=64 --rtol=2e-3 --expect=%t.npy
// RUN: %python -c "import numpy as n; n.save(r'%t.far.npy', n.where(n.arange(100) %% 3, 2**31 - 1, 5).astype(n.int32))"
// RUN: attn-run %s --entry=of_rows --device=reference --arg=rand:100x16:1 --arg=rand:200x16:2 --arg=%t.far.npy --out=%t.npy
// RUN: attn-run %s --entry=of_rows --device=cpu --arg=rand:100x16:1 --arg=rand:200x16:2 --arg=%t.far.npy --expect=%t.npy
// RUN: attn-run %s --entry=of_rows --device=sim --arg=rand:100x16:1 --arg=rand:200x16:2 --arg=%t.far.npy --rtol=2e-3 --expect=%t.npy

// Bounds that say that there is none: next to them, sums of a position and a bound fit
// no 32 bits. If this fails, such a bound comes out on the other side, and hides or shows
// tiles.

func.func @constant(%q: tensor<100x16xf16>, %k: tensor<200x16xf16>) -> tensor<100x16xf32> {
  %o = attn.cascade ranks(p, m, e, f) -> tensor<100x16xf32> {
    %s = attn.einsum %q[p, e], %k[m, e] -> [p, m] reduce add(e)
        where (p - m < 2147483647)
        : (tensor<100x16xf16>, tensor<200x16xf16>) -> tensor<100x200xf32>
    %x = attn.einsum %s[p, m] -> [p] reduce max(m) : (tensor<100x200xf32>) -> tensor<100xf32>
    %w = attn.einsum %s[p, m], %x[p] -> [p, m] : (tensor<100x200xf32>, tensor<100xf32>) -> tensor<100x200xf32> {
    ^bb0(%a: f32, %b: f32):
      %d = arith.subf %a, %b : f32
      %y = math.exp %d : f32
      attn.yield %y : f32
    }
    %o = attn.einsum %w[p, m], %k[m, f] -> [p, f] reduce add(m)
        : (tensor<100x200xf32>, tensor<200x16xf16>) -> tensor<100x16xf32>
    attn.yield %o : tensor<100x16xf32>
  }
  return %o : tensor<100x16xf32>
}

func.func @ahead(%q: tensor<100x16xf16>, %k: tensor<200x16xf16>) -> tensor<100x16xf32> {
  %o = attn.cascade ranks(p, m, e, f) -> tensor<100x16xf32> {
    %s = attn.einsum %q[p, e], %k[m, e] -> [p, m] reduce add(e)
        where (m - p < 2147483647)
        : (tensor<100x16xf16>, tensor<200x16xf16>) -> tensor<100x200xf32>
    %x = attn.einsum %s[p, m] -> [p] reduce max(m) : (tensor<100x200xf32>) -> tensor<100xf32>
    %w = attn.einsum %s[p, m], %x[p] -> [p, m] : (tensor<100x200xf32>, tensor<100xf32>) -> tensor<100x200xf32> {
    ^bb0(%a: f32, %b: f32):
      %d = arith.subf %a, %b : f32
      %y = math.exp %d : f32
      attn.yield %y : f32
    }
    %o = attn.einsum %w[p, m], %k[m, f] -> [p, f] reduce add(m)
        : (tensor<100x200xf32>, tensor<200x16xf16>) -> tensor<100x16xf32>
    attn.yield %o : tensor<100x16xf32>
  }
  return %o : tensor<100x16xf32>
}

func.func @behind_symbol(%q: tensor<100x16xf16>, %k: tensor<200x16xf16>, %far: i32) -> tensor<100x16xf32> {
  %o = attn.cascade ranks(p, m, e, f) -> tensor<100x16xf32> {
    %s = attn.einsum %q[p, e], %k[m, e] -> [p, m] reduce add(e)
        symbols(far = %far) where (p - m <= far)
        : (tensor<100x16xf16>, tensor<200x16xf16>, i32) -> tensor<100x200xf32>
    %x = attn.einsum %s[p, m] -> [p] reduce max(m) : (tensor<100x200xf32>) -> tensor<100xf32>
    %w = attn.einsum %s[p, m], %x[p] -> [p, m] : (tensor<100x200xf32>, tensor<100xf32>) -> tensor<100x200xf32> {
    ^bb0(%a: f32, %b: f32):
      %d = arith.subf %a, %b : f32
      %y = math.exp %d : f32
      attn.yield %y : f32
    }
    %o = attn.einsum %w[p, m], %k[m, f] -> [p, f] reduce add(m)
        : (tensor<100x200xf32>, tensor<200x16xf16>) -> tensor<100x16xf32>
    attn.yield %o : tensor<100x16xf32>
  }
  return %o : tensor<100x16xf32>
}

func.func @ahead_symbol(%q: tensor<100x16xf16>, %k: tensor<200x16xf16>, %far: i32) -> tensor<100x16xf32> {
  %o = attn.cascade ranks(p, m, e, f) -> tensor<100x16xf32> {
    %s = attn.einsum %q[p, e], %k[m, e] -> [p, m] reduce add(e)
        symbols(far = %far) where (m - p <= far)
        : (tensor<100x16xf16>, tensor<200x16xf16>, i32) -> tensor<100x200xf32>
    %x = attn.einsum %s[p, m] -> [p] reduce max(m) : (tensor<100x200xf32>) -> tensor<100xf32>
    %w = attn.einsum %s[p, m], %x[p] -> [p, m] : (tensor<100x200xf32>, tensor<100xf32>) -> tensor<100x200xf32> {
    ^bb0(%a: f32, %b: f32):
      %d = arith.subf %a, %b : f32
      %y = math.exp %d : f32
      attn.yield %y : f32
    }
    %o = attn.einsum %w[p, m], %k[m, f] -> [p, f] reduce add(m)
        : (tensor<100x200xf32>, tensor<200x16xf16>) -> tensor<100x16xf32>
    attn.yield %o : tensor<100x16xf32>
  }
  return %o : tensor<100x16xf32>
}

func.func @around(%q: tensor<100x16xf16>, %k: tensor<200x16xf16>, %far: i32, %off: i32) -> tensor<100x16xf32> {
  %o = attn.cascade ranks(p, m, e, f) -> tensor<100x16xf32> {
    %s = attn.einsum %q[p, e], %k[m, e] -> [p, m] reduce add(e)
        symbols(far = %far, off = %off) where (p + off - m <= far and m - p - off <= far)
        : (tensor<100x16xf16>, tensor<200x16xf16>, i32, i32) -> tensor<100x200xf32>
    %x = attn.einsum %s[p, m] -> [p] reduce max(m) : (tensor<100x200xf32>) -> tensor<100xf32>
    %w = attn.einsum %s[p, m], %x[p] -> [p, m] : (tensor<100x200xf32>, tensor<100xf32>) -> tensor<100x200xf32> {
    ^bb0(%a: f32, %b: f32):
      %d = arith.subf %a, %b : f32
      %y = math.exp %d : f32
      attn.yield %y : f32
    }
    %o = attn.einsum %w[p, m], %k[m, f] -> [p, f] reduce add(m)
        : (tensor<100x200xf32>, tensor<200x16xf16>) -> tensor<100x16xf32>
    attn.yield %o : tensor<100x16xf32>
  }
  return %o : tensor<100x16xf32>
}

func.func @nowhere(%q: tensor<100x16xf16>, %k: tensor<200x16xf16>, %far: i32) -> tensor<100x16xf32> {
  %o = attn.cascade ranks(p, m, e, f) -> tensor<100x16xf32> {
    %s = attn.einsum %q[p, e], %k[m, e] -> [p, m] reduce add(e)
        symbols(far = %far) where (p - m <= far) or (m < 8)
        : (tensor<100x16xf16>, tensor<200x16xf16>, i32) -> tensor<100x200xf32>
    %x = attn.einsum %s[p, m] -> [p] reduce max(m) : (tensor<100x200xf32>) -> tensor<100xf32>
    %w = attn.einsum %s[p, m], %x[p] -> [p, m] : (tensor<100x200xf32>, tensor<100xf32>) -> tensor<100x200xf32> {
    ^bb0(%a: f32, %b: f32):
      %d = arith.subf %a, %b : f32
      %y = math.exp %d : f32
      attn.yield %y : f32
    }
    %o = attn.einsum %w[p, m], %k[m, f] -> [p, f] reduce add(m)
        : (tensor<100x200xf32>, tensor<200x16xf16>) -> tensor<100x16xf32>
    attn.yield %o : tensor<100x16xf32>
  }
  return %o : tensor<100x16xf32>
}

func.func @twice(%q: tensor<100x16xf16>, %k: tensor<200x16xf16>) -> tensor<100x16xf32> {
  %o = attn.cascade ranks(p, m, e, f) -> tensor<100x16xf32> {
    %s = attn.einsum %q[p, e], %k[m, e] -> [p, m] reduce add(e)
        where (m - 2 * p < 2147483647)
        : (tensor<100x16xf16>, tensor<200x16xf16>) -> tensor<100x200xf32>
    %x = attn.einsum %s[p, m] -> [p] reduce max(m) : (tensor<100x200xf32>) -> tensor<100xf32>
    %w = attn.einsum %s[p, m], %x[p] -> [p, m] : (tensor<100x200xf32>, tensor<100xf32>) -> tensor<100x200xf32> {
    ^bb0(%a: f32, %b: f32):
      %d = arith.subf %a, %b : f32
      %y = math.exp %d : f32
      attn.yield %y : f32
    }
    %o = attn.einsum %w[p, m], %k[m, f] -> [p, f] reduce add(m)
        : (tensor<100x200xf32>, tensor<200x16xf16>) -> tensor<100x16xf32>
    attn.yield %o : tensor<100x16xf32>
  }
  return %o : tensor<100x16xf32>
}

func.func @of_rows(%q: tensor<100x16xf16>, %k: tensor<200x16xf16>, %far: tensor<100xi32>) -> tensor<100x16xf32> {
  %o = attn.cascade ranks(p, m, e, f) -> tensor<100x16xf32> {
    %s = attn.einsum %q[p, e], %k[m, e] -> [p, m] reduce add(e)
        symbols(far = %far[p]) where (p - m <= far and m - p <= far)
        : (tensor<100x16xf16>, tensor<200x16xf16>, tensor<100xi32>) -> tensor<100x200xf32>
    %x = attn.einsum %s[p, m] -> [p] reduce max(m) : (tensor<100x200xf32>) -> tensor<100xf32>
    %w = attn.einsum %s[p, m], %x[p] -> [p, m] : (tensor<100x200xf32>, tensor<100xf32>) -> tensor<100x200xf32> {
    ^bb0(%a: f32, %b: f32):
      %d = arith.subf %a, %b : f32
      %y = math.exp %d : f32
      attn.yield %y : f32
    }
    %o = attn.einsum %w[p, m], %k[m, f] -> [p, f] reduce add(m)
        : (tensor<100x200xf32>, tensor<200x16xf16>) -> tensor<100x16xf32>
    attn.yield %o : tensor<100x16xf32>
  }
  return %o : tensor<100x16xf32>
}

func.func @of_points(%q: tensor<100x16xf16>, %k: tensor<200x16xf16>, %far: i32, %off: i32) -> tensor<100x16xf32> {
  %o = attn.cascade ranks(p, m, e, f) -> tensor<100x16xf32> {
    %s = attn.einsum %q[p, e], %k[m, e] -> [p, m] reduce add(e)
        symbols(far = %far, off = %off) where (2 * p + off - 2 * m <= far and 3 * m - 2 * p - off <= far)
        : (tensor<100x16xf16>, tensor<200x16xf16>, i32, i32) -> tensor<100x200xf32>
    %x = attn.einsum %s[p, m] -> [p] reduce max(m) : (tensor<100x200xf32>) -> tensor<100xf32>
    %w = attn.einsum %s[p, m], %x[p] -> [p, m] : (tensor<100x200xf32>, tensor<100xf32>) -> tensor<100x200xf32> {
    ^bb0(%a: f32, %b: f32):
      %d = arith.subf %a, %b : f32
      %y = math.exp %d : f32
      attn.yield %y : f32
    }
    %o = attn.einsum %w[p, m], %k[m, f] -> [p, f] reduce add(m)
        : (tensor<100x200xf32>, tensor<200x16xf16>) -> tensor<100x16xf32>
    attn.yield %o : tensor<100x16xf32>
  }
  return %o : tensor<100x16xf32>
}
