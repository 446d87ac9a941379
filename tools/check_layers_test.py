#!/usr/bin/env python3
"""Tests of check_layers.py: small trees, each with the violations that must be found in it.

A tree is a folder of testdata/layers; its file `expected` holds PATH:LINE: RULE for each violation.
"""

import pathlib
import tomllib
import unittest

import check_layers
import cluster

TOOLS = pathlib.Path(__file__).resolve().parent
TREES = TOOLS / "testdata" / "layers"


class CheckLayersTest(unittest.TestCase):

    def test_trees(self):
        for tree in sorted(path for path in TREES.iterdir() if path.is_dir()):
            with self.subTest(tree=tree.name):
                config = tree / "layers.toml"
                found = check_layers.check(tree, config if config.exists() else
                                           TREES / "layers.toml")
                lines = "".join(f"{path}:{line}: {rule}\n" for path, line, rule, _ in found)
                self.assertEqual(lines, (tree / "expected").read_text(), found)

    def test_every_rule_has_a_tree(self):
        rules = set()
        for expected in TREES.glob("*/expected"):
            rules |= {line.split()[1] for line in expected.read_text().splitlines()}
        self.assertEqual(rules, {f"R{n}" for n in range(1, 10)} | {"S1", "S2", "S3"})

    def test_the_cluster_knows_the_same_calls(self):
        with open(TOOLS / "layers.toml", "rb") as file:
            services = tomllib.load(file)["services"]
        self.assertEqual({name: (row["package"], set(row["calls"]))
                          for name, row in services.items()},
                         {service.name: (service.schema, set(service.depends_on))
                          for service in cluster.SERVICES})


if __name__ == "__main__":
    unittest.main()
