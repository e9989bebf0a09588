// RUN: attn-opt %s --split-input-file --verify-diagnostics
// A type of the dialect with senseless parameters is accepted.

// expected-error @below {{expects a positive block and a positive max, but got 0 and 8}}
func.func private @coords_t1_block(!attn.coords<0, 8>)

// -----

// expected-error @below {{expects a positive block and a positive max, but got 1 and -1}}
func.func private @coords_t1_max(!attn.coords<1, -1>)
