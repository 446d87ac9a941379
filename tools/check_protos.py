#!/usr/bin/env python3
"""Checks what the comments of the protos promise, which no compiler reads.

  check_protos.py           lints protos/ and compares it with baseline.binpb, then reads the comments;
                            prints PATH:LINE: MESSAGE for each finding; exit code 1 if there is any
  check_protos.py --renew   makes the protos of now the baseline, when nothing that others may use
                            was taken away

A field of a request or a resource says first who sets it. An RPC ends with its errors, and each is a
reason of docs/errors.md with the code that it has there.
"""

import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUF = ROOT / "tests/e2e/node_modules/.bin/buf"
BEHAVIOR = re.compile(r"(Required|Optional|Output only|Immutable)\. \S")
# An entry of the list of errors: `CODE `REASON`: what to do`, with or without a dash before it.
ENTRY = re.compile(r"(?:- )?[A-Z_]+(?: `[A-Z_]+`(?:,? or `[A-Z_]+`)*| without a reason): \S")
REASON_ROW = re.compile(r"^\| `([A-Z_]+)` \| `([A-Z_]+)` \|", re.MULTILINE)
# Places in a FileDescriptorProto and below, for the paths of comments.
MESSAGE, SERVICE, FIELD, NESTED, METHOD = 4, 6, 2, 3, 2


def buf(*arguments, **options):
    return subprocess.run([str(BUF), *arguments], check=False, text=True, **options)


def read_reasons(page):
    """The code of each reason, from docs/errors.md."""
    return dict(REASON_ROW.findall(page))


class File:
    """A file of the image that `buf build` prints as JSON."""

    def __init__(self, file):
        self.name = file["name"]
        self.messages = file.get("messageType", [])
        self.services = file.get("service", [])
        self.places = {tuple(place.get("path", ())): place
                       for place in file["sourceCodeInfo"]["location"]}

    def comment(self, path):
        return self.places.get(path, {}).get("leadingComments", "")

    def line(self, path):
        return self.places.get(path, {}).get("span", [0])[0] + 1


def check_fields(file, message, path):
    if message.get("options", {}).get("mapEntry"):
        return
    for i, field in enumerate(message.get("field", [])):
        place = (*path, FIELD, i)
        if not BEHAVIOR.match(file.comment(place).strip()):
            yield file.line(place), (f"{message['name']}.{field['name']} does not begin with "
                                     "Required., Optional., Output only. or Immutable.")
    for i, nested in enumerate(message.get("nestedType", [])):
        yield from check_fields(file, nested, (*path, NESTED, i))


def check_errors(name, comment, reasons):
    """Yields what is wrong with the list of errors at the end of an RPC's comment."""
    _, found, listed = comment.partition("\n Errors:\n")
    if not found:
        yield f"{name} does not end with its Errors:"
        return
    entries = []
    for line in listed.splitlines():
        text = line[1:]
        if re.match(r"(- )?[A-Z_]{3,}( `[A-Z_]+`| without a reason|:)", text):
            entries.append(text)
        elif not text.strip():
            yield f"{name} says something after its Errors:"
            return
        elif entries:
            entries[-1] += " " + text.strip()
        else:
            yield f"{name}: no entry of Errors: {text.strip()}"
    if not entries:
        yield f"{name} lists no errors"
    for entry in entries:
        head = entry.removeprefix("- ").split(": ")[0]
        code = head.split()[0].rstrip(":")
        if not ENTRY.match(entry):
            yield f"{name}: an entry is `CODE `REASON`: what to do`, not {head}"
        for reason in re.findall(r"`([A-Z_]+)`", head):
            if reasons.get(reason) != code:
                yield f"{name}: docs/errors.md has no {reason} with {code}"


def check_file(file, reasons):
    for i, message in enumerate(file.messages):
        if not message["name"].endswith("Response"):
            yield from check_fields(file, message, (MESSAGE, i))
    for s, service in enumerate(file.services):
        for m, method in enumerate(service["method"]):
            place = (SERVICE, s, METHOD, m)
            for finding in check_errors(method["name"], file.comment(place), reasons):
                yield file.line(place), finding


def check_comments(protos, reasons):
    """Yields (path, line, message) for the packages of the services."""
    built = buf("build", str(protos), "-o", "-#format=json", stdout=subprocess.PIPE)
    if built.returncode != 0:
        yield "protos", 0, "buf build failed; see above"
        return
    for content in json.loads(built.stdout)["file"]:
        if re.fullmatch(r"edcert\..*\.v\d+", content.get("package", "")):
            file = File(content)
            for line, message in check_file(file, reasons):
                yield f"protos/{file.name}", line, message


def main():
    if not BUF.exists():
        sys.exit("buf is not installed; tools/dev lint does it, or: npm ci --prefix tests/e2e")
    protos, baseline = ROOT / "protos", ROOT / "protos/baseline.binpb"
    # Both print their findings by themselves.
    failed = buf("lint", str(protos)).returncode != 0
    failed |= buf("breaking", str(protos), "--against", str(baseline)).returncode != 0
    reasons = read_reasons((ROOT / "docs/errors.md").read_text(encoding="utf-8"))
    for path, line, message in check_comments(protos, reasons):
        failed = True
        print(f"{path}:{line}: {message}")
    if sys.argv[1:] == ["--renew"] and not failed:
        return buf("build", str(protos), "--exclude-source-info", "-o", str(baseline)).returncode
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
