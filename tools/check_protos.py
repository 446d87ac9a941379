#!/usr/bin/env python3
"""Checks what the comments of the protos promise, which no compiler reads.

  check_protos.py           lints protos/ and compares it with baseline.binpb, then reads the comments
                            and policies; prints PATH:LINE: MESSAGE for each finding; exit code 1 if
                            there is any
  check_protos.py --renew   makes the protos of now the baseline, when nothing that others may use
                            was taken away

A field of a request or a resource says first who sets it. An RPC ends with its errors, and each is a
reason of docs/errors.md with the code that it has there. docs/permissions.md shows the policies of
all RPCs; UPDATE_GOLDENS=1 rewrites it.
"""

import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
# buf's builds for Linux, named one by one: the package that picks among them lists those of every
# system, and `npm ci` wants them all.
BUFS = ROOT / "tests/e2e/node_modules/@bufbuild"
BEHAVIOR = re.compile(r"(Required|Optional|Output only|Immutable)\. \S")
# An entry of the list of errors: `CODE `REASON`: what to do`, with or without a dash before it.
ENTRY = re.compile(r"(?:- )?[A-Z_]+(?: `[A-Z_]+`(?:,? or `[A-Z_]+`)*| without a reason): \S")
REASON_ROW = re.compile(r"^\| `([A-Z_]+)` \| `([A-Z_]+)` \|", re.MULTILINE)
PERMISSIONS = """# Permissions

Printed by `tools/check_protos.py` from the policies in the [protos](../protos/README.md). Do not
edit: change the policy, then run `tools/dev golden`.

This is asked before every call. Without a tool no right is needed. What a call needs besides, a role
in the event's category and the organisation in the caller's scope, is said at the RPC in the proto.
A service by itself needs no right; one that acts for a user has that user's. The class decides the
queue and the longest deadline.
"""
# Places in a FileDescriptorProto and below, for the paths of comments.
MESSAGE, SERVICE, FIELD, NESTED, METHOD = 4, 6, 2, 3, 2


def find_buf():
    """Where buf is; None when it is not installed."""
    return next(BUFS.glob("buf-linux-*/bin/buf"), None)


def buf(*arguments, **options):
    return subprocess.run([str(find_buf()), *arguments], check=False, text=True, **options)


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


def build(protos):
    """The image of the protos, as buf prints it; None when they cannot be built."""
    built = buf("build", str(protos), "-o", "-#format=json", stdout=subprocess.PIPE)
    return json.loads(built.stdout)["file"] if built.returncode == 0 else None


def of_services(image):
    return [file for file in image
            if re.fullmatch(r"edcert\..*\.v\d+", file.get("package", ""))]


def check_comments(image, reasons):
    """Yields (path, line, message) for the packages of the services."""
    for content in of_services(image):
        file = File(content)
        for line, message in check_file(file, reasons):
            yield f"protos/{file.name}", line, message


def words(value, prefix):
    return value.removeprefix(prefix).replace("_", " ").lower()


def permissions(image):
    """docs/permissions.md, from the policies."""
    page = [PERMISSIONS]
    for file in of_services(image):
        for service in file.get("service", []):
            page.append(f"\n## {file['package']}.{service['name']}\n\n"
                        "| RPC | caller | tool | rights | class |\n|---|---|---|---|---|\n")
            for method in service["method"]:
                policy = method["options"]["[edcert.type.rpc_policy]"]
                rights = ", ".join(words(right, "TOOL_RIGHT_") for right in policy.get("rights", []))
                page.append(f"| {method['name']} | {words(policy['caller'], '')} "
                            f"| {words(policy.get('tool', ''), 'TOOL_')} | {rights} "
                            f"| {words(policy['callClass'], '')} |\n")
    return "".join(page)


def check_permissions(image, path):
    """Yields what is wrong with the page, or writes it."""
    page = permissions(image)
    if os.environ.get("UPDATE_GOLDENS"):
        path.write_text(page, encoding="utf-8")
    elif not path.exists() or path.read_text(encoding="utf-8") != page:
        yield "it differs from the policies: run this with UPDATE_GOLDENS=1"


def main():
    if find_buf() is None:
        sys.exit("buf is not installed; tools/dev lint does it, or: npm ci --prefix tests/e2e")
    protos, baseline = ROOT / "protos", ROOT / "protos/baseline.binpb"
    image = build(protos)
    if image is None:
        return 1
    # Both print their findings by themselves.
    failed = buf("lint", str(protos)).returncode != 0
    failed |= buf("breaking", str(protos), "--against", str(baseline)).returncode != 0
    reasons = read_reasons((ROOT / "docs/errors.md").read_text(encoding="utf-8"))
    findings = [f"{path}:{line}: {message}" for path, line, message in check_comments(image, reasons)]
    findings += [f"docs/permissions.md: {message}"
                 for message in check_permissions(image, ROOT / "docs/permissions.md")]
    print("\n".join(findings), end="\n" if findings else "")
    failed |= bool(findings)
    if sys.argv[1:] == ["--renew"] and not failed:
        return buf("build", str(protos), "--exclude-source-info", "-o", str(baseline)).returncode
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
