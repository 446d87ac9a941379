#!/usr/bin/env python3
"""Tests of embed_text.py."""

import contextlib
import io
import pathlib
import tempfile
import unittest

import embed_text


class EmbedTextTest(unittest.TestCase):

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)

    def embed(self, name, text, namespace="redis::lua"):
        """Runs the tool; returns (exit code, header, what it printed on stderr)."""
        path = self.root / name
        path.write_text(text, encoding="utf-8")
        output = self.root / "out" / "x.h"
        errors = io.StringIO()
        with contextlib.redirect_stderr(errors):
            code = embed_text.main([namespace, str(path), str(output)])
        return code, output.read_text() if output.exists() else "", errors.getvalue()

    def test_embeds_the_text_as_it_is(self):
        code, header, _ = self.embed("take_next.lua", 'return "\\n"\n')
        self.assertEqual(code, 0)
        self.assertIn("namespace edcert::redis::lua {", header)
        self.assertIn('std::string_view kTakeNext = R"text(return "\\n"\n)text";', header)

    def test_refuses_what_cannot_be_embedded(self):
        for name, text in (("x.lua", ' \n'), ("x.lua", 'a )text" b'), ("X-y.lua", "return 1")):
            code, header, errors = self.embed(name, text)
            self.assertEqual((code, header), (1, ""))
            self.assertIn(f"{name}:1: ", errors)

    def test_refuses_a_wrong_namespace(self):
        self.assertEqual(self.embed("x.lua", "return 1", "Redis")[0], 2)


if __name__ == "__main__":
    unittest.main()
