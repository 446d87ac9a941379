#!/usr/bin/env python3
"""Tests of the generator: the same seed gives the same district, mistakes are where truth says."""

import json
import pathlib
import re
import tempfile
import unittest

import generate
import grand_bend
import oracle

ROOT = pathlib.Path(__file__).resolve().parents[2]


class GenerateTest(unittest.TestCase):
    def test_same_seed_same_bytes(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in "ab":
                generate.main(["--seed", "3", "--students", "400", "--out", f"{folder}/{name}"])
            for file in sorted(pathlib.Path(folder, "a").iterdir()):
                other = pathlib.Path(folder, "b", file.name)
                self.assertEqual(file.read_bytes(), other.read_bytes(), file.name)

    def test_every_rule_finds_something(self):
        for seed in range(3):
            _, truth = generate.generate(seed, 3000, 8)
            self.assertEqual([], [code for code, keys in truth.items() if not keys])

    def test_clean_district_has_no_findings(self):
        for seed, students, schools in ((1, 400, 8), (2, 100, 3), (3, 20, 1), (4, 900, 2)):
            _, truth = generate.generate(seed, students, schools, clean=True)
            self.assertFalse(any(truth.values()))

    def test_small_districts(self):
        for seed, students, schools in ((1, 400, 8), (2, 100, 3), (3, 20, 1), (4, 60, 2)):
            generate.generate(seed, students, schools)

    def test_clean_and_not_clean_are_one_district(self):
        clean, _ = generate.generate(5, 500, 6, clean=True)
        other, _ = generate.generate(5, 500, 6)
        self.assertEqual(clean.organizations, other.organizations)
        numbers = {row["student_uid"] for row in clean.tables["enrollment"]}
        self.assertEqual(numbers, {row["student_uid"] for row in other.tables["enrollment"]})

    def test_columns_are_those_of_the_definitions(self):
        for dataset in generate.DATASETS:
            path = ROOT / "services/dataset/definitions" / f"{dataset}.textproto"
            text = path.read_text(encoding="utf-8")
            self.assertEqual(re.findall(r'^  name: "(\w+)"', text, re.M),
                             generate.COLUMNS[dataset])
            self.assertEqual(tuple(re.findall(r'^key_columns: "(\w+)"', text, re.M)),
                             oracle.KEYS[dataset])

    def test_oracle_knows_every_rule(self):
        rules = [rule for name in ("enrollment", "attendance") for rule in
                 json.loads((ROOT / "rules" / f"{name}.json").read_text(encoding="utf-8"))]
        self.assertEqual(sorted(oracle.CODES), sorted(rule["code"] for rule in rules))
        for rule in rules:
            self.assertEqual([f"datasets/{name}" for name in oracle.reads(rule["code"])],
                             rule["datasets"], rule["code"])


class GrandBendTest(unittest.TestCase):
    def test_converts_what_the_sample_knows(self):
        students = [dict(student_id="604822", first_name="Lisa", middle_name="Sybil",
                         last_name="Woods", birth_date="2008-09-13")]
        event = dict(student_id="604822", school_id="255901001", category="Excused Absence",
                     reason="Absent excused", duration_days="1", session="Fall",
                     school_year="2021-2022")
        enrollment, events = grand_bend.convert(
            students, [dict(event, event_date="2021-11-09"), dict(event, event_date="2021-08-31")])
        self.assertEqual(2, len(events))
        self.assertEqual("EXCUSED_ABSENCE", events[0]["category"])
        self.assertEqual("2022", events[0]["school_year"])
        self.assertEqual(1, len(enrollment))
        self.assertEqual("2021-08-31", enrollment[0]["entry_date"])
        self.assertEqual("Woods", enrollment[0]["last_name"])
        self.assertEqual("", enrollment[0]["race"])


if __name__ == "__main__":
    unittest.main()
