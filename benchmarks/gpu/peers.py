"""What else is there for the same work on the same arrays, in the same run.

Each peer is a function of (device, setting) that gives one callable per set of
keys and values, or raises Missing with the reason. A peer that fails says so in
the result and stops nothing.
"""

import importlib
import warnings


class Missing(Exception):
    """Why a peer is not there."""


def versions(device):
    """{package: version} of what could be imported."""
    found = {}
    for name in ("torch", "triton", "flashinfer"):
        try:
            found[name] = importlib.import_module(name).__version__
        except Exception:  # pylint: disable=broad-except  # a broken package counts as none
            pass
    if not device.is_dry:
        found["cuda"] = str(device.torch.version.cuda)
        found["cudnn"] = str(device.torch.backends.cudnn.version())
    return found


def contiguous(device, setting):
    """q, and k and v of each set, as [batch, head, token, channel] views."""
    program, case = setting.program, setting.case
    q = setting.q.keep
    if program.kind == "decode":
        q = q.reshape(case.batch, 1, program.heads * program.group, program.channels)
    size = case.batch * case.keys * program.heads * program.channels
    sets = []
    for number in range(len(setting.sets)):
        # Pages hold as many tokens; a peer without pages reads as many bytes.
        pair = [device.view(pool, number * size, setting.shape).keep for pool in setting.pools]
        sets.append([tensor.transpose(1, 2) for tensor in pair])
    return q.transpose(1, 2), sets


def sdpa(backend):
    def prepare(device, setting):
        if setting.program.page:
            raise Missing("it has no pages: see the contiguous case")
        from torch.nn.attention import SDPBackend, sdpa_kernel
        from torch.nn.functional import scaled_dot_product_attention

        kind = getattr(SDPBackend, backend, None)
        if kind is None:
            raise Missing("PyTorch has no such back end")
        q, sets = contiguous(device, setting)
        more = {"enable_gqa": True} if setting.program.group > 1 else {}

        def call(k, v):
            with sdpa_kernel(kind):
                return scaled_dot_product_attention(q, k, v, is_causal=setting.program.causal,
                                             scale=setting.scale, **more)

        return [lambda k=k, v=v: call(k, v) for k, v in sets]

    return prepare


COMPILED = {}


def flex(device, setting):
    torch = device.torch
    if setting.program.page:
        raise Missing("it has no pages: see the contiguous case")
    if setting.program.kind == "decode" and setting.case.batch != 16:
        raise Missing("each shape is compiled: only batches of 16 are timed")
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    if "flex" not in COMPILED:
        # Behind its limit it would run what was not compiled, without a word.
        for limit in ("recompile_limit", "cache_size_limit"):
            if hasattr(torch._dynamo.config, limit):
                setattr(torch._dynamo.config, limit, 1000)
        COMPILED["flex"] = torch.compile(flex_attention, dynamic=False)
    q, sets = contiguous(device, setting)
    mask = None
    if setting.program.causal:
        mask = create_block_mask(lambda b, h, row, key: row >= key, None, None, setting.case.queries,
                                 setting.case.keys, device=q.device)
    run = COMPILED["flex"]
    return [lambda k=k, v=v: run(q, k, v, block_mask=mask, scale=setting.scale,
                                 enable_gqa=setting.program.group > 1) for k, v in sets]


def flashinfer(device, setting):
    torch = device.torch
    try:
        import flashinfer as fi
    except ImportError as error:
        raise Missing(str(error)) from error
    program, case = setting.program, setting.case
    workspace = torch.empty(256 << 20, dtype=torch.uint8, device=device.place)
    counts = torch.arange(case.batch + 1, dtype=torch.int32, device=device.place)
    if program.kind == "prefill" and not program.page:
        wrapper = fi.BatchPrefillWithRaggedKVCacheWrapper(workspace, "NHD")
        wrapper.plan(counts * case.queries, counts * case.keys, program.heads, program.heads,
                     program.channels, causal=program.causal, sm_scale=setting.scale,
                     q_data_type=torch.bfloat16)
        flat = (-1, program.heads, program.channels)
        q = setting.q.keep.view(flat)
        return [lambda k=k, v=v: wrapper.run(q, k.keep.view(flat), v.keep.view(flat))
                for k, v in setting.sets]
    if not program.page:
        raise Missing("decode of a batch is over pages")
    q = setting.q.keep.view(-1, program.heads * program.group, program.channels)
    pools = tuple(array.keep for array in setting.pool_view())
    last = torch.full((case.batch,), (case.keys - 1) % program.page + 1, dtype=torch.int32, device=device.place)
    if program.kind == "prefill":
        wrapper = fi.BatchPrefillWithPagedKVCacheWrapper(workspace, "NHD")
        wrapper.plan(counts * case.queries, counts * setting.pages, setting.sets[0].keep.reshape(-1), last,
                     program.heads, program.heads, program.channels, program.page, causal=program.causal,
                     sm_scale=setting.scale, q_data_type=torch.bfloat16)
        return [lambda: wrapper.run(q, pools)]
    calls = []
    for table in setting.sets:
        # A plan belongs to its table: one wrapper, with a workspace, for each.
        own = torch.empty(64 << 20, dtype=torch.uint8, device=device.place) if calls else workspace
        wrapper = fi.BatchDecodeWithPagedKVCacheWrapper(own, "NHD", use_tensor_cores=program.group > 1)
        wrapper.plan(counts * setting.pages, table.keep.reshape(-1), last, program.heads * program.group,
                     program.heads, program.channels, program.page, q_data_type=torch.bfloat16,
                     kv_data_type=torch.bfloat16, sm_scale=setting.scale)
        calls.append(lambda wrapper=wrapper: wrapper.run(q, pools))
    return calls


PEERS = {
    "cuDNN": sdpa("CUDNN_ATTENTION"),
    "flash": sdpa("FLASH_ATTENTION"),
    "FlexAttention": flex,
    "FlashInfer": flashinfer,
}


def measure(device, setting):
    """({peer: milliseconds}, {peer: why there is none})"""
    times, missing = {}, {}
    if device.is_dry:
        return times, {name: "a dry run has no peers" for name in PEERS}
    for name, prepare in PEERS.items():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                times[name], _ = device.time(prepare(device, setting))
        except Exception as error:  # pylint: disable=broad-except  # whatever another project raises
            device.synchronize()
            missing[name] = f"{type(error).__name__}: {error}".splitlines()[0][:200]
    return times, missing
