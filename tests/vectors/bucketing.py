#!/usr/bin/env python3
"""Bucketing version 1 (`xxh3-v1`), written a second time, and the vectors made with it.

    python tests/vectors/bucketing.py            writes bucketing.json beside this file
    python tests/vectors/bucketing.py --check    recomputes every row of it; 1 if any differs

    u                   = XXH3_64(utf8(targeting key))
    seed(flag, purpose) = XXH3_64(utf8(salt) ++ 0x00 ++ utf8(purpose))
                          the salt is the flag key unless one is set; "" is a salt that is set
                          the purpose is "rollout", "variant" or "rule:NAME"
    h                   = XXH3_64_with_seed(u as 8 little-endian bytes, seed)
    in the percentage p   when h < floor(P * 2^64 / 1,000,000), P being p in ten-thousandths;
                          100 is everybody, 0 nobody
    variant i             the first i with (h * total) >> 64 < weight_0 + ... + weight_i

It follows that text and shares no code with the Rust crate. 64-bit numbers are decimal strings,
since a JSON number may pass through a float. Needs Python 3 and the package `xxhash`.
"""

import json
import sys
from pathlib import Path

import xxhash

FILE = Path(__file__).with_name("bucketing.json")
FEWEST_ROWS = 300
TEN_THOUSANDTHS_OF_100 = 1_000_000


# The algorithm.


def unit(key):
    return xxhash.xxh3_64_intdigest(key.encode("utf-8"))


def seed(flag, salt, purpose):
    if salt is None:
        salt = flag
    return xxhash.xxh3_64_intdigest(salt.encode("utf-8") + b"\x00" + purpose.encode("utf-8"))


def bucket(u, seed):
    return xxhash.xxh3_64_intdigest(u.to_bytes(8, "little"), seed=seed)


def ten_thousandths(percentage):
    """`"12.5"` is 125000: decimal text, at most four decimals, no float on the way."""
    whole, _, decimals = percentage.partition(".")
    assert whole.isdigit() and len(decimals) <= 4, percentage
    return int(whole) * 10_000 + int(decimals.ljust(4, "0"))


def percentage_text(ten_thousandths):
    """The shortest text: 125000 is `"12.5"`."""
    whole, decimals = divmod(ten_thousandths, 10_000)
    return f"{whole}.{decimals:04}".rstrip("0").rstrip(".")


