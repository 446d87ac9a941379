#!/usr/bin/env python3
"""Tests of check_layers.py: small trees, each with the violations that must be found in it.

A tree is a folder of testdata/layers; its file `expected` holds PATH:LINE: RULE for each violation.
"""

import pathlib
import tempfile
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

    def test_an_edge_that_nobody_uses_is_found(self):
        files = {
            "common/pg/pg.cc": '#include "common/status/errors.h"\n',
            "common/pg/pg_test.cc": '#include "common/clock/clock.h"\n',
            "services/dataset/main.cc": '#include "common/access/registry_access.h"\n',
            "services/snapshot/dataset_client.h": '#include "edcert/dataset/v1/dataset.grpc.pb.h"\n',
            "layers.toml": """
[common]
status = []
clock = []
pg = ["status", "clock"]
testing = ["*"]
[services.event_registry]
package = "registry"
calls = []
[services.dataset]
package = "dataset"
calls = ["event_registry"]
[services.snapshot]
package = "snapshot"
calls = ["event_registry", "dataset"]
"""}
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name, text in files.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text, encoding="utf-8")
            found = check_layers.check(root, root / "layers.toml", edges=True)
        self.assertEqual([(rule, message) for _, _, rule, message in found],
                         [("R7", "nobody uses pg -> clock"),
                          ("R8", "nobody uses snapshot -> event_registry")])

    def test_the_cluster_knows_the_same_calls(self):
        with open(TOOLS / "layers.toml", "rb") as file:
            services = tomllib.load(file)["services"]
        owners = {schema: name for name, row in services.items()
                  for schema in row.get("publishes", [])}
        self.assertEqual({name: (row["package"], set(row["calls"]) |
                                 {owners[schema] for schema in row.get("reads", [])})
                          for name, row in services.items()},
                         {service.name: (service.schema, set(service.depends_on))
                          for service in cluster.SERVICES})


if __name__ == "__main__":
    unittest.main()
