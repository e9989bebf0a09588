"""OpenVINO: a model of one ScaledDotProductAttention for its CPU plugin."""

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from .cases import widen
from .contender import Contender, Missing


class OpenVino(Contender):
    def versions(self):
        return {"openvino": ov.__version__}

    def open(self, case, data):
        if case.page:
            raise Missing("its paged attention is a private operator, made of a whole stateful model by a "
                          "transformation of its own")
        self.case = case
        element = ov.Type.bf16 if case.element == "bf16" else ov.Type.f32
        shape = [case.batch, case.query_heads, case.queries, case.channels]
        names = [ops.parameter(shape, element) for _ in range(3)]
        arguments, mask = list(names), None
        if case.window:
            self.note = "the window is a mask of booleans: nothing is skipped"
            distance = np.arange(case.keys)[:, None] - np.arange(case.keys)[None, :]
            mask = (distance >= 0) & (distance < case.window)
            names.append(ops.parameter(list(mask.shape), ov.Type.boolean))
            arguments.append(names[-1])
        node = ops.scaled_dot_product_attention(*arguments, causal=case.causal and mask is None)
        model = ov.Model([node], names)
        options = {"INFERENCE_NUM_THREADS": self.threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY",
                   "INFERENCE_PRECISION_HINT": case.element, "ENABLE_CPU_PINNING": True}
        self.compiled = ov.Core().compile_model(model, "CPU", options)
        self.request = self.compiled.create_infer_request()
        self.held = [np.ascontiguousarray(x.transpose(0, 2, 1, 3)) for x in (data.q, data.k, data.v)]
        for number, array in enumerate(self.held):
            whole = ov.Tensor(array, ov.Shape(array.shape), element) if case.element == "bf16" else ov.Tensor(array)
            self.request.set_input_tensor(number, whole)
        if mask is not None:
            self.held.append(mask)
            self.request.set_input_tensor(3, ov.Tensor(mask))

    def call(self, number):
        self.request.infer()

    def facts(self):
        nodes = [n.get_rt_info() for n in self.compiled.get_runtime_model().get_ops()]
        kinds = [(n["layerType"].value, n["primitiveType"].value) for n in nodes if "layerType" in n]
        return {"nodes": [f"{kind}: {how}" for kind, how in kinds if kind not in ("Input", "Output")]}

    def result(self):
        out = self.request.get_output_tensor(0)
        array = out.data
        if self.case.element == "bf16":
            array = widen(np.asarray(array).view(np.uint16))
        return np.asarray(array, np.float32).transpose(0, 2, 1, 3)
