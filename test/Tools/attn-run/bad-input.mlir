// RUN: %python %S/Inputs/refused.py %s %t
// Bad input is not refused with exit code 2 and one line that says what is wrong.

func.func @entry(%a: tensor<2x?xf16>, %n: i32) -> tensor<2x?xf16> {
  return %a : tensor<2x?xf16>
}
func.func @other(%a: tensor<?xi4>) -> tensor<?xi4> {
  return %a : tensor<?xi4>
}
