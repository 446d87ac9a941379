#!/usr/bin/env python3
"""Tests of check_tree.py."""

import pathlib
import tempfile
import unittest

import check_tree


class CheckTreeTest(unittest.TestCase):

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        (self.root / "docs").mkdir()
        (self.root / "docs" / "a.md").write_text("# One `thing`, two\n")

    def check(self, text, path="docs/b.md"):
        (self.root / path).write_text(text)
        return list(check_tree.check_file(self.root, path))

    def test_good_text(self):
        self.assertEqual(self.check(
            "[a](a.md) [b](a.md#one-thing-two) [c](../docs) [d](#here) <https://example.invalid>\n"
            "[e](https://example.invalid/x) `[f](nowhere.md)`\n\n## Here\n\n```\n[g](no.md)\n```\n"
            "TO" "DO: drop this, when the old clients are gone.\n"), [])

    def test_links(self):
        self.assertEqual([line for line, _ in self.check("[a](no.md)\n[b](a.md#no)\n[c](#no)\n")],
                         [1, 2, 3])

    def test_words_and_blanks(self):
        text = ("FIX" "ME\nTO" "DO later\n<<<<<<" "< mine\n/ho" "me/me/x\nblank \n\ttab\nurl/wo" "rk/x\n"
                "\n\n")
        self.assertEqual([line for line, _ in self.check(text, "a.sh")], [1, 2, 3, 4, 5, 6, 9])

    def test_the_end(self):
        self.assertEqual(self.check("x", "a.sh"), [(1, "no newline at the end")])
        self.assertEqual(self.check("", "a.sh"), [])

    def test_binary_files_are_skipped(self):
        (self.root / "x.bin").write_bytes(b"\xff\xfe\x00")
        self.assertEqual(list(check_tree.check_file(self.root, "x.bin")), [])


if __name__ == "__main__":
    unittest.main()
