#!/usr/bin/env python3
"""Where staged rollouts stand at given instants, written a second time, and the vectors made with it.

    python tests/vectors/rollouts.py            writes rollouts.json beside this file
    python tests/vectors/rollouts.py --check    recomputes every row of it; 1 if any differs

Instants are whole seconds since 1970, lengths of time whole seconds.

A rollout has stages, counted from 1; stage 0 is before the first and reaches nobody.

- A stage lasts its `for`, else from its own `at` to the `at` of the next stage, else for ever. The
  last stage lasts for ever. Only the lengths between dates count: they move along with the start.
- The next stage follows by itself at the end of a stage that has one, unless that is `auto: false`.
- The first stage begins at `start`, else at its own `at`, else never. If `stage` is set, that stage
  began at `stage_started` instead, and runs on from there if that is known.
- Since `paused_at`, if set, time stands still at that instant.

`due` is when the stage's time is over: null for one that never ends, that is paused, or if it is not
known when it began. `next` is when another stage follows by itself.

Whether a user is in follows from the percentage as in bucketing.py, with the purpose `rollout`. It
follows that text and shares no code with the Rust crate. Needs Python 3 and the package `xxhash`.
"""

import json
import sys
from pathlib import Path

import bucketing

FILE = Path(__file__).with_name("rollouts.json")
FEWEST_ROWS = 100


def lengths(stages):
    """How long each stage lasts; None for one without an end."""
    result = []
    for this, after in zip(stages, stages[1:]):
        if this.get("for") is not None:
            result.append(this["for"])
        elif this.get("at") is not None and after.get("at") is not None:
            result.append(after["at"] - this["at"])
        else:
            result.append(None)
    return result + [None]


def plan(rollout):
    """The spans of time as [(stage, begins, ends)], in order; unknown or endless is None."""
    stages = rollout["stages"]
    last = len(stages)
    if rollout.get("stage") is not None:
        stage, begins = min(rollout["stage"], last), rollout.get("stage_started")
        if stage == 0:
            return [(0, begins, None)]
    else:
        stage, begins = 1, rollout.get("start")
        if begins is None:
            begins = stages[0].get("at")
        if begins is None:
            return [(0, None, None)]
    spans = [] if rollout.get("stage") is not None else [(0, None, begins)]
    while True:
        length = lengths(stages)[stage - 1]
        ends = None if length is None or begins is None else begins + length
        spans.append((stage, begins, ends))
        if ends is None or stages[stage - 1].get("auto") is False:
            return spans
        stage, begins = stage + 1, ends


def stand(rollout, now):
    stages = rollout["stages"]
    paused = rollout.get("paused_at")
    time = now if paused is None else paused
    spans = plan(rollout)
    # The last span that has begun; the first one has, whatever its date.
    stage, begins, ends = [spans[0], *(span for span in spans[1:] if span[1] <= time)][-1]
    by_itself = stage == 0 or stages[stage - 1].get("auto") is not False
    if paused is not None:
        status = "paused"
    elif stage == 0:
        status = "not started"
    elif stage == len(stages):
        status = "complete"
    elif by_itself and ends is not None:
        status = "running"
    else:
        status = "waiting"
    due = None if paused is not None else ends
    return {
        "stage": stage,
        "percentage": stages[stage - 1]["percentage"] if stage else "0",
        "status": status,
        "since": begins,
        "due": due,
        "next": due if by_itself else None,
    }


def row(flag, key, rollout, now):
    result = {"flag": flag, "key": key, "rollout": rollout, "now": now, **stand(rollout, now)}
    drawn = bucketing.percentage_row(flag, None, "rollout", key, result["percentage"])
    return result | {"in": drawn["in"]}


# The inputs.

START = 1_795_251_600  # 2026-11-21T09:00:00Z
HOUR = 3600


def stage(percentage, **rest):
    return {"percentage": percentage, **rest}


TIMED = [stage("1", **{"for": 2 * HOUR}), stage("25", **{"for": 12 * HOUR}), stage("100")]
DATED = [stage("5", at=START), stage("20", at=START + HOUR), stage("60", at=START + 25 * HOUR)]
BY_HAND = [
    stage("1", auto=False),
    stage("10", auto=False, **{"for": 6 * HOUR}),
    stage("50", **{"for": HOUR}),
    stage("100", auto=False),
]
SINGLE = [stage("33.3333")]
BACKWARDS = [stage("50", **{"for": 1}), stage("0.0001", **{"for": 1}), stage("99.9999", **{"for": 1}), stage("0")]

