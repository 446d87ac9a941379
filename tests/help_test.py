#!/usr/bin/env python3
"""Compares what the programs print for --help with tests/testdata/help.

  help_test.py BIN    the folder of the programs

UPDATE_GOLDENS=1 rewrites the files instead; tools/dev golden does that.
"""

import difflib
import os
import pathlib
import subprocess
import sys

GOLDENS = pathlib.Path(__file__).resolve().parent / "testdata/help"
SERVERS = ["event_registry", "dataset", "validation_report", "snapshot", "workflow", "notification"]


def help_of(program):
    """What it prints when it is called by its name, without variables that would show as defaults."""
    environment = {name: value for name, value in os.environ.items() if "EDCERT" not in name}
    done = subprocess.run([program.name, "--help"], executable=program, capture_output=True,
                          text=True, env=environment, check=False)
    if done.returncode != 0 or done.stderr:
        sys.exit(f"{program} --help: exit code {done.returncode}\n{done.stderr}")
    return "".join(line.rstrip() + "\n" for line in done.stdout.rstrip().splitlines())


def main(folder):
    failed = False
    for name in ["edcertctl", *(f"{service}_server" for service in SERVERS)]:
        golden = GOLDENS / f"{name}.txt"
        printed = help_of(pathlib.Path(folder).resolve() / name)
        if os.environ.get("UPDATE_GOLDENS"):
            golden.parent.mkdir(parents=True, exist_ok=True)
            golden.write_text(printed, encoding="utf-8")
            continue
        expected = golden.read_text(encoding="utf-8") if golden.exists() else ""
        if printed != expected:
            failed = True
            sys.stdout.writelines(difflib.unified_diff(
                expected.splitlines(True), printed.splitlines(True), str(golden), "printed"))
    if failed:
        print("The help differs: run tools/dev golden and review.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