def threshold(percentage):
    """Everything below it is in. 2^64 does not fit an unsigned 64-bit number: `everybody`."""
    p = ten_thousandths(percentage)
    if p == TEN_THOUSANDTHS_OF_100:
        return "everybody"
    return str(p * 2**64 // TEN_THOUSANDTHS_OF_100)


def is_in(h, threshold):
    return threshold == "everybody" or h < int(threshold)


def variant_index(h, weights):
    point = (h * sum(weights)) >> 64
    upper = 0
    for index, weight in enumerate(weights):
        upper += weight
        if point < upper:
            return index
    raise AssertionError("the point lies below the total")


# The rows: from the inputs alone, so that --check can make each again from the file.


def hash_row(flag, salt, purpose, key):
    u = unit(key)
    s = seed(flag, salt, purpose)
    return {
        "flag": flag,
        "salt": salt,
        "purpose": purpose,
        "key": key,
        "u": str(u),
        "seed": str(s),
        "h": str(bucket(u, s)),
    }


def percentage_row(flag, salt, purpose, key, percentage):
    row = hash_row(flag, salt, purpose, key)
    row["percentage"] = percentage
    row["threshold"] = threshold(percentage)
    row["in"] = is_in(int(row["h"]), row["threshold"])
    return row


def variant_row(flag, salt, purpose, key, weights):
    """Weights are ten-thousandths, as text: `34` in a flag file is `"340000"` here."""
    row = hash_row(flag, salt, purpose, key)
    row["weights"] = weights
    row["index"] = variant_index(int(row["h"]), [int(weight) for weight in weights])
    return row


# The inputs.

KEYS = [
    # ASCII, at every length around which XXH3 changes its method.
    "", "a", "ab", "abc", "abcd", "user-42", "12345678", "123456789",
    "0123456789abcdef", "0123456789abcdefg", "k" * 128, "k" * 129, "k" * 240, "k" * 241,
    "k" * 1023, "k" * 1024, "k" * 1025,
    "".join(chr(ord("a") + i % 26) for i in range(1000)),
    # What hosts really use.
    "ana", "Ana", "ANA", "ana@example.com", "b9a1c3e4-6c1e-4b7e-9a35-0d1f7ed3a001", "42", "042", "-1",
    "auth0|5f7c8ec7c33c6c004bbafe82", "tenant/7/user/9",
    # White space and control characters are part of the key.
    " ", "ana ", " ana", "a\tb", "a\nb", "a\r\nb", "\n", "\x00", "\x00\x00", "a\x00", "\x00a", "a\x00b", "\x7f",
    # Non-ASCII: composed and decomposed are two keys; nothing is normalised or folded.
    "\u00e9", "e\u0301", "Z\u0061\u0308hler", "Z\u00e4hler", "\u00df", "ss", "\u0130stanbul", "i\u0307stanbul",
    "\ufeffana", "ana\u200b", "\u00a0",
    # CJK, Korean twice (syllable and letters), right-to-left, Indic, Thai.
    "\u7528\u6237\u4e00", "\u30e6\u30fc\u30b6\u30fc", "\ud55c", "\u1112\u1161\u11ab",
    "\u05de\u05e9\u05ea\u05de\u05e9", "\u0645\u0633\u062a\u062e\u062f\u0645", "\u202eabc",
    "\u0928\u092e\u0938\u094d\u0924\u0947", "\u0e1c\u0e39\u0e49",
    # Outside the basic plane: one emoji, a joined family, a flag, the last code point.
    "\U0001f600", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f1e9\U0001f1ea", "\U0010ffff",
    "\U0001f600" * 256,
]

FEW_KEYS = ["", "ana", "user-42", "a\x00b", "\u00e9", "\U0001f600", "k" * 240, "k" * 1024]

# (flag, salt, purpose)
SEEDS = [
    ("new_checkout", "new_checkout", "rollout"),  # the same as no salt
    ("new_checkout", "", "rollout"),  # not the same as no salt
    ("new_checkout", "", "variant"),
    ("new_checkout", "2026-q4", "rollout"),
    ("new_checkout", "2026-q4", "variant"),
    ("other_flag", "2026-q4", "rollout"),  # a shared salt: the same users are in
    ("new_checkout", None, "rule:beta"),
    ("new_checkout", None, "rule:old iOS stays out"),
    ("new_checkout", None, "rule:"),
    ("new_checkout", None, "rule:\u00e9"),
    ("new_checkout", None, "rule:rollout"),
    ("new_checkout", "2026-q4", "rule:beta"),
    ("a", None, "rollout"),
    ("", None, "rollout"),
    ("search.v2", None, "rollout"),
    ("New-Search", None, "rollout"),
    ("new-search", None, "rollout"),
    ("new_checkout\x00", None, "rollout"),  # the separator inside a name is no escape
    ("new_checkout", "a\x00rollout", "rollout"),
    ("\u65b0\u6a5f\u80fd", None, "rollout"),
    ("\u65b0\u6a5f\u80fd", None, "variant"),
    ("\U0001f680", None, "rollout"),
    ("flag", "e\u0301", "rollout"),
    ("flag", "\u00e9", "rollout"),
    ("f" * 300, None, "rollout"),
    ("flag", "s" * 1024, "variant"),
]

PERCENTAGES = [
    "0", "0.0001", "0.0002", "0.001", "0.01", "0.1", "0.5", "1", "2.5", "5", "10", "12.5", "20", "25",
    "33.3333", "33.3334", "50", "50.0001", "66.6666", "66.6667", "75",
    "87.6543", "90", "99", "99.9", "99.99", "99.9998", "99.9999", "100",
]

# XXH3 of eight bytes can be run backwards, so these salts and keys were searched for rather than
# met by chance: h is the threshold itself (out), or one below it (in).
AT_THE_THRESHOLD = [
    # (percentage, h - threshold, salt, key)
    ("0.0001", -1, "edge-110202", "gqrRDmRT"),
    ("0.0001", 0, "edge-40300", "zioGWmRq"),
    ("0.001", -1, "edge-51707", "fE98tPtf"),
    ("0.001", 0, "edge-1138", "cQi8izXf"),
    ("0.01", -1, "edge-39101", "rZDxCKsO"),
    ("0.01", 0, "edge-3861", "2NMt2HA2"),
    ("0.1", -1, "edge-79446", "kNwM04bK"),
    ("0.1", 0, "edge-28379", "kr1VFdNy"),
    ("1", -1, "edge-18433", "MZ2EzmcL"),
    ("1", 0, "edge-96063", "9hBPBx_d"),
    ("10", -1, "edge-94057", "qMRdTgON"),
    ("10", 0, "edge-134784", "054CRTGE"),
    ("12.5", -1, "edge-68273", "ACJp4sJv"),
    ("12.5", 0, "edge-16274", "iAY7Kbg4"),
    ("25", -1, "edge-12051", "f8t2vFbH"),
    ("25", 0, "edge-46610", "NL0AK0J7"),
    ("33.3333", -1, "edge-83776", "dd-jdOZK"),
    ("33.3333", 0, "edge-94970", "j7Crt3bJ"),
    ("50", -1, "edge-230373", "V3-HH_OS"),
    ("50", 0, "edge-80177", "RCZsj8ls"),
    ("66.6667", -1, "edge-24502", "XoEpO25c"),
    ("66.6667", 0, "edge-76892", "thgSSbdO"),
    ("75", -1, "edge-16320", "BmxxF32x"),
    ("75", 0, "edge-20570", "dd9EQFWF"),
    ("87.6543", -1, "edge-38302", "WZ5kwFce"),
    ("87.6543", 0, "edge-310998", "dQFU8Xm8"),
    ("90", -1, "edge-1146", "4BonvJEJ"),
    ("90", 0, "edge-54750", "MIU7H5Rz"),
    ("99", -1, "edge-96181", "uiDyqajz"),
    ("99", 0, "edge-9262", "yPniFK7A"),
    ("99.9", -1, "edge-156901", "OfHh0G56"),
    ("99.9", 0, "edge-6961", "QBcLWaFv"),
    ("99.99", -1, "edge-45502", "2vHQmGxC"),
    ("99.99", 0, "edge-49593", "BSIYDdrw"),
    ("99.9999", -1, "edge-233114", "Va9XOkl7"),
    ("99.9999", 0, "edge-35083", "TXnKnFwz"),
]
SMALLEST_H = ("edge-20288", "9nRT9KZO")  # h = 0 for "rollout"
LARGEST_H = ("edge-134117", "18O2wQiz")  # h = 2^64 - 1 for "rollout"

WEIGHTS = [
    ["10000"],
    ["500000", "500000"],
    ["340000", "330000", "330000"],
    ["333333", "333333", "333334"],
    ["100000", "200000", "300000", "400000"],
    ["1", "999999"],
    ["999999", "1"],
    ["1", "1", "1"],  # weights need not add up to 100
    ["20000", "10000"],
    ["0", "10000", "0", "10000"],  # a weight of nought is never chosen
    ["70000", "110000", "130000", "170000", "190000", "230000", "290000", "310000"],
    ["1000000000000", "2000000000000", "1"],  # the product needs 128 bits
]

# Searched for like the ones above: the last h of one variant, and the first of the next.
AT_A_VARIANTS_EDGE = [
    # (weights, h, salt, key)
    (["1", "1"], "9223372036854775807", "edge-4746", "HvujoVEB"),
    (["1", "1"], "9223372036854775808", "edge-54799", "y_RQX_iX"),
    (["1", "1", "1"], "6148914691236517205", "edge-106518", "Yb6QJ0-i"),
    (["1", "1", "1"], "6148914691236517206", "edge-46896", "uO0ImywH"),
    (["1", "1", "1"], "12297829382473034410", "edge-53847", "zv-oa9u2"),
    (["1", "1", "1"], "12297829382473034411", "edge-21796", "X-gKTVFO"),
    (["500000", "500000"], "9223372036854775807", "edge-4746", "HvujoVEB"),
    (["500000", "500000"], "9223372036854775808", "edge-54799", "y_RQX_iX"),
    (["340000", "330000", "330000"], "6271892985061247549", "edge-14982", "fPwsou_8"),
    (["340000", "330000", "330000"], "6271892985061247550", "edge-26911", "7lL7QeuO"),
    (["340000", "330000", "330000"], "12359318529385399582", "edge-53020", "ZVRjqQBC"),
    (["340000", "330000", "330000"], "12359318529385399583", "edge-23774", "3har27h8"),
    (["333333", "333333", "333334"], "6148908542321825968", "edge-38050", "jPXaZr3X"),
    (["333333", "333333", "333334"], "6148908542321825969", "edge-32580", "lom8R8f9"),
    (["333333", "333333", "333334"], "12297817084643651937", "edge-23245", "N1d7Sf2p"),
    (["333333", "333333", "333334"], "12297817084643651938", "edge-52112", "TsgxMYuy"),
    (["100000", "200000", "300000", "400000"], "1844674407370955161", "edge-95177", "85loUPhV"),
    (["100000", "200000", "300000", "400000"], "1844674407370955162", "edge-12372", "zVaOnfwZ"),
    (["100000", "200000", "300000", "400000"], "5534023222112865484", "edge-109903", "Yw0BV2HA"),
    (["100000", "200000", "300000", "400000"], "5534023222112865485", "edge-217079", "CRI9zGVK"),
    (["100000", "200000", "300000", "400000"], "11068046444225730969", "edge-55544", "ohd62dEh"),
    (["100000", "200000", "300000", "400000"], "11068046444225730970", "edge-195776", "5f5SKKRW"),
    (["1", "999999"], "18446744073709", "edge-4205", "HtyY7B0M"),
    (["1", "999999"], "18446744073710", "edge-19898", "mchdpiHP"),
    (["340000", "330000", "330000"], "0", "edge-58394", "hoCuXg7U"),
    (["340000", "330000", "330000"], "18446744073709551615", "edge-61105", "H2l3Fd6b"),
]


def hashes():
    for key in KEYS:
        for purpose in ["rollout", "variant", "rule:beta"]:
            yield hash_row("new_checkout", None, purpose, key)
    for flag, salt, purpose in SEEDS:
        for key in FEW_KEYS:
            yield hash_row(flag, salt, purpose, key)


def percentages():
    for percentage in PERCENTAGES:
        for key in ["", "ana", "user-42"]:
            yield percentage_row("new_checkout", None, "rollout", key, percentage)
        for salt, key in [SMALLEST_H, LARGEST_H]:
            yield percentage_row("edge", salt, "rollout", key, percentage)

    # Of every key, the largest percentage that leaves it out and the smallest that lets it in.
    for number, key in enumerate(KEYS):
        flag = f"flag_{number}"
        h = int(hash_row(flag, None, "rollout", key)["h"])
        p = h * TEN_THOUSANDTHS_OF_100 >> 64
        out = percentage_row(flag, None, "rollout", key, percentage_text(p))
        into = percentage_row(flag, None, "rollout", key, percentage_text(p + 1))
        assert not out["in"] and into["in"], (out, into)
        yield out
        yield into

    for percentage, distance, salt, key in AT_THE_THRESHOLD:
        row = percentage_row("edge", salt, "rollout", key, percentage)
        assert int(row["h"]) - int(row["threshold"]) == distance, row
        yield row


def variants():
    for weights in WEIGHTS:
        for key in FEW_KEYS:
            yield variant_row("pricing_page", None, "variant", key, weights)
        for key in ["ana", "bob"]:
            yield variant_row("pricing_page", "2026-q4", "variant", key, weights)

    # Two weights whose border lies just below and just above the point of the key.
    for key in KEYS:
        total = TEN_THOUSANDTHS_OF_100
        point = int(hash_row("pricing_page", None, "variant", key)["h"]) * total >> 64
        for first, index in [(point, 1), (point + 1, 0)]:
            row = variant_row("pricing_page", None, "variant", key, [str(first), str(total - first)])
            assert row["index"] == index, row
            yield row

    for weights, h, salt, key in AT_A_VARIANTS_EDGE:
        row = variant_row("edge", salt, "variant", key, weights)
        assert row["h"] == h, row
        yield row


SECTIONS = {
    "hashes": (hashes, hash_row, ["flag", "salt", "purpose", "key"]),
    "percentages": (percentages, percentage_row, ["flag", "salt", "purpose", "key", "percentage"]),
    "variants": (variants, variant_row, ["flag", "salt", "purpose", "key", "weights"]),
}


# The commands.


def write():
    """One row a line, ASCII only, so that editors and diffs leave every key as it is."""
    sections = []
    for name, (rows, _, _) in SECTIONS.items():
        lines = ",\n".join("    " + json.dumps(row) for row in rows())
        sections.append(f'  "{name}": [\n{lines}\n  ]')
    text = '{\n  "algorithm": "xxh3-v1",\n' + ",\n".join(sections) + "\n}\n"
    FILE.write_text(text, encoding="ascii", newline="\n")
    print(f"wrote {FILE.name}")


def check():
    document = json.loads(FILE.read_text(encoding="utf-8"))
    problems = []
    if document.get("algorithm") != "xxh3-v1":
        problems.append("algorithm: not `xxh3-v1`")
    for name, (_, make, inputs) in SECTIONS.items():
        rows = document.get(name, [])
        for number, row in enumerate(rows):
            try:
                expected = make(*(row[field] for field in inputs))
            except (AssertionError, AttributeError, KeyError, TypeError, ValueError) as error:
                problems.append(f"{name}[{number}]: cannot be recomputed: {error!r}")
                continue
            for field in sorted(expected.keys() | row.keys()):
                if field not in row or field not in expected or row[field] != expected[field]:
                    problems.append(
                        f"{name}[{number}] (flag {row['flag'][:40]!r}, key {row['key'][:40]!r}): "
                        f"{field} is {row.get(field)!r}, expected {expected.get(field)!r}"
                    )
        if not rows:
            problems.append(f"{name}: no rows")
    count = len(document.get("hashes", []))
    if count < FEWEST_ROWS:
        problems.append(f"hashes: {count} rows, at least {FEWEST_ROWS} are wanted")

    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    if problems:
        print(f"{FILE.name}: {len(problems)} problems", file=sys.stderr)
        return 1
    counts = ", ".join(f"{len(document[name])} {name}" for name in SECTIONS)
    print(f"{FILE.name}: {counts}, all as recomputed")
    return 0


def main(arguments):
    if arguments == []:
        write()
        return 0
    if arguments == ["--check"]:
        return check()
    print("usage: bucketing.py [--check]", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
