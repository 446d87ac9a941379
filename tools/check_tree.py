#!/usr/bin/env python3
"""Reads every tracked text file: links that lead nowhere, stray characters, unfinished words.

  check_tree.py      prints PATH:LINE: MESSAGE for each finding; exit code 1 if there is any
"""

import pathlib
import re
import subprocess
import sys
import urllib.parse

# Written in two halves, so that this file does not hold them.
WORDS = [
    (re.compile(r"\b(FIX" r"ME|XX" r"X|HA" r"CK)\b"), "unfinished: {0}"),
    (re.compile(r"\bTO" r"DO\b(?!: \w.*\bwhen\b)"), "a {0} says what, and when which condition holds"),
    (re.compile(r"^(<{7}|>{7}) "), "a merge marker"),
    (re.compile(r"(?<![\w.])/(?:work|home|root)/\w+"), "the path of one machine: {0}"),
    (re.compile(r"\blorem " r"ipsum\b", re.IGNORECASE), "filler: {0}"),
    (re.compile(r"(?<=.)[ \t]+$|^[ \t]+$"), "trailing blanks"),
]
TAB = re.compile(r"\t")
LINK = re.compile(r"!?\[[^\]\n]*\]\(<?([^)>\s]+)>?(?:\s+\"[^\"]*\")?\)")
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*\s*$")
FENCE = re.compile(r"^\s*(```|~~~)")
# What programs write, and what may hold anything.
GENERATED = re.compile(r"(^|/)(testdata|golden|goldens|corpus)/|\.golden\b|package-lock\.json$|\.binpb$")


def anchor(heading):
    """Returns the fragment of a heading, as the usual viewers make it."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def prose(text):
    """Yields (line number, line) outside fenced code."""
    fenced = False
    for number, line in enumerate(text.splitlines(), start=1):
        if FENCE.match(line):
            fenced = not fenced
        elif not fenced:
            yield number, line


def anchors(text):
    headings = (HEADING.match(line) for _, line in prose(text))
    return {anchor(heading.group(1)) for heading in headings if heading}


def check_links(root, path, text):
    for number, line in prose(text):
        for match in LINK.finditer(re.sub(r"`[^`]*`", "", line)):
            target = match.group(1)
            if re.match(r"[a-z][a-z0-9+.-]*:", target):
                continue
            file, _, fragment = urllib.parse.unquote(target).partition("#")
            linked = (root / path).parent / file if file else root / path
            if file.startswith("/") or not linked.exists():
                yield number, f"the link to {target} leads nowhere"
            elif fragment and linked.suffix == ".md" and (
                    fragment not in anchors(linked.read_text(encoding="utf-8"))):
                yield number, f"no heading for the link to {target}"


def check_text(path, text):
    for number, line in enumerate(text.splitlines(), start=1):
        for pattern, message in WORDS:
            match = pattern.search(line)
            if match:
                yield number, message.format(match.group(0))
        if TAB.search(line):
            yield number, "a tab"
    if text and not text.endswith("\n"):
        yield text.count("\n") + 1, "no newline at the end"
    if text.endswith("\n\n"):
        yield text.count("\n"), "blank lines at the end"


def check_file(root, path):
    try:
        text = (root / path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return
    yield from check_text(path, text)
    if path.endswith(".md"):
        yield from check_links(root, path, text)


def tracked_files(root):
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, check=True, capture_output=True)
    return [path for path in listed.stdout.decode().split("\0")
            if path and (root / path).is_file() and not GENERATED.search(path)]


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    findings = [f"{path}:{number}: {message}" for path in tracked_files(root)
                for number, message in check_file(root, path)]
    print("\n".join(findings), end="\n" if findings else "")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
