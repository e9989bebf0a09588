"""The cascades that are timed on a GPU, as text, and their names.

Softmax attention as examples/dense.mlir and examples/paged_gqa.mlir write it,
for the head sizes, groups and pages of the benchmark. The result is rounded to
bf16, as the peers round theirs.

  b request   g KV head   r query head of its group   p query   m key
"""

import dataclasses

CHIPS = ("sm_80", "sm_86", "sm_89", "sm_90", "sm_120")
KV_HEADS = 8


@dataclasses.dataclass(frozen=True)
class Program:
    kind: str  # prefill, decode
    channels: int
    heads: int  # KV heads
    group: int
    causal: bool = False
    page: int = 0  # 0: contiguous
    by_hand: str = ""  # a kernel in `sm`, for sm_90a only; else it is a cascade

    @property
    def name(self):
        if self.by_hand:
            return f"{self.kind}_hd{self.channels}_page{self.page}_hopper"
        if self.kind == "prefill":
            return f"prefill_hd{self.channels}_{'causal' if self.causal else 'full'}"
        page = f"page{self.page}" if self.page else "contiguous"
        return f"decode_hd{self.channels}_{page}_group{self.group}"

    def text(self):
        return prefill(self) if self.kind == "prefill" else decode(self)


def all_programs():
    # Hidden size 2048, as FlashAttention's own benchmark has it.
    for channels in (64, 128):
        for causal in (False, True):
            yield Program("prefill", channels, 2048 // channels, 1, causal)
    yield Program("prefill", 128, 16, 1, causal=True, page=16,
                  by_hand="test/Conversion/SMToNVVM/hopper-prefill.mlir")
    for group in (1, 4, 8):
        for page in (0, 1, 16, 64):
            yield Program("decode", 128, KV_HEADS, group, page=page)


SOFTMAX = """
    %gm = attn.einsum %qk[{rows}, m] -> [{rows}] reduce max(m)
        : (!scores) -> !rows
    %sn = attn.einsum %qk[{rows}, m], %gm[{rows}] -> [{rows}, m]
        : (!scores, !rows) -> !scores {{
    ^bb0(%s: f32, %x: f32):
      %shifted = arith.subf %s, %x : f32
      %exp = math.exp %shifted : f32
      attn.yield %exp : f32
    }}
    %sd = attn.einsum %sn[{rows}, m] -> [{rows}] reduce add(m)
        : (!scores) -> !rows
    %a = attn.einsum %sn[{rows}, m], %sd[{rows}] -> [{rows}, m]
        : (!scores, !rows) -> !scores {{
    ^bb0(%n: f32, %d: f32):
      %weight = arith.divf %n, %d : f32
      attn.yield %weight : f32
    }}
"""

ROUND = """
    %o = attn.einsum %av[{out}] -> [{out}]
        : (tensor<{shape}xf32>) -> tensor<{shape}xbf16> {{
    ^bb0(%wide: f32):
      %narrow = arith.truncf %wide : f32 to bf16
      attn.yield %narrow : bf16
    }}
    attn.yield %o : tensor<{shape}xbf16>
"""


def prefill(program):
    h, c = program.heads, program.channels
    shape = f"?x?x{h}x{c}"
    where = "\n        where (p - m >= 0)" if program.causal else ""
    return f"""!scores = tensor<?x{h}x?x?xf32>
!rows = tensor<?x{h}x?xf32>

func.func @{program.name}(
    %q: tensor<{shape}xbf16>, %k: tensor<{shape}xbf16>,
    %v: tensor<{shape}xbf16>, %scale: f32) -> tensor<{shape}xbf16> {{
  %y = attn.cascade ranks(b, h, p, m, e, f) -> tensor<{shape}xbf16> {{
    %qk = attn.einsum %q[b, p, h, e], %k[b, m, h, e], %scale -> [b, h, p, m]
        reduce add(e){where}
        : (tensor<{shape}xbf16>, tensor<{shape}xbf16>, f32) -> !scores
{SOFTMAX.format(rows="b, h, p")}
    %av = attn.einsum %a[b, h, p, m], %v[b, m, h, f] -> [b, p, h, f]
        reduce add(m)
        : (!scores, tensor<{shape}xbf16>) -> tensor<{shape}xf32>
{ROUND.format(out="b, p, h, f", shape=shape)}
  }}
  return %y : tensor<{shape}xbf16>
}}
"""


def decode(program):
    h, r, c, page = program.heads, program.group, program.channels, program.page
    shape, keys = f"?x?x{h}x{r}x{c}", f"?x?x{h}x{c}"
    if page:
        memory = f"memref<?x{page}x{h}x{c}xbf16>"
        arguments = (f"%kp: {memory}, %vp: {memory},\n"
                     "    %table: memref<?x?xi32>, %len: tensor<?xi32>")
        slot = "0" if page == 1 else f"m mod {page}"
        number = "m" if page == 1 else f"m floordiv {page}"
        view = """  %{of} = attn.view (b, m, g, {c})
      symbols(pg = %table[b, {number}], len = %len[b]) where (m < len)
      of %{of}p[pg, {slot}, g, {c}]
      : ({memory}, memref<?x?xi32>, tensor<?xi32>) -> tensor<{keys}xbf16>
"""
        views = "".join(view.format(of=of, c=ch, number=number, slot=slot, memory=memory, keys=keys)
                        for of, ch in (("k", "e"), ("v", "f")))
    else:
        arguments = (f"%k: tensor<{keys}xbf16>, %v: tensor<{keys}xbf16>,\n"
                     "    %len: tensor<?xi32>")
        views = ""
    return f"""!scores = tensor<?x{h}x{r}x?x?xf32>
!rows = tensor<?x{h}x{r}x?xf32>

func.func @{program.name}(
    %q: tensor<{shape}xbf16>, {arguments}, %scale: f32)
    -> tensor<{shape}xbf16> {{
{views}
  %y = attn.cascade ranks(b, g, r, p, m, e, f) -> tensor<{shape}xbf16> {{
    %qk = attn.einsum %q[b, p, g, r, e], %k[b, m, g, e], %scale
        -> [b, g, r, p, m] reduce add(e)
        symbols(len = %len[b]) where (len - 1 - m >= 0)
        : (tensor<{shape}xbf16>, tensor<{keys}xbf16>, f32, tensor<?xi32>)
        -> !scores
{SOFTMAX.format(rows="b, g, r, p")}
    %av = attn.einsum %a[b, g, r, p, m], %v[b, m, g, f] -> [b, p, g, r, f]
        reduce add(m)
        : (!scores, tensor<{keys}xbf16>) -> tensor<{shape}xf32>
{ROUND.format(out="b, p, g, r, f", shape=shape)}
  }}
  return %y : tensor<{shape}xbf16>
}}
"""
