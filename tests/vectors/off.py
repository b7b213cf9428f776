#!/usr/bin/env python3
"""What counts as off and what an off flag serves, written a second time, and the vectors made with it.

    python tests/vectors/off.py            writes off.json beside this file
    python tests/vectors/off.py --check    recomputes every row of it; 1 if any differs

It follows the guide (src/docs/guide/variants.md) and shares no code with the Rust crate. A variant is a
list of its name, its weight, and its value if it has one. Needs Python 3.7.
"""

import itertools
import json
import sys
from pathlib import Path

FILE = Path(__file__).with_name("off.json")
FEWEST_ROWS = 200
SWITCHES = [{"on": True, "off": False}, {"true": True, "false": False}]


def values(variants):
    """The value of each variant that has one."""
    own = {name: value[0] for name, _, *value in variants if value}
    names = {name for name, *_ in variants}
    if not own:
        for switch in SWITCHES:
            if names and names <= switch.keys():
                return {name: switch[name] for name in names}
    return own


def counts_as_off(variants):
    """The variants that turn the flag off, in the order of the flag."""
    known = values(variants)
    return [
        name
        for name, *_ in variants
        if (not known[name] if isinstance(known.get(name), bool) else name == "off")
    ]


def off_variant(variants, off):
    """The variant that is served while the flag is off."""
    known = values(variants)
    names = [name for name, *_ in variants]
    usable = [name for name in names if known.get(name) is not True]
    if off in usable:
        return off
    if off == "default":
        return None
    for name in ["off", "control"]:
        if name in usable:
            return name
    return next((name for name in names if known.get(name) is False), None)


def drawn_when_forced_on(variants):
    """The variants that a flag which is forced on can serve; none, and it stays off."""
    off = counts_as_off(variants)
    on = [(name, weight) for name, weight, *_ in variants if name not in off]
    weighed = [name for name, weight in on if weight > 0]
    return weighed or ([on[0][0]] if len(on) == 1 else [])


# Making rows.


def all_variants():
    yield from [
        [["on", 1, True], ["off", 0, False]],
        [["off", 0, False], ["on", 1, True]],
        [["on", 10], ["off", 90]],
        [["true", 1], ["false", 1]],
        [["on", 1], ["true", 1]],
        [["on", 1], ["off", 1], ["maybe", 1]],
        [["on", 0, 1], ["off", 1, 0]],
        [["off", 1, "none"], ["on", 1, "all"]],
        [["1", 0], ["2", 1], ["4", 0]],
        [["25%", 1], ["off", 0, 0.0]],
        [["control", 34], ["higher_price", 33], ["lower_price", 33]],
        [["higher_price", 33], ["control", 34]],
        [["control", 1, True], ["other", 1, False]],
        [["off", 1, True], ["control", 1, False]],
        [["small", 50], ["large", 50]],
        [["fast", 50, 200], ["slow", 50, 800]],
        [["yes", 1, True], ["no", 1, False]],
        [["no", 1, False], ["never", 1, False]],
        [["a", 0], ["b", 0], ["off", 1]],
        [["off", 1]],
        [["off", 0]],
        [["only", 0]],
        [["a", 0], ["b", 0]],
    ]
    names = ["off", "control", "on"]
    choices = [[], [True], [False], [0]]
    for picked in itertools.permutations(names, 2):
        for (first, second) in itertools.product(choices, repeat=2):
            yield [[picked[0], 1, *first], [picked[1], 2, *second]]


def row(variants, off):
    return {
        "variants": variants,
        "off": off,
        "counts_as_off": counts_as_off(variants),
        "off_variant": off_variant(variants, off),
        "forced_on": drawn_when_forced_on(variants),
    }


def rows():
    for variants in all_variants():
        for off in [None, "default", variants[-1][0]]:
            yield row(variants, off)


def check():
    kept = json.loads(FILE.read_text())["off"]
    wrong = [it for it in kept if row(it["variants"], it["off"]) != it]
    for it in wrong:
        print("differs:", json.dumps(it), json.dumps(row(it["variants"], it["off"])))
    print(f"{len(kept)} rows, {len(wrong)} differ")
    return 1 if wrong or len(kept) < FEWEST_ROWS else 0


def write():
    lines = ",\n".join("    " + json.dumps(it) for it in rows())
    FILE.write_text('{\n  "off": [\n' + lines + "\n  ]\n}\n")
    return check()


if __name__ == "__main__":
    sys.exit(check() if "--check" in sys.argv[1:] else write())
