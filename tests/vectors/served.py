#!/usr/bin/env python3
"""What a flag serves without a draw, written a second time, and the vectors made with it.

    python tests/vectors/served.py            writes served.json beside this file
    python tests/vectors/served.py --check    recomputes every row of it; 1 if any differs

It follows the guide (src/docs/guide/variants.md) and shares no code with the Rust crate. At most one
variant of a row has a weight, so no row depends on a bucket. Needs Python 3.7.
"""

import itertools
import json
import sys
from pathlib import Path

from off import counts_as_off, drawn_when_forced_on, off_variant, values

FILE = Path(__file__).with_name("served.json")
FEWEST_ROWS = 500


def answer(flag, on, name):
    """The answer that serves a variant, or none."""
    known = values(flag["variants"])
    value = None if name is None else known.get(name, name)
    return {"on": on, "variant": name, "value": value}


def out(flag):
    return answer(flag, False, off_variant(flag["variants"], flag["off"]))


def one(flag, name):
    return answer(flag, name not in counts_as_off(flag["variants"]), name)


def left(flag, insists):
    """The answer to those for whom the steps before turned the flag on."""
    variants, serve = flag["variants"], flag["serve"]
    names = [name for name, *_ in variants]
    off = counts_as_off(variants)
    if flag["value"] is not None:
        return {"on": True, "variant": None, "value": flag["value"]}
    if serve in names and not (insists and serve in off):
        return one(flag, serve)
    if serve is not None and not insists:
        return out(flag)
    if not names and serve is None:
        return answer(flag, True, None)
    if insists:
        candidates = drawn_when_forced_on(variants)
        return one(flag, candidates[0]) if len(candidates) == 1 else out(flag)
    weighed = [name for name, weight, *_ in variants if weight > 0]
    return one(flag, weighed[0]) if weighed and flag["traffic"] else out(flag)


def forced_on(flag):
    lifted = dict(flag, traffic=100)
    names = [name for name, *_ in flag["variants"]]
    is_on = flag["serve"] in names and flag["serve"] not in counts_as_off(flag["variants"])
    if flag["value"] is None and not is_on:
        lifted["serve"] = None
    return left(lifted, True)


def served(flag, way):
    """The answer by the step that decides."""
    names = [name for name, *_ in flag["variants"]]
    kind, _, name = way.partition(":")
    if kind == "nothing":
        return left(flag, False)
    if kind == "allowed" or way == "rule:on":
        return left(flag, True)
    if kind in ["denied", "killed"]:
        return out(flag)
    if kind == "rule":
        if name in names:
            return one(flag, name)
        return answer(flag, False, None) if name == "default" else out(flag)
    if way == "forced:on":
        return forced_on(flag)
    assert kind == "forced" and name in names
    return one(flag, name)


# Making rows.


def all_variants():
    yield from [
        [],
        [["off", 0, 0.0], ["10%", 0, 0.1], ["full", 0, 1.0]],
        [["off", 1, 0.0], ["10%", 0, 0.1]],
        [["on", 0], ["off", 0]],
        [["a", 1], ["b", 0]],
        [["a", 0, True], ["b", 1, False]],
        [["default", 0], ["control", 1]],
    ]


def rows():
    for variants in all_variants():
        names = [name for name, *_ in variants]
        ways = ["nothing", "allowed", "denied", "killed", "rule:on", "rule:default", "rule:gone"]
        # Stores and variables name a variant before they switch, but for the words for off.
        ways += [f"rule:{name}" for name in names if name != "on"]
        ways += [f"forced:{name}" for name in names if name not in ["on", "off"]]
        ways += ["forced:on"] if "on" not in names else []
        for serve, value in [*((it, None) for it in [None, *names, "gone"]), (None, 50)]:
            for off, traffic, way in itertools.product([None, "default"], [100, 0], ways):
                flag = {
                    "variants": variants,
                    "serve": serve,
                    "value": value,
                    "off": off,
                    "traffic": traffic,
                }
                yield {**flag, "way": way, "answer": served(flag, way)}


def check():
    kept = json.loads(FILE.read_text())["served"]
    wrong = [it for it in kept if served(it, it["way"]) != it["answer"]]
    for it in wrong:
        print("differs:", json.dumps(it), json.dumps(served(it, it["way"])))
    print(f"{len(kept)} rows, {len(wrong)} differ")
    return 1 if wrong or len(kept) < FEWEST_ROWS else 0


def write():
    lines = ",\n".join("    " + json.dumps(it) for it in rows())
    FILE.write_text('{\n  "served": [\n' + lines + "\n  ]\n}\n")
    return check()


if __name__ == "__main__":
    sys.exit(check() if "--check" in sys.argv[1:] else write())
