"""Calls the services of a running cluster through edcertctl, for the demo and the benchmarks."""

import datetime
import json
import os
import pathlib
import shlex
import subprocess
import time
import zoneinfo

ROOT = pathlib.Path(__file__).resolve().parent.parent
ALL_RIGHTS = ["TOOL_RIGHT_READ", "TOOL_RIGHT_WRITE", "TOOL_RIGHT_ADD", "TOOL_RIGHT_DELETE"]
WAIT_SECONDS = 30


def program():
    """edcertctl of the build that the environment names."""
    preset = os.environ.get("EDCERT_PRESET", "dev")
    path = ROOT / "build" / preset / "bin" / "edcertctl"
    check(path.exists(), f"{path} to be built: run it through tools/dev")
    check("EDCERT_CLUSTER" in os.environ, "a running cluster: run it through tools/dev")
    return path


def state_today():
    """Today in the state's time zone, as tools/cluster.py configures it: windows are its days."""
    return datetime.datetime.now(zoneinfo.ZoneInfo("America/Chicago")).date()


class Refused(Exception):
    """An RPC answered with an error of the catalogue."""

    def __init__(self, error):
        super().__init__(f"{error.get('reason', error['code'])}: {error['message']}")
        self.reason = error.get("reason", error["code"])
        self.metadata = error.get("metadata", {})


class Client:
    """Calls edcertctl; one process per call, as a person at a terminal would."""

    def __init__(self, program, verbose):
        self.program = program
        self.verbose = verbose

    def run(self, user, service, method, /, **fields):
        """Every message of the answer."""
        command = [str(self.program), "--as", user, service, method]
        for name, value in fields.items():
            values = value if isinstance(value, list) else [value]
            for item in values if value != "" else []:
                text = item if isinstance(item, str) else json.dumps(item)
                command.append(f"--{name.replace('_', '-')}={text}")
        if self.verbose:
            shown = ["edcertctl"] + [part if len(part) < 100 else part[:97] + "..."
                                     for part in command[1:]]
            print("      $ " + shlex.join(shown))
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            try:
                error = json.loads(done.stderr.strip().splitlines()[-1])
            except (ValueError, IndexError):
                raise SystemExit(f"{shlex.join(command)}\n{done.stderr}") from None
            raise Refused(error)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def call(self, user, service, method, /, **fields):
        """The one message of the answer."""
        return self.run(user, service, method, **fields)[-1]


def check(condition, what):
    """Ends the program when something is not as it must be."""
    if not condition:
        raise SystemExit(f"expected: {what}")


def wait_for(look, what, seconds=WAIT_SECONDS):
    """Looks again until `look` gives something true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.03)
    raise SystemExit(f"waited {seconds} s for: {what}")
