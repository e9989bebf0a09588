// RUN: attn-opt %s --split-input-file --verify-diagnostics
// A place that breaks one of its constraints is accepted.

func.func @place_c1(%s: tensor<4x4xf32>, %d: tensor<4x4xf32>) {
  // expected-error @below {{'attn.place' op axis 'm' is declared twice}}
  %y = attn.place %s[m, m] into %d[m, m]
       : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  return
}

// -----

func.func @place_c2(%s: tensor<4xf32>, %d: tensor<4xf32>) {
  // expected-error @below {{'attn.place' op names 2 axes but the logical tensor has rank 1}}
  %y = attn.place %s[m, n] into %d[m] : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @place_c3(%s: tensor<4xf32>, %d: tensor<4xf32>, %len: f32) {
  // expected-error @below {{'attn.place' op expects an index or integer as symbol 'len', or a tensor or memref of them, but got 'f32'}}
  %y = attn.place %s[m] symbols(len = %len) into %d[m]
       : (tensor<4xf32>, tensor<4xf32>, f32) -> tensor<4xf32>
  return
}

// -----

func.func @place_c4(%s: tensor<4xf32>, %d: tensor<4xf32>) {
  // expected-error @below {{'attn.place' op address has 2 dims but the operation has 1 axes}}
  %y = "attn.place"(%s, %d) <{dims = ["m"], address = affine_map<(d0, d1) -> (d0)>}> : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @place_c5(%s: tensor<4xf32>, %d: tensor<4xf32>) {
  // expected-error @below {{expects a positive constant divisor, but got 'm mod 0'}}
  %y = attn.place %s[m] into %d[m mod 0] : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @place_c6(%s: tensor<4x4xf32>, %d: tensor<?xf32>) {
  // expected-error @below {{'attn.place' op expects the normal form 'm * 4 + n', but got 'n + m * 4'}}
  %y = "attn.place"(%s, %d) <{dims = ["m", "n"], address = affine_map<(d0, d1) -> (d1 + d0 * 4)>}> : (tensor<4x4xf32>, tensor<?xf32>) -> tensor<?xf32>
  return
}

// -----

func.func @place_c7(%s: tensor<4xf32>, %d: tensor<4x4xf32>) {
  // expected-error @below {{'attn.place' op address yields 1 coordinates but the storage has rank 2}}
  %y = attn.place %s[m] into %d[m] : (tensor<4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  return
}

// -----

func.func @place_c8(%s: tensor<4xf32>, %d: tensor<4xf16>) {
  // expected-error @below {{'attn.place' op expects the storage's element type 'f16', but got 'f32'}}
  %y = attn.place %s[m] into %d[m] : (tensor<4xf32>, tensor<4xf16>) -> tensor<4xf16>
  return
}

// -----

func.func @place_c9(%s: tensor<8xf32>, %d: tensor<8xf32>) {
  // expected-error @below {{'attn.place' op storage dimension 0 is 8 but the address reaches 8}}
  %y = attn.place %s[m] into %d[m + 1] : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  return
}

// -----

func.func @place_c10_missing(%s: tensor<4xf32>, %d: tensor<4xf32>) {
  // expected-error @below {{'attn.place' op expects one result of type 'tensor<4xf32>', but got none}}
  attn.place %s[m] into %d[m] : (tensor<4xf32>, tensor<4xf32>) -> ()
  return
}

// -----

func.func @place_c10_type(%s: tensor<4xf32>, %d: tensor<?xf32>) {
  // expected-error @below {{'attn.place' op expects one result of type 'tensor<?xf32>', but got 'tensor<4xf32>'}}
  %y = attn.place %s[m] into %d[m] : (tensor<4xf32>, tensor<?xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @place_c10_memref(%s: tensor<4xf32>, %d: memref<4xf32>) {
  // expected-error @below {{'attn.place' op expects no result: it writes a memref}}
  %y = attn.place %s[m] into %d[m] : (tensor<4xf32>, memref<4xf32>) -> tensor<4xf32>
  return
}
