#!/usr/bin/env python3
"""Tests of check_protos.py, on protos that are wrong in one way each."""

import pathlib
import subprocess
import tempfile
import unittest

import check_protos

REASONS = {"FIELD_INVALID": "INVALID_ARGUMENT", "NOT_FOUND": "NOT_FOUND", "CONFLICT": "ABORTED"}

GOOD = """\
syntax = "proto3";

package edcert.toys.v1;

// Toys.
service Toys {
  // Gets a toy.
  //
  // Errors:
  // INVALID_ARGUMENT `FIELD_INVALID`: the name is malformed;
  // correct it.
  // - NOT_FOUND `NOT_FOUND`: no such toy; check the name.
  // - UNAVAILABLE without a reason: the server stops; call again.
  rpc GetToy(GetToyRequest) returns (Toy);
}

// Request of `GetToy`.
message GetToyRequest {
  // Required. `toys/{toy}`.
  string name = 1;
}

// A toy.
message Toy {
  // Part of a toy.
  message Part {
    // Optional. Colour.
    string colour = 1;
  }

  // Output only. `toys/{toy}`.
  string name = 1;
  // Immutable. Its parts.
  map<string, Part> parts = 2;
}

// Response of nothing.
message PlayResponse {
  // Whether it was fun.
  bool fun = 1;
}
"""


class CheckProtosTest(unittest.TestCase):

    def check(self, old="", new=""):
        self.assertIn(old, GOOD)
        with tempfile.TemporaryDirectory() as folder:
            protos = pathlib.Path(folder)
            (protos / "toys.proto").write_text(GOOD.replace(old, new, 1))
            image = check_protos.build(protos)
            return [(line, message)
                    for _, line, message in check_protos.check_comments(image, REASONS)]

    def test_good_protos(self):
        self.assertEqual(self.check(), [])

    def test_a_field_says_who_sets_it(self):
        for old in ["Required. `toys", "Optional. C", "Output only. `toys", "Immutable. I"]:
            [(line, message)] = self.check(old, "Its ")
            self.assertIn("does not begin with", message)
            self.assertGreater(line, 15)

    def test_an_rpc_ends_with_its_errors(self):
        [(line, message)] = self.check("  // Errors:\n", "")
        self.assertEqual((line, message), (13, "GetToy does not end with its Errors:"))
        [(_, message)] = self.check("  rpc", "  //\n  // And so on.\n  rpc")
        self.assertIn("after its Errors", message)

    def test_a_reason_is_one_of_the_page(self):
        for new in ["NOT_FOUND `LOST`: no", "ABORTED `NOT_FOUND`: no", "ABORTED `LOST`: no"]:
            [(_, message)] = self.check("NOT_FOUND `NOT_FOUND`: no", new)
            self.assertIn("docs/errors.md has no", message)
        [(_, message)] = self.check("NOT_FOUND `NOT_FOUND`: no", "NOT_FOUND: no")
        self.assertIn("an entry is", message)

    def test_the_page(self):
        page = (check_protos.ROOT / "docs/errors.md").read_text(encoding="utf-8")
        reasons = check_protos.read_reasons(page)
        self.assertEqual(reasons["ETAG_MISMATCH"], "ABORTED")
        self.assertGreater(len(reasons), 30)

    def test_the_page_of_permissions(self):
        image = check_protos.build(check_protos.ROOT / "protos")
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "page.md"
            self.assertEqual(len(list(check_protos.check_permissions(image, path))), 1)
            path.write_text(check_protos.permissions(image), encoding="utf-8")
            self.assertEqual(list(check_protos.check_permissions(image, path)), [])
            self.assertIn("| PushRecords | user or service | batch resync | ", path.read_text())
            policy = next(method for file in image for service in file.get("service", [])
                          for method in service["method"] if method["name"] == "PushRecords")
            policy["options"]["[edcert.type.rpc_policy]"]["caller"] = "USER"
            self.assertEqual(len(list(check_protos.check_permissions(image, path))), 1)

    def test_what_others_may_use_stays(self):
        with tempfile.TemporaryDirectory() as folder:
            protos = pathlib.Path(folder)
            (protos / "buf.yaml").write_text((check_protos.ROOT / "protos/buf.yaml").read_text())
            (protos / "toys.proto").write_text(GOOD)
            baseline = protos / "baseline.binpb"
            check_protos.buf("build", folder, "-o", str(baseline))
            compare = ("breaking", folder, "--against", str(baseline))
            added = GOOD.replace("bool fun = 1;", "bool fun = 1;\n  // Again.\n  bool again = 2;")
            (protos / "toys.proto").write_text(added)
            self.assertEqual(check_protos.buf(*compare).returncode, 0)
            for old, new in [("bool fun = 1;", "bool fun = 2;"), ("string colour", "bytes colour"),
                             ("rpc GetToy(GetToyRequest) returns (Toy);", "")]:
                (protos / "toys.proto").write_text(GOOD.replace(old, new))
                result = check_protos.buf(*compare, stdout=subprocess.DEVNULL)
                self.assertNotEqual(result.returncode, 0, new)


if __name__ == "__main__":
    unittest.main()