# (rollout, offsets of the instants from START)
CASES = [
    ({"stages": TIMED}, [-1, 0, 10**6]),
    (
        {"stages": TIMED, "start": START},
        [-(10**6), -1, 0, 1, 2 * HOUR - 1, 2 * HOUR, 14 * HOUR - 1, 14 * HOUR, 14 * HOUR + 1, 10**8],
    ),
    ({"stages": TIMED, "start": START + 7}, [6, 7, 2 * HOUR + 6, 2 * HOUR + 7]),
    ({"stages": DATED}, [-1, 0, HOUR - 1, HOUR, 25 * HOUR - 1, 25 * HOUR, 10**7]),
    # Started at another time: the dates move along.
    ({"stages": DATED, "start": START - 50 * HOUR}, [-50 * HOUR - 1, -50 * HOUR, -49 * HOUR, -25 * HOUR - 1, -25 * HOUR]),
    ({"stages": BY_HAND}, [0, 10**6]),
    ({"stages": BY_HAND, "start": START}, [-1, 0, 10**6]),
    ({"stages": SINGLE}, [0]),
    ({"stages": SINGLE, "start": START}, [-1, 0, 1]),
    ({"stages": BACKWARDS, "start": START}, [-1, 0, 1, 2, 3, 4]),
    # Advanced, or put back, by hand.
    ({"stages": TIMED, "start": START, "stage": 2, "stage_started": START + HOUR}, [HOUR, 13 * HOUR - 1, 13 * HOUR]),
    ({"stages": TIMED, "start": START, "stage": 3, "stage_started": START + HOUR}, [HOUR, 10**6]),
    ({"stages": TIMED, "start": START, "stage": 1, "stage_started": START + 5 * HOUR}, [5 * HOUR, 7 * HOUR - 1, 7 * HOUR, 19 * HOUR]),
    ({"stages": BY_HAND, "stage": 2, "stage_started": START}, [0, 6 * HOUR - 1, 6 * HOUR, 10**6]),
    ({"stages": BY_HAND, "stage": 3, "stage_started": START}, [0, HOUR - 1, HOUR]),
    ({"stages": DATED, "stage": 2, "stage_started": START + 100}, [100, 24 * HOUR + 99, 24 * HOUR + 100]),
    # Another process's clock is ahead: the stage is in force, and its time begins later.
    ({"stages": TIMED, "stage": 2, "stage_started": START + 60}, [0, 59, 60, 12 * HOUR + 59, 12 * HOUR + 60]),
    # Nobody said when: it stays.
    ({"stages": TIMED, "start": START, "stage": 2}, [-1, 0, 10**6]),
    ({"stages": BY_HAND, "stage": 1}, [0]),
    # Rolled back to the beginning: no date starts it again.
    ({"stages": TIMED, "start": START, "stage": 0, "stage_started": START + HOUR}, [0, HOUR, 10**6]),
    ({"stages": DATED, "stage": 0}, [0, 10**6]),
    # More stages than there are.
    ({"stages": TIMED, "stage": 9, "stage_started": START}, [0, 10**6]),
    # Paused, before it begins, in each stage, on a boundary, and in the last.
    ({"stages": TIMED, "start": START, "paused_at": START - 1}, [-1, 0, 10**6]),
    ({"stages": TIMED, "start": START, "paused_at": START}, [0, 10**6]),
    ({"stages": TIMED, "start": START, "paused_at": START + HOUR}, [HOUR, 10**6]),
    ({"stages": TIMED, "start": START, "paused_at": START + 2 * HOUR}, [2 * HOUR, 10**6]),
    ({"stages": TIMED, "start": START, "paused_at": START + 20 * HOUR}, [20 * HOUR, 10**6]),
    ({"stages": TIMED, "stage": 1, "stage_started": START + HOUR, "paused_at": START + HOUR}, [HOUR, 10**6]),
    ({"stages": TIMED, "paused_at": START}, [0, 10**6]),
    ({"stages": DATED, "paused_at": START + HOUR}, [HOUR, 10**6]),
    # Its clock is ahead: the same instant for everybody.
    ({"stages": TIMED, "start": START, "paused_at": START + 3 * HOUR}, [HOUR, 3 * HOUR]),
]


def rows():
    for number, (rollout, offsets) in enumerate(CASES):
        for offset in offsets:
            for key in ["ana", "user-42"]:
                yield row(f"rollout_{number}", key, rollout, START + offset)


# The commands.


def write():
    lines = ",\n".join("    " + json.dumps(row) for row in rows())
    text = f'{{\n  "algorithm": "xxh3-v1",\n  "rollouts": [\n{lines}\n  ]\n}}\n'
    FILE.write_text(text, encoding="ascii", newline="\n")
    print(f"wrote {FILE.name}")


def check():
    rows = json.loads(FILE.read_text(encoding="utf-8"))["rollouts"]
    problems = []
    for number, found in enumerate(rows):
        expected = row(found["flag"], found["key"], found["rollout"], found["now"])
        if found != expected:
            problems.append(f"rollouts[{number}] is {found}, expected {expected}")
    if len(rows) < FEWEST_ROWS:
        problems.append(f"{len(rows)} rows, at least {FEWEST_ROWS} are wanted")

    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    if problems:
        return 1
    print(f"{FILE.name}: {len(rows)} rollouts, all as recomputed")
    return 0


def main(arguments):
    if arguments == []:
        write()
        return 0
    if arguments == ["--check"]:
        return check()
    print("usage: rollouts.py [--check]", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
