#!/usr/bin/env python3
"""Prints the counts and the slowest tests of a results file of lit.

usage: test_summary.py RESULTS.json
Fails when the file is missing or no test passed: a run that ran nothing is not
a good run.
"""

import collections
import json
import sys

SLOWEST = 5


def main():
    try:
        with open(sys.argv[1], encoding="utf-8") as file:
            tests = json.load(file)["tests"]
    except (OSError, ValueError, KeyError) as error:
        print(f"no results: {error}", file=sys.stderr)
        return 1
    counts = collections.Counter(test["code"].lower() for test in tests)
    timed = sorted(tests, key=lambda test: -(test.get("elapsed") or 0))
    print("slowest:")
    for test in timed[:SLOWEST]:
        print(f"  {test.get('elapsed') or 0:7.1f} s  {test['name']}")
    print(f"{len(tests)} tests:", ", ".join(f"{n} {code}" for code, n in counts.most_common()))
    return 0 if counts["pass"] else 1


sys.exit(main())
