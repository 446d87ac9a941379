#!/usr/bin/env python3
"""Tests of the generator: the same seed gives the same district, mistakes are where truth says."""

import json
import pathlib
import re
import tempfile
import unittest

import generate
import grand_bend
import last_year
import oracle
import state
import state_oracle

# Findings by rule in the district of tools/demo.
TRUTH_OF_THE_DEMO = {
    "ENR-002": 2, "ENR-004": 2, "ENR-005": 2, "ENR-006": 2, "ENR-008": 0, "ENR-009": 2,
    "ENR-010": 2, "ENR-011": 0, "ENR-012": 4, "ENR-013": 0, "ENR-016": 8, "ENR-017": 2,
    "ENR-019": 2, "ENR-020": 2, "ENR-021": 1, "ENR-027": 2, "ATT-001": 2, "ATT-002": 3,
    "ATT-004": 2, "ATT-005": 4, "ATT-006": 2, "ATT-008": 2, "ATT-009": 52, "ATT-010": 4,
    "ATT-015": 3, "ATT-017": 1, "ATT-022": 2, "ATT-024": 6, "ATT-025": 2, "ATT-026": 36,
}

# The rules that read what was certified a year ago.
COMPARE = {"ENR-022", "ENR-022B", "ENR-023", "ENR-024", "ENR-025", "ATT-018", "DIS-021", "SPE-016",
           "SPE-016B", "SPE-021", "S504-004"}

ROOT = pathlib.Path(__file__).resolve().parents[2]


def columns_of(dataset):
    """The columns of a built-in dataset, in their order."""
    path = ROOT / "services/dataset/definitions" / f"{dataset}.textproto"
    return re.findall(r'^  name: "(\w+)"', path.read_text(encoding="utf-8"), re.M)


def is_generated(rule):
    """Whether the generator makes every dataset and every column that the rule looks at."""
    kind = json.dumps([rule.get(name) for name in
                       ("row", "unique", "reference", "overlap", "aggregate", "query")])
    words = set(re.findall(r"\w+", kind))
    names = [name.split("/")[1] for name in rule["datasets"]]
    return all(name in generate.DATASETS and
               not words & set(columns_of(name)[len(generate.COLUMNS[name]):]) for name in names)


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

    def test_number_of_findings(self):
        # The district of tools/demo. A change of the generator that changes it is to be noticed.
        _, truth = generate.generate(7, 600, 4)
        self.assertEqual(TRUTH_OF_THE_DEMO, {code: len(keys) for code, keys in truth.items()})

    def test_clean_corrects_what_was_planted_and_nothing_else(self):
        for seed, students, schools in ((7, 600, 4), (5, 500, 6), (2, 100, 3), (3, 20, 1),
                                        (4, 60, 2)):
            wrong, truth = generate.generate(seed, students, schools)
            clean, _ = generate.generate(seed, students, schools, clean=True)
            self.assertEqual(clean.organizations, wrong.organizations)
            self.assertEqual(clean.touched, wrong.touched)
            for dataset in generate.DATASETS:
                touched = wrong.touched[dataset]

                def sound(tables):
                    return [row for row in tables[dataset]
                            if oracle.record_key(dataset, row) not in touched
                            and (row["student_uid"], row["school_id"]) not in touched]

                self.assertEqual(sound(clean.tables), sound(wrong.tables), dataset)
            # What is touched is little, and found by a rule or put in place of what one finds.
            keys = [{oracle.record_key("enrollment", row): row for row in d.tables["enrollment"]}
                    for d in (wrong, clean)]
            found = set().union(*truth.values())
            late = {key for key, row in keys[0].items() if row["school_id"] == wrong.late_school}
            changed = {key for key, row in keys[0].items() if keys[1].get(key) != row}
            self.assertLessEqual(changed - late, found)
            self.assertLessEqual(len(changed & late), wrong.quota())
            self.assertLessEqual(len(keys[1].keys() - keys[0].keys()), len(changed))

    def test_columns_are_those_of_the_definitions(self):
        for dataset in generate.DATASETS:
            path = ROOT / "services/dataset/definitions" / f"{dataset}.textproto"
            text = path.read_text(encoding="utf-8")
            # A file may leave out columns; those that a definition got later come last.
            columns = generate.COLUMNS[dataset]
            self.assertEqual(columns_of(dataset)[:len(columns)], columns)
            self.assertEqual(tuple(re.findall(r'^key_columns: "(\w+)"', text, re.M)),
                             oracle.KEYS[dataset])

    def test_oracle_knows_every_rule_over_what_is_generated(self):
        rules = {rule["code"]: rule for path in sorted((ROOT / "rules").glob("*.json"))
                 for rule in json.loads(path.read_text(encoding="utf-8"))}
        wanted = [code for code, rule in rules.items() if is_generated(rule)]
        self.assertEqual(sorted(oracle.CODES + oracle.NOT_RESTATED), sorted(wanted))
        for code in oracle.CODES:
            self.assertEqual([f"datasets/{name}" for name in oracle.reads(code)],
                             rules[code]["datasets"], code)


