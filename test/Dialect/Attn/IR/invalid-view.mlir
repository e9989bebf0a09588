// RUN: attn-opt %s --split-input-file --verify-diagnostics
// A view that breaks one of its constraints is accepted.

func.func @view_c1_reserved(%s: tensor<4xf32>) {
  // expected-error @below {{'at' is a reserved word and cannot name an axis}}
  %v = attn.view (at) of %s[at] : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @view_c1_twice(%s: tensor<4x4xf32>) {
  // expected-error @below {{'attn.view' op axis 'm' is declared twice}}
  %v = attn.view (m, m) of %s[m, m] : (tensor<4x4xf32>) -> tensor<4x4xf32>
  return
}

// -----

func.func @view_c2(%s: tensor<4xf32>) {
  // expected-error @below {{'attn.view' op names 2 axes but the logical tensor has rank 1}}
  %v = attn.view (m, n) of %s[m] : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @view_c3_type(%s: tensor<4xf32>, %len: tensor<f32>) {
  // expected-error @below {{'attn.view' op expects an index or integer as symbol 'len', or a tensor or memref of them, but got 'tensor<f32>'}}
  %v = attn.view (m) symbols(len = %len) where (m < len) of %s[m]
       : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  return
}

// -----

func.func @view_c3_coordinates(%s: tensor<4xf32>, %len: memref<4x4xi32>) {
  // expected-error @below {{'attn.view' op map of symbol 'len' yields 1 coordinates but the tensor has rank 2}}
  %v = attn.view (m) symbols(len = %len[m]) where (m < len) of %s[m]
       : (tensor<4xf32>, memref<4x4xi32>) -> tensor<4xf32>
  return
}

// -----

func.func @view_c3_taken(%s: tensor<4xf32>, %len: index) {
  // expected-error @below {{symbol 'm' is already an axis or symbol name}}
  %v = attn.view (m) symbols(m = %len) of %s[m]
       : (tensor<4xf32>, index) -> tensor<4xf32>
  return
}

// -----

func.func @view_c4_address(%s: tensor<4xf32>) {
  // expected-error @below {{'attn.view' op address has 2 dims but the operation has 1 axes}}
  %v = "attn.view"(%s) <{dims = ["m"], address = affine_map<(d0, d1) -> (d0)>}> : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @view_c4_symbols(%s: tensor<4xf32>) {
  // expected-error @below {{'attn.view' op address has 1 symbols but 0 symbol operand(s) are bound}}
  %v = "attn.view"(%s) <{dims = ["m"], address = affine_map<(d0)[s0] -> (d0)>}> : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @view_c4_set(%s: tensor<4xf32>) {
  // expected-error @below {{'attn.view' op domain set has 2 dims but the operation has 1 axes}}
  %v = "attn.view"(%s) <{dims = ["m"], where = [affine_set<(d0, d1) : (d0 >= 0)>], address = affine_map<(d0) -> (d0)>}> : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @view_c5_product(%s: tensor<?xf32>, %w: index) {
  %v = attn.view (m) symbols(w = %w)
       // expected-error @below {{expects an affine expression, but got 'm * w'}}
       of %s[m * w] : (tensor<?xf32>, index) -> tensor<4xf32>
  return
}

// -----

func.func @view_c5_divisor(%s: tensor<?xf32>, %w: index) {
  // expected-error @below {{'attn.view' op expects a positive constant divisor, but got 'm floordiv w'}}
  %v = "attn.view"(%s, %w) <{dims = ["m"], symbolNames = ["w"], symbolMaps = [affine_map<(d0) -> ()>], address = affine_map<(d0)[s0] -> (d0 floordiv s0)>}> : (tensor<?xf32>, index) -> tensor<4xf32>
  return
}

// -----

func.func @view_c5_unknown(%s: tensor<?xf32>) {
  // expected-error @below {{unknown axis 'n'; the operation has axes m}}
  %v = attn.view (m) of %s[n] : (tensor<?xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @view_c6(%s: tensor<?xf32>) {
  // expected-error @below {{'attn.view' op expects the normal form 'm * 4 + n', but got 'n + m * 4'}}
  %v = "attn.view"(%s) <{dims = ["m", "n"], address = affine_map<(d0, d1) -> (d1 + d0 * 4)>}> : (tensor<?xf32>) -> tensor<4x4xf32>
  return
}

// -----

func.func @view_c7(%s: tensor<4x4x4x4xf32>) {
  // expected-error @below {{'attn.view' op address yields 3 coordinates but the storage has rank 4}}
  %v = attn.view (m) of %s[m, m, m] : (tensor<4x4x4x4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @view_c8(%s: tensor<4xf16>) {
  // expected-error @below {{'attn.view' op expects the storage's element type 'f16', but got 'f32'}}
  %v = attn.view (m) of %s[m] : (tensor<4xf16>) -> tensor<4xf32>
  return
}

// -----

// The size of a page against the slots of the pool.
func.func @view_c9_page(%pool: memref<?x8x64xf16>, %table: tensor<?x?xi32>) {
  // expected-error @below {{'attn.view' op storage dimension 1 is 8 but the address reaches 15}}
  %v = attn.view (b, m, e) symbols(pg = %table[b, m floordiv 16])
       of %pool[pg, m mod 16, e]
       : (memref<?x8x64xf16>, tensor<?x?xi32>) -> tensor<?x?x64xf16>
  return
}

// -----

func.func @view_c9_static(%s: tensor<100xf32>) {
  // expected-error @below {{'attn.view' op storage dimension 0 is 100 but the address reaches 127}}
  %v = attn.view (m) of %s[m] : (tensor<100xf32>) -> tensor<128xf32>
  return
}

// -----

func.func @view_c9_negative(%s: tensor<100xf32>) {
  // expected-error @below {{'attn.view' op storage dimension 0 is 100 but the address reaches -4}}
  %v = attn.view (m) of %s[m - 4] : (tensor<100xf32>) -> tensor<64xf32>
  return
}

// -----

// One disjunct is enough.
func.func @view_c9_disjunct(%s: tensor<100xf32>) {
  // expected-error @below {{'attn.view' op storage dimension 0 is 100 but the address reaches 120}}
  %v = attn.view (m) where (m <= 99) or (m >= 110 and m <= 120) of %s[m]
       : (tensor<100xf32>) -> tensor<128xf32>
  return
}

// -----

func.func @view_c3_nested_in_domain(%s: tensor<?xf32>, %ptr: tensor<?xi32>, %x: tensor<?xi32>) {
  // expected-error @below {{'attn.view' op expects symbol 'pg', which another symbol looks up, in the address only}}
  %v = attn.view (b, m) symbols(lo = %ptr[b], pg = %x[m + lo]) where (pg >= 0) of %s[pg]
      : (tensor<?xf32>, tensor<?xi32>, tensor<?xi32>) -> tensor<?x?xf32>
  return
}

// -----

func.func @view_c3_nested_by_later(%s: tensor<?xf32>, %ptr: tensor<?xi32>, %x: tensor<?xi32>) {
  // expected-error @below {{unknown axis 'lo'; the operation has axes b, m}}
  %v = attn.view (b, m) symbols(pg = %x[m + lo], lo = %ptr[b]) of %s[pg]
      : (tensor<?xf32>, tensor<?xi32>, tensor<?xi32>) -> tensor<?x?xf32>
  return
}
