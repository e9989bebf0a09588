"""The command line of peers.py."""

import argparse
import pathlib
import sys

from . import install, worker


def shown(arguments):
    """As anyone calls it: where this tree and its environments lie says nothing."""
    hidden, kept, skip = ("--build", "--out", "--peers-python", "--peers-folder"), [], False
    for argument in arguments:
        name, equals, _ = argument.partition("=")
        if not skip and name not in hidden:
            kept.append(argument)
        skip = not skip and name in hidden and not equals
    return kept


def parse(text, root):
    """The options of peers.py, checked; `shown` has those that a reader of a result needs."""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True, type=pathlib.Path, help="build folder, with the Python package")
    parser.add_argument("--out", default=root / "benchmarks" / "results", type=pathlib.Path)
    parser.add_argument("--install-peers", nargs="?", const=",".join(install.DEFAULT), metavar="NAMES",
                        help=f"gets peers first, of {', '.join(install.KNOWN)} (default: {', '.join(install.DEFAULT)})")
    parser.add_argument("--peers-folder", type=pathlib.Path, help="of their environment (default: BUILD/peers)")
    parser.add_argument("--peers-python", type=pathlib.Path, help="a Python that has peers already")
    parser.add_argument("--peers", type=lambda text: text.split(","), help=f"only these of {', '.join(worker.CONTENDERS)}")
    parser.add_argument("--no-peers", action="store_true", help="this project alone")
    parser.add_argument("--threads", type=int, default=0, help="of each; 0: the CPUs that the process may use")
    parser.add_argument("--only", default="", help="cases whose name has this text")
    sizes = parser.add_mutually_exclusive_group()
    sizes.add_argument("--quick", action="store_true", help="up to 4k keys and fewer runs, some minutes")
    sizes.add_argument("--smoke", action="store_true", help="tiny sizes: only shows that everything runs")
    options = parser.parse_args()
    options.build = options.build.resolve()
    options.shown = shown(sys.argv[1:])
    unknown = [p for p in options.peers or [] if p not in worker.CONTENDERS]
    if unknown:
        parser.error(f"expects peers of {', '.join(worker.CONTENDERS)}, but got {', '.join(unknown)}")
    return options
