"""The tile map that plot() draws, and its Error where matplotlib is not there."""

import sys
from unittest import mock

import attn_mlir

import catalogue


def main():
    attention = attn_mlir.flex(mask_mod=catalogue.causal)
    if sys.argv[1:] == ["--none"]:
        with mock.patch.dict(sys.modules, {"matplotlib": None, "matplotlib.pyplot": None}):
            try:
                attention.plot(64, 64)
            except attn_mlir.Error as error:
                assert error.status == "unavailable" and "matplotlib" in error.message, error
                return
        raise AssertionError("expects an Error without matplotlib, but nothing was raised")
    import matplotlib

    matplotlib.use("Agg")
    axes = attention.plot(256, 256, tile=(128, 64))
    assert axes.get_title() == "tiles: empty 2, partial 4, full 2", axes.get_title()
    assert axes.images[0].get_array().tolist() == [[1, 1, 0, 0], [2, 2, 1, 1]]


if __name__ == "__main__":
    main()
