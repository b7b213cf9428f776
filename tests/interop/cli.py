#!/usr/bin/env python3
"""The command `tempest flags`, driven from outside, many times in one process: starting it takes seconds.

    python tests/interop/cli.py

Every line of the input has the arguments of one run as a JSON array; its answer is a line of the output, with the
exit code and what was printed.
"""

import json
import sys

from tempest_fastapi_sdk.cli.flags import flags_app
from typer.testing import CliRunner


def main():
    sys.stdin.reconfigure(encoding="utf-8", newline="\n")
    sys.stdout.reconfigure(encoding="utf-8")
    runner = CliRunner()
    for line in sys.stdin:
        result = runner.invoke(flags_app, json.loads(line))
        print(json.dumps([result.exit_code, result.stdout, result.stderr]), flush=True)


if __name__ == "__main__":
    main()