class StateTest(unittest.TestCase):
    def test_same_seed_same_bytes(self):
        with tempfile.TemporaryDirectory() as folder:
            for name, jobs in (("a", "1"), ("b", "2")):
                state.main(["--seed", "3", "--attendance", "2000", "--districts", "3",
                            "--jobs", jobs, "--out", f"{folder}/{name}"])
            files = sorted(p.relative_to(f"{folder}/a") for p in pathlib.Path(folder, "a").rglob("*")
                           if p.is_file())
            # The first certified all a year ago, the second nothing, the third enrollment alone.
            self.assertEqual(3 * 10 + 4 + 0 + 1 + len(("state.json", "code.csv")), len(files))
            for file in files:
                self.assertEqual(pathlib.Path(folder, "a", file).read_bytes(),
                                 pathlib.Path(folder, "b", file).read_bytes(), file)

    def test_every_rule_finds_something(self):
        _, truth = state.make(1, 0, 2600, 10)
        self.assertEqual([], [code for code, keys in truth.items() if not keys])

    def test_clean_districts_have_no_findings(self):
        for place, students, schools in ((0, 2600, 10), (1, 400, 2), (2, 60, 1)):
            district, truth = state.make(1, place, students, schools, clean=True)
            self.assertFalse(any(truth.values()))
            self.assertFalse(district.planted)

    def test_small_districts(self):
        for place in range(12):
            state.make(2, place, 60 + 40 * place, 1 + place // 2)

    def test_oracles_know_every_rule(self):
        rules = {rule["code"]: rule for path in sorted((ROOT / "rules").glob("*.json"))
                 for rule in json.loads(path.read_text(encoding="utf-8"))}
        self.assertEqual(sorted(rules), sorted(oracle.CODES + state_oracle.CODES))

    def test_columns_are_those_of_the_definitions(self):
        for dataset in state.DATASETS:
            self.assertLessEqual(set(state.COLUMNS[dataset]), set(columns_of(dataset)), dataset)
            path = ROOT / "services/dataset/definitions" / f"{dataset}.textproto"
            keys = re.findall(r'^key_columns: "(\w+)"', path.read_text(encoding="utf-8"), re.M)
            self.assertEqual(tuple(keys), oracle.KEYS[dataset])

    def test_last_year_is_what_the_rules_read(self):
        read = {name.removeprefix("datasets/last_year_")
                for path in (ROOT / "rules").glob("*.json")
                for rule in json.loads(path.read_text(encoding="utf-8"))
                for name in rule["datasets"] if "/last_year_" in name}
        self.assertEqual(read, set(last_year.COLUMNS))
        for dataset, columns in last_year.COLUMNS.items():
            self.assertLessEqual(set(oracle.KEYS[dataset]), set(columns))
            self.assertLessEqual(set(columns), set(state.COLUMNS[dataset]))

    def test_compares_what_was_certified(self):
        found = {}
        for place in (0, 1, 2):
            district, truth = state.make(1, place, 2600, 10)
            found[place] = {code for code in COMPARE if truth[code]}
            for dataset in last_year.COLUMNS:
                rows = district.tables[f"last_year_{dataset}"]
                self.assertEqual(dataset in last_year.certified(place), bool(rows))
                self.assertFalse({row["school_year"] for row in rows} - {"2025"})
            # Every rule that compares has a case that it must not find, too.
            self.assertEqual(found[place], found[place] & {code for code, _ in district.inside})
        self.assertEqual(COMPARE, found[0])
        self.assertEqual(set(), found[1])
        self.assertEqual({code for code in COMPARE if code.startswith("ENR-")}, found[2])

    def test_sizes_are_skewed_and_add_up(self):
        sizes = state.sizes(5_000_000, 1000)
        self.assertAlmostEqual(1, sum(sizes) * state.PERIODS / 5_000_000, 2)
        self.assertAlmostEqual(200_000, sizes[0] * state.PERIODS, delta=20_000)


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
