#!/usr/bin/env python3
"""Tests of cluster.py with real PostgreSQL and Redis and with servers that only listen."""

import base64
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import unittest

import cluster

# Stands in for every service: migrates into a file, then listens where its configuration says.
DUMMY_SERVER = """#!/usr/bin/env python3
import pathlib, re, signal, socket, sys
config = pathlib.Path(sys.argv[sys.argv.index("--config") + 1]).read_text()
if "--migrate" in sys.argv:
    with open("migrated", "a") as file:
        file.write(re.search(r'services/(.*)"', config).group(1) + "\\n")
    sys.exit(0)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
host, port = re.search(r'listen_address: "(.*):(.*)"', config).groups()
server = socket.create_server((host, int(port)))
while True:
    server.accept()
"""
BROKEN_SERVER = "#!/bin/sh\ncase $* in *--migrate*) exit 0 ;; esac\necho cannot go on\nexit 1\n"


class ClusterTest(unittest.TestCase):

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.root.chmod(0o755)
        self.bin = self.root / "bin"
        self.bin.mkdir()
        self.write_program("edcertctl", "#!/bin/sh\nexit 0\n")
        for service in cluster.SERVICES:
            self.write_program(f"{service.name}_server", DUMMY_SERVER)

    def write_program(self, name, text):
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def run_tool(self, *words):
        return subprocess.run([sys.executable, cluster.__file__, *map(str, words)],
                              capture_output=True, text=True)

    def run_cluster(self, script, replicas=1):
        """Runs a Python script inside a cluster; returns the finished tool."""
        return self.run_tool("run", "--dir", self.root / "c", "--bin", self.bin, "--keep",
                             "--replicas", replicas, "--", sys.executable, "-c", script)

    def test_run(self):
        script = f"""
import json, os, socket, subprocess, sys
path = os.environ["EDCERT_CLUSTER"]
state = json.load(open(path))
for service in state["services"].values():
    for address in service["addresses"]:
        socket.create_connection(address.split(":")).close()
tool = [sys.executable, {cluster.__file__!r}]
subprocess.check_call(tool + ["kill", "dataset-2"])
pid = json.load(open(path))["processes"]["dataset-2"]["pid"]
subprocess.check_call(tool + ["start", "dataset-2"])
subprocess.check_call(tool + ["kill", "redis", "--signal", "TERM"])
subprocess.check_call(tool + ["kill", "workflow-1", "--signal", "STOP"])
now = json.load(open(path))
assert now["processes"]["dataset-2"]["pid"] != pid
print(subprocess.check_output(tool + ["token", "ann"], text=True).strip())
sys.exit(7)
"""
        done = self.run_cluster(script, replicas=2)
        self.assertEqual(done.returncode, 7, done.stderr)
        state = json.loads((self.root / "c" / "cluster.json").read_text())
        self.assertEqual(cluster.Cluster(self.root / "c").running(), [])
        self.assertEqual((self.root / "c" / "migrated").read_text().split(),
                         [service.name for service in cluster.SERVICES])
        self.assertEqual(len(state["services"]["workflow"]["addresses"]), 2)
        config = (self.root / "c" / "config" / "workflow-2.textproto").read_text()
        self.assertIn(f'listen_address: "{state["services"]["workflow"]["addresses"][1]}"', config)
        self.assertIn('service: "snapshot"\n    address: "'
                      + ",".join(state["services"]["snapshot"]["addresses"]) + '"', config)
        self.assertNotIn("$", config)
        # What all replicas must have alike.
        other = (self.root / "c" / "config" / "workflow-1.textproto").read_text()
        for field in ("time_zone", "page_token_key_file"):
            values = [re.search(rf'{field}: "(.+)"', text).group(1) for text in (config, other)]
            self.assertEqual(values[0], values[1])
        self.assertGreaterEqual(os.stat(values[0]).st_size, 32)
        self.assertEqual(os.stat(values[0]).st_mode & 0o777, 0o600)
        for name in state["processes"]:
            self.assertTrue((self.root / "c" / "log" / f"{name}.log").exists(), name)
        self.check_token(done.stdout.strip(), state["auth"])

    def check_token(self, token, auth):
        head, body, signature = token.split(".")
        decode = lambda text: base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        self.assertEqual(json.loads(decode(head)), {"alg": "ES256", "typ": "JWT", "kid": "users/dev"})
        self.assertEqual(json.loads(decode(body))["sub"], "users/ann")
        keys = json.loads(pathlib.Path(auth["user_keys_file"]).read_text())["keys"]
        self.assertEqual([len(decode(keys[0][name])) for name in "xy"], [32, 32])
        # Back to DER, for openssl's own verdict.
        numbers = b""
        for half in (decode(signature)[:32], decode(signature)[32:]):
            number = half.lstrip(b"\0")
            number = (b"\0" if number[0] & 0x80 else b"") + number
            numbers += b"\x02" + bytes([len(number)]) + number
        (self.root / "signature").write_bytes(b"\x30" + bytes([len(numbers)]) + numbers)
        (self.root / "text").write_text(f"{head}.{body}")
        subprocess.run(["openssl", "dgst", "-sha256", "-prverify", auth["user_key_file"],
                        "-signature", self.root / "signature", self.root / "text"],
                       check=True, capture_output=True)

    def test_up_and_down_keep_the_data(self):
        words = ("--dir", self.root / "c")
        for _ in range(2):
            done = self.run_tool("up", *words, "--bin", self.bin, "--no-redis")
            self.assertEqual(done.returncode, 0, done.stderr)
            running = cluster.Cluster(self.root / "c")
            self.addCleanup(running.stop)
            self.assertIsNone(running.state["redis"])
            self.assertNotIn("redis", (self.root / "c" / "config" / "dataset-1.textproto").read_text())
            port = running.state["postgres"]["port"]
            cluster.psql(port, "CREATE TABLE IF NOT EXISTS kept (n int); INSERT INTO kept VALUES (1)")
            count = cluster.psql(port, "SELECT count(*) FROM kept")
            self.assertEqual(self.run_tool("status", *words).returncode, 0)
            self.assertEqual(self.run_tool("down", *words).returncode, 0)
            self.assertEqual(self.run_tool("status", *words).returncode, 1)
        self.assertEqual(count, "2")

    def test_a_server_that_fails_stops_all_and_shows_its_log(self):
        self.write_program("workflow_server", BROKEN_SERVER)
        done = self.run_cluster("raise SystemExit(0)")
        self.assertEqual(done.returncode, 1)
        self.assertIn("workflow-1 ended while it was starting", done.stderr)
        self.assertIn("cannot go on", done.stderr)
        self.assertEqual(cluster.Cluster(self.root / "c").running(), [])

    def test_test_env(self):
        done = self.run_tool("test-env", "--dir", self.root / "t", "--", "sh", "-c",
                             'psql -X -A -t "$EDCERT_TEST_PG" -c "SELECT 40 + 2";'
                             'redis-cli -p "${EDCERT_TEST_REDIS#*:}" ping; exit 5')
        self.assertEqual((done.returncode, done.stdout.split()), (5, ["42", "PONG"]), done.stderr)
        self.assertFalse((self.root / "t").exists())

    def test_test_env_leaves_nothing_when_killed(self):
        tool = subprocess.Popen([sys.executable, cluster.__file__, "test-env", "--dir",
                                 self.root / "t", "--", "sh", "-c", "echo ready; exec sleep 600"],
                                stdout=subprocess.PIPE, text=True)
        self.assertEqual(tool.stdout.readline(), "ready\n")
        left = cluster.Cluster(self.root / "t")
        children = [left.process(name) for name in left.state["processes"]]
        self.assertEqual(len(children), 2)
        tool.kill()
        tool.wait()
        tool.stdout.close()
        for child in children:
            self.assertTrue(child.wait(cluster.STOP_SECONDS))

    def test_ports_are_free_and_different(self):
        ports = [cluster.free_port() for _ in range(100)]
        self.assertEqual(len(set(ports)), 100)
        with socket.create_server(("127.0.0.1", ports[0])):
            pass

    def test_a_recycled_pid_is_not_ours(self):
        self.assertTrue(cluster.Process(os.getpid(), 1).wait(0))
        mine = cluster.Process(os.getpid(), cluster.process_start_time(os.getpid()))
        self.assertTrue(mine.alive())

    def test_der_signatures_become_raw_ones(self):
        short, long = b"\x01", b"\0" + b"\xff" * 32
        der = b"\x30\x26\x02\x01" + short + b"\x02\x21" + long
        self.assertEqual(cluster.der_integers(der), b"\0" * 31 + b"\x01" + b"\xff" * 32)


if __name__ == "__main__":
    unittest.main()
