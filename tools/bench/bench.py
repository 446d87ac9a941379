#!/usr/bin/env python3
"""Measures edcert against other tools, side by side on this machine, and prints ratios.

  tools/dev bench [--only NAME]

State transitions over gRPC against pgbench doing all their SQL; a push of a million rows against COPY,
and a second one of which a hundredth changed; a comparison of the copies against a FULL JOIN; the time
of a report, alone and while another district has a thousand waiting; reports per second against empty
jobs of BullMQ; the time of a snapshot while records arrive; a group of rules over 5,000,000 rows
against one SQL query per rule and against DuckDB; the memory that a report takes. Results go to
docs/benchmarks.md with machine and date.
"""

import argparse
import concurrent.futures
import contextlib
import csv
import datetime
import io
import itertools
import json
import os
import pathlib
import platform
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "generate"))
import oracle  # noqa: E402
from client import ALL_RIGHTS, ROOT, Client, check, program, state_today, wait_for  # noqa: E402

SNAPSHOT_ROWS = 200_000
BUSY_SCHOOLS = 84
FORMATS = ("HTML", "CSV", "PDF", "XLSX", "JSON", "CSV_EXACT")
BENCH = pathlib.Path(__file__).resolve().parent
IN_FLIGHT = 64
REPORT_RECORDS = 5_000
REPORT_RULES = 20


class Bench:
    """A state with one large district, one of 5,000 records and many small ones."""

    def __init__(self, client, cluster, work, arguments):
        self.client = client
        self.cluster = cluster
        self.work = work
        self.seconds = arguments.seconds
        self.sizes = arguments
        self.results = []
        self.superuser = cluster["postgres"]["superuser_conninfo"]
        self.database = re.sub(r"dbname=\S+", "dbname=edcert", self.superuser)

    # --- tools -----------------------------------------------------------------------------

    def psql(self, sql, conninfo=None):
        done = subprocess.run(["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1",
                               conninfo or self.database], input=sql, capture_output=True,
                              text=True, check=False)
        check(done.returncode == 0, f"psql: {done.stderr}")
        return done.stdout.strip()

    def result(self, what, against, ours, theirs, ratio, aim):
        self.results.append((what, against, ours, theirs, ratio, aim))
        print(f"{what}: {ours}; {against}: {theirs}; {ratio} (aim: {aim})", flush=True)

    def metric(self, service, name, method):
        """Sum and count of a histogram of one method, over all replicas."""
        total, count = 0.0, 0
        for address in self.cluster["services"][service]["metrics_addresses"]:
            with urllib.request.urlopen(f"http://{address}/metrics") as answer:
                text = answer.read().decode()
            for line in text.splitlines():
                if f'method="{method}"' in line:
                    if line.startswith(f"{name}_sum"):
                        total += float(line.split()[-1])
                    if line.startswith(f"{name}_count"):
                        count += int(float(line.split()[-1]))
        return total, count

    def json_of(self, binary, *arguments):
        """The last line that a benchmark prints, which makes a database of its own."""
        done = subprocess.run([str(ROOT / "tools/cluster.py"), "test-env", "--",
                               str(program().parent / binary), *map(str, arguments)],
                              capture_output=True, text=True, check=False, cwd=ROOT)
        check(done.returncode == 0, f"{binary} to run: {done.stdout[-500:]} {done.stderr[-500:]}")
        return json.loads(done.stdout.splitlines()[-1])

    def node(self, script, *arguments, text=""):
        done = subprocess.run(["node", str(BENCH / script), *map(str, arguments)], input=text,
                              capture_output=True, text=True, check=False, cwd=BENCH)
        check(done.returncode == 0, f"{script} to run: {done.stdout[-500:]} {done.stderr[-1500:]}")
        return json.loads(done.stdout.splitlines()[-1])

    def report_workers(self):
        """The processes that make reports: below the server and the parent of its workers."""
        tree = process_tree(self.cluster["processes"]["validation_report-1"]["pid"])
        return tree[2:]

    @contextlib.contextmanager
    def workers_stopped(self):
        workers = self.report_workers()
        for pid in workers:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in workers:
                os.kill(pid, signal.SIGCONT)

    def create_reports(self, requests):
        """Asks for reports, some calls at once."""
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            return list(pool.map(lambda fields: self.client.call(
                "clerk", "validation_report", "create-report", **fields), requests))

    def unfinished(self):
        return int(self.psql("SELECT count(*) FROM validation.job"
                             " WHERE state IN ('QUEUED', 'RUNNING')"))

    def report_millis(self, organization):
        """From CreateReport to COMPLETED, by the servers' clocks."""
        report = self.client.call(
            "clerk", "validation_report", "create-report", event="events/bench",
            organization=f"organizations/{organization}", kind="REPORT_KIND_DISTRICT_DATA",
            format="REPORT_FORMAT_HTML")
        done = self.client.run("clerk", "validation_report", "watch-report", name=report["name"])[-1]
        check(done["state"] == "COMPLETED", "the report to be COMPLETED")
        return (instant(done["end_time"]) - instant(done["create_time"])) * 1000, done

    # --- the state -------------------------------------------------------------------------

    def organization(self, ident, kind, parent):
        self.client.call("admin", "event_registry", "create-organization", organization_id=ident,
                         organization={"kind": kind, "display_name": ident,
                                       **({"parent": f"organizations/{parent}"} if parent else {})})

    def schools(self, district, count):
        """Makes schools of a district, and waits until records of them can be synced."""
        schools = [f"{district}-{i:02}" for i in range(count)]
        for school in schools:
            self.organization(school, "KIND_SCHOOL", district)
        wait_for(lambda: self.psql("SELECT count(*) FROM dataset.known_organization"
                                   f" WHERE parent_id = '{district}'") == str(count),
                 "the schools to be known to the dataset service")
        return schools

    def synced(self, district, dataset, rows, version=1):
        """The version of the state's copy says after which push it was made."""
        wait_for(lambda: self.psql(
            "SELECT count(*) FROM dataset.data_version WHERE copy = 'STATE'"
            f" AND dataset = '{dataset}' AND district_id = '{district}' AND row_count = {rows}"
            f" AND version >= {version}")
            == "1", "the state to have the records", seconds=120)

    def push(self, district, dataset, path):
        return self.client.call(
            "clerk", "dataset", "push-records", dataset=f"datasets/{dataset}",
            district=f"organizations/{district}", mode="MODE_REPLACE_ALL",
            batch_id=str(uuid.uuid4()), csv=str(path))

    def prepare(self):
        print("preparing a state ...", flush=True)
        generate(self.work / "small", 20, 1)
        generate(self.work / "report", 4_550, 8)
        self.organization("state", "KIND_SEA", None)
        self.districts = [f"d{i:03}" for i in range(IN_FLIGHT)]
        for district in self.districts + ["report", "large"]:
            self.organization(district, "KIND_DISTRICT", "state")
        for district in self.districts:
            self.schools(district, 1)
        tools = ["TOOL_ORGANIZATIONS", "TOOL_CERTIFICATION_CATEGORY", "TOOL_EVENT_MANAGEMENT",
                 "TOOL_VALIDATION_RULES", "TOOL_VALIDATION_GROUPS", "TOOL_BATCH_RESYNC",
                 "TOOL_CERTIFICATION_EVENT"]
        grants = [{"tool": tool, "rights": ALL_RIGHTS} for tool in tools]
        for ident, organizations in [("clerk", ["state"]), ("signer", self.districts)]:
            self.client.call("admin", "event_registry", "create-user", user_id=ident, user={
                "display_name": ident, "email": f"{ident}@example.org", "tool_grants": grants,
                "assignments": [{"organization": f"organizations/{o}", "all_schools": o != "state"}
                                for o in organizations]})
        category = self.client.call("clerk", "event_registry", "create-category",
                                    category_id="bench",
                                    category={"title": "Bench", "level": "LEVEL_DISTRICT"})
        for district in self.districts:
            self.client.call("clerk", "event_registry", "add-member", member={
                "category": category["name"], "user": "users/signer", "role": "ROLE_CERTIFIER",
                "rank": "RANK_PRIMARY", "organization": f"organizations/{district}"})
        self.client.call("clerk", "event_registry", "add-member", member={
            "category": category["name"], "user": "users/clerk", "role": "ROLE_APPROVER",
            "organization": "organizations/state"})
        self.client.call("clerk", "event_registry", "publish-category", name=category["name"],
                         etag=category["etag"])
        self.group = self.rules()
        today = state_today()
        event = self.client.call("clerk", "event_registry", "create-event", event_id="bench", event={
            "title": "Bench", "reporting_year": 2026, "category": category["name"],
            "level": "LEVEL_DISTRICT", "datasets": ["datasets/enrollment"],
            "rule_group": self.group["name"], "start_date": date(today),
            "certification_opens": date(today), "due_date": date(today + datetime.timedelta(9)),
            "end_date": date(today + datetime.timedelta(9)), "attestation_text": "Correct.",
            "allows_zero_attestation": True,
            "participants": [f"organizations/{d}" for d in self.districts + ["report", "large"]]})
        self.client.call("clerk", "event_registry", "publish-event", name=event["name"],
                         etag=event["etag"], rule_group_version=self.group["version"])

    def rules(self):
        """Twenty rules over enrollment: those of the generator, some of them twice."""
        shipped = [rule for rule in json.loads((ROOT / "rules/enrollment.json").read_text())
                   if rule["code"] in oracle.CODES]
        names = []
        for i in range(REPORT_RULES):
            rule = dict(shipped[i % len(shipped)])
            rule["code"] = f"{rule['code']}-{i}"
            rule["severity"] = "SEVERITY_INFO"
            created = self.client.call("clerk", "validation_report", "create-rule",
                                       rule_id=rule["code"].lower(), rule=rule)
            for person in ("clerk", "admin"):  # two people activate a rule
                created = self.client.call(person, "validation_report", "activate-rule",
                                           name=created["name"], etag=created["etag"])
            names.append(created["name"])
        group = self.client.call("clerk", "validation_report", "create-rule-group",
                                 rule_group_id="bench",
                                 rule_group={"title": "Bench", "level": "LEVEL_DISTRICT",
                                             "rules": [{"rule": name} for name in names]})
        return self.client.call("clerk", "validation_report", "activate-rule-group",
                                name=group["name"], etag=group["etag"])

    def certify_all(self):
        """Brings the small districts to SENT, each through its three steps."""
        print(f"certifying {len(self.districts)} districts ...", flush=True)
        call = self.client.call
        wait_for(lambda: len(call("signer", "workflow", "list-certifications", event="events/bench",
                                  page_size=1000)["certifications"]) == len(self.districts),
                 "the certifications")
        found = call("signer", "workflow", "list-certifications", event="events/bench",
                     page_size=1000)["certifications"]
        self.certifications = [certification["name"] for certification in found]
        for name in self.certifications:
            for step in (1, 2):
                report = call("signer", "workflow", "generate-step-report", certification=name,
                              step=step, format="REPORT_FORMAT_CSV")["report"]["name"]
                self.client.run("signer", "validation_report", "watch-report", name=report)
                self.client.run("signer", "validation_report", "download-report", name=report,
                                out=os.devnull)
            answer = call("signer", "workflow", "get-certification", name=name)
            call("signer", "workflow", "take-snapshot", certification=name, etag=answer["etag"],
                 format="REPORT_FORMAT_CSV")
            answer = call("signer", "workflow", "get-certification", name=name)
            report = answer["steps"][2]["report"]
            self.client.run("signer", "validation_report", "watch-report", name=report)
            self.client.run("signer", "validation_report", "download-report", name=report,
                            out=os.devnull)
            self.client.run("signer", "snapshot", "watch-snapshot",
                            name=answer["candidate_snapshot"])
            call("signer", "workflow", "submit-certification", certification=name,
                 etag=answer["etag"], snapshot=answer["candidate_snapshot"],
                 attestation_text_version=answer["attestation_text_version"],
                 acknowledged_warnings=True, zero_attestation=True)

    # --- the figures -----------------------------------------------------------------------

    def record(self, run):
        """The statements that the services execute while `run` does its work, from the log."""
        log = pathlib.Path(self.cluster["processes"]["postgres"]["log"])
        for sql in ("ALTER SYSTEM SET log_statement = 'all'",
                    "ALTER SYSTEM SET log_line_prefix = '@@ %p %u '", "SELECT pg_reload_conf()"):
            self.psql(sql, self.superuser)
        time.sleep(0.5)  # the reload reaches every backend at its next statement
        start = log.stat().st_size
        run()
        with log.open(encoding="utf-8") as file:
            file.seek(start)
            text = file.read()
        for sql in ("ALTER SYSTEM RESET log_statement", "ALTER SYSTEM RESET log_line_prefix",
                    "SELECT pg_reload_conf()"):
            self.psql(sql, self.superuser)
        statements = []
        for entry in text.split("@@ ")[1:]:
            pid, user, rest = entry.split(" ", 2)
            if found := re.match(r"LOG:  execute ([\w.]+): (.*)", rest, re.DOTALL):
                statements.append([pid, user, found.group(1), found.group(2).strip(), {}])
            elif found := re.match(r"DETAIL:  parameters: (.*)", rest, re.DOTALL):
                last = next(s for s in reversed(statements) if s[0] == pid)
                for number, value in re.findall(r"\$(\d+) = ('(?:[^']|'')*'|NULL)",
                                                found.group(1)):
                    last[4][int(number)] = value
        # What readers of the feeds do goes on whether or not a call comes.
        return [s for s in statements if s[1] in ("workflow", "registry")
                and (not s[2].startswith("feed.") or s[2] == "feed.append")]

    def pgbench_script(self):
        """One request and one withdrawal as pgbench sees them: the recorded statements, one by one,
        each client on a certification of its own."""
        name = self.certifications[0]

        def cycle():
            for method in ("request-recertification", "withdraw-recertification-request"):
                answer = self.client.call("signer", "workflow", "get-certification", name=name)
                fields = {"reason": "benchmark"} if method.startswith("request") else {}
                self.client.call("signer", "workflow", method, certification=name,
                                 etag=answer["etag"], **fields)

        recorded = self.record(cycle)
        # GetCertification, which gives the etag, is not a part of the transition.
        first_commands = [i for i, s in enumerate(recorded) if s[2] == "idempotency.find"]
        pids = {recorded[i][0] for i in first_commands}
        check(len(first_commands) == 2 and pids, "two commands in the log")
        commands = []
        for number, at in enumerate(first_commands):
            end = first_commands[number + 1] if number + 1 < len(first_commands) else len(recorded)
            part = recorded[at:end]
            last = max(i for i, s in enumerate(part) if s[2] == "pg.commit")
            commands += part[:last + 1]
        # Transactions of the feed's readers, of which nothing else is left.
        commands = [s for i, s in enumerate(commands)
                    if not (s[2] == "pg.begin" and commands[i + 1][2] == "pg.commit")
                    and not (s[2] == "pg.commit" and commands[i - 1][2] == "pg.begin")]
        ident = name.split("/")[1]
        # Each client looks its certification up once; the variables live as long as the client.
        lines = ["\\if :v % 1000000 = 0", "\\set n :client_id",
                 "SELECT id, 'certifications/' || id AS name FROM public.bench_case"
                 " WHERE n = :n \\gset", "\\endif"]
        body, uuids = [], {}
        for _, _, statement, sql, values in commands:
            if statement.endswith("certification.save"):
                body.append("\\set v :v + 1")
            for position in sorted(values, reverse=True):
                text = values[position].strip("'")
                value = values[position]
                if text == ident:
                    value = ":id"
                elif text == name:
                    value = ":name"
                elif re.fullmatch(r"[0-9a-f]{8}-[0-9a-f-]{27}", text):
                    variable = uuids.setdefault(text, f"u{len(uuids)}")
                    value = f"lpad(:{variable}::text, 32, '0')::uuid"
                elif (statement.endswith("certification.save") and position in (4, 5)) or (
                        statement.endswith("append_transition") and position == 2):
                    value = ":v"
                sql = re.sub(rf"\${position}\b", lambda _, v=value: v, sql)
            body.append(re.sub(r"\s+", " ", re.sub(r"--[^\n]*", "", sql)).rstrip("; ") + ";")
        lines += [f"\\set {variable} random(1, 4000000000000000000)"
                  for variable in uuids.values()] + body
        print(f"one request and one withdrawal are {len(commands)} statements", flush=True)
        return "\n".join(lines) + "\n"

    def transitions(self):
        names = self.work / "certifications.txt"
        names.write_text("\n".join(self.certifications) + "\n")
        binary = program().parent / "edcert-transitions"
        token = subprocess.run([str(program()), "--as", "signer", "token"], capture_output=True,
                               text=True, check=True).stdout.strip()
        command = [str(binary), "--address", self.cluster["services"]["workflow"]["addresses"][0],
                   "--token", token, "--certifications", str(names), "--in-flight",
                   str(IN_FLIGHT)]

        def run(seconds):
            done = subprocess.run(command + ["--seconds", str(seconds)], capture_output=True,
                                  text=True, check=False)
            check(done.returncode == 0, f"transitions to run: {done.stdout} {done.stderr}")
            for name in self.certifications:  # every one is left as SENT
                answer = self.client.call("signer", "workflow", "get-certification", name=name)
                if answer["status"] == "RECERT_REQUESTED":
                    self.client.call("signer", "workflow", "withdraw-recertification-request",
                                     certification=name, etag=answer["etag"])
            return json.loads(done.stdout)

        run(2)
        script = self.work / "transition.sql"
        script.write_text(self.pgbench_script())
        rounds = [(run(self.seconds), self.pgbench(script, i + 1)) for i in range(3)]
        ours = statistics.median(r[0]["per_second"] for r in rounds)
        theirs = statistics.median(r[1] for r in rounds)
        p99 = statistics.median(r[0]["p99_ms"] for r in rounds)
        self.result(f"state transitions at {IN_FLIGHT} in flight",
                    "pgbench -M prepared, the same SQL one by one",
                    f"{ours:.0f}/s, p99 {p99:.0f} ms", f"{theirs:.0f}/s", f"{ours / theirs:.2f}",
                    "at least 0.8")

    def pgbench(self, script, attempt):
        """Transitions per second once each client has prepared and planned the statements, for which
        the first two thirds of the time are left; `attempt` keeps the versions of one run apart from
        the next."""
        rows = ",".join(f"({i}, '{name.split('/')[1]}')"
                        for i, name in enumerate(self.certifications))
        self.psql("CREATE TABLE IF NOT EXISTS bench_case (n int PRIMARY KEY, id uuid);"
                  f"INSERT INTO bench_case VALUES {rows} ON CONFLICT DO NOTHING;")
        done = subprocess.run(
            ["pgbench", "-n", "-M", "prepared", "-D", f"v={attempt}000000", "-c", str(IN_FLIGHT),
             "-j", "1", "-P", "1", "-T", str(int(3 * self.seconds)), "-f", str(script),
             self.database],
            capture_output=True, text=True, check=False,
            env={**os.environ, "PGOPTIONS": "-c search_path=workflow"})
        check(done.returncode == 0, f"pgbench: {done.stderr[:1500]}")
        seconds = [float(tps) for at, tps in
                   re.findall(r"progress: ([\d.]+) s, ([\d.]+) tps", done.stderr)
                   if float(at) > 2 * self.seconds]
        check(seconds, "pgbench to tell its progress")
        # One script is two transitions.
        return 2 * statistics.mean(seconds)

    def pushes(self):
        size = self.sizes.push_rows
        rows, changed = self.work / "large.csv", self.work / "changed.csv"
        key = "student_uid, school_id, calendar_track, reporting_period"
        first, second, theirs = [], [], []
        for attempt in range(3):
            district = f"push{attempt}"
            self.organization(district, "KIND_DISTRICT", "state")
            schools = self.schools(district, 40)
            write_attendance(rows, size, schools)
            write_attendance(changed, size, schools, changed=True)
            columns = rows.open().readline().strip()
            table = self.psql(
                "SELECT string_agg(format('%I %s', attname, format_type(atttypid, atttypmod)), ', '"
                " ORDER BY attnum) FROM pg_attribute WHERE attrelid ="
                " 'dataset.attendance_summary'::regclass AND attnum > 0 AND NOT attisdropped"
                f" AND attname = ANY(string_to_array('{columns}', ','))")
            self.psql(f"DROP TABLE IF EXISTS bench_copy; CREATE TABLE bench_copy ({table},"
                      f" PRIMARY KEY ({key}))")
            began = time.monotonic()
            self.psql(f"\\copy bench_copy ({columns}) FROM '{rows}' WITH (FORMAT csv, HEADER)")
            theirs.append(time.monotonic() - began)
            for version, file, seconds, counted, expected in (
                    (1, rows, first, "inserted", size),
                    (2, changed, second, "updated", -(-size // 100))):
                began = time.monotonic()
                answer = self.push(district, "attendance_summary", file)
                seconds.append(time.monotonic() - began)
                check(int(answer[counted]) == expected, f"{expected} rows {counted}: {answer}")
                self.synced(district, "attendance_summary", size, version)
        first, second, theirs = map(statistics.median, (first, second, theirs))
        self.result(f"push of {size} rows", "psql COPY into a table with the same key",
                    f"{first:.2f} s", f"{theirs:.2f} s", f"{theirs / first:.2f}", "at least 0.35")
        self.result(f"second push of {size} rows, 1 % changed", "the first push", f"{second:.2f} s",
                    f"{first:.2f} s", f"{second / first:.2f}", "at most 0.5")

    def comparison(self):
        """In a database of its own, without an RPC."""
        few, everything = self.json_of("dataset_compare_benchmark", self.sizes.compare_rows)
        for figures, aim in ((few, "at most 1.0"), (everything, "-")):
            ours = figures["counts_s"] + figures["page_s"]
            self.result(f"comparison of copies with {figures['rows']} rows, {figures['differing']} of"
                        " them different: counts by school and the first page", "FULL JOIN in psql",
                        f"{ours:.2f} s; a page near the end {figures['later_page_s'] * 1000:.0f} ms",
                        f"{figures['join_s']:.2f} s", f"{ours / figures['join_s']:.2f}", aim)

    def reports(self):
        self.push("report", "enrollment", self.work / "report" / "enrollment.csv")
        millis = []
        for _ in range(30):
            took, done = self.report_millis("report")
            millis.append(took)
        rows = done["data_versions"][0]["rows"]
        self.result(f"report over {rows} records and {REPORT_RULES} rules, from CreateReport to"
                    " COMPLETED, idle", "-", f"median {statistics.median(millis):.0f} ms of"
                    f" {len(millis)}, worst {max(millis):.0f} ms", "-", "-", "median under 100 ms")

    def push_small(self):
        small = (self.work / "small" / "enrollment.csv").read_text()
        school = next(csv.DictReader(io.StringIO(small)))["school_id"]
        rows = self.work / "small.csv"
        for district in self.districts:
            rows.write_text(small.replace(school, f"{district}-00"))
            self.push(district, "enrollment", rows)
        wait_for(lambda: self.psql(
            "SELECT count(*) FROM dataset.job WHERE state IN ('QUEUED', 'RUNNING')") == "0",
            "the state to have the records")

    def report_rate(self):
        """Reports that all wait when the workers begin, and the CPU that they take meanwhile."""
        self.push_small()
        workers = self.report_workers()
        with self.workers_stopped():
            names = self.create_reports([
                {"event": "events/bench", "organization": f"organizations/{district}",
                 "kind": "REPORT_KIND_DISTRICT_DATA", "format": f"REPORT_FORMAT_{kind}"}
                for district in self.districts for kind in FORMATS])
            servers = {"the workers": workers, **{
                name: process_tree(self.cluster["processes"][name.lower()]["pid"])[:1]
                for name in ("Postgres", "Redis")}}
            before = {name: cpu_seconds(pids) for name, pids in servers.items()}
            began = time.time()
        while self.unfinished():
            time.sleep(0.1)
        used = {name: cpu_seconds(pids) - before[name] for name, pids in servers.items()}
        ids = ",".join(f"'{report['name'].split('/')[1]}'" for report in names)
        finished, busy, completed = self.psql(
            "SELECT extract(epoch FROM max(finished_at)),"
            " extract(epoch FROM sum(finished_at - started_at)),"
            " count(*) FILTER (WHERE state = 'COMPLETED')"
            f" FROM validation.job WHERE id IN ({ids})").split("|")
        check(int(completed) == len(names), f"{len(names)} reports: {completed}")
        seconds = float(finished) - began
        theirs = self.node("bullmq.mjs", self.cluster["redis"]["address"], len(workers),
                           self.sizes.empty_jobs)
        rate, their_rate = len(names) / seconds, theirs["jobs"] / theirs["seconds"]
        # The rest of a worker's time is between two jobs.
        shares = ", ".join(f"{name} {share / seconds:.2f}" for name, share in used.items())
        self.result(
            f"{len(names)} reports of districts with 20 students, {REPORT_RULES} rules, six formats,"
            f" {len(workers)} workers", "BullMQ doing empty jobs on the same Redis",
            f"{rate:.0f}/s; a worker is in a report for"
            f" {float(busy) / seconds / len(workers) * 100:.0f} % of its time,"
            f" {float(busy) / len(names) * 1000:.1f} ms each; cores in use: {shares}",
            f"{their_rate:.0f}/s", f"{rate / their_rate:.3f}", "-")

    def fairness(self):
        """One district has a thousand reports waiting, those of its schools; others want one."""
        self.push_small()
        self.organization("busy", "KIND_DISTRICT", "state")
        schools = self.schools("busy", BUSY_SCHOOLS)
        rows = self.work / "busy.csv"
        write_enrollment(rows, 60 * len(schools), schools, other_last_name=False)
        self.push("busy", "enrollment", rows)
        wait_for(lambda: self.psql(
            "SELECT count(*) FROM dataset.job WHERE state IN ('QUEUED', 'RUNNING')") == "0",
            "the state to have the records")
        some = self.districts[:15]
        for district in some[:3]:
            self.report_millis(district)  # what is slower once
        idle = statistics.median(self.report_millis(district)[0] for district in some)
        requests = [{"rule_group": self.group["name"], "organization": f"organizations/{school}",
                     "kind": f"REPORT_KIND_{kind}_DATA", "format": f"REPORT_FORMAT_{form}"}
                    for kind in ("DISTRICT", "STATE") for form in FORMATS for school in schools]
        with self.workers_stopped():
            self.create_reports(requests)
        busy = [self.report_millis(district)[0] for district in some]
        waiting = self.unfinished()
        check(waiting > 0, "reports of the district to be waiting still")
        while self.unfinished():
            time.sleep(0.2)
        job = float(self.psql(
            "SELECT extract(epoch FROM percentile_cont(0.5) WITHIN GROUP"
            " (ORDER BY finished_at - started_at)) * 1000 FROM validation.job"
            " WHERE organization LIKE '%busy'"))
        later = (statistics.median(busy) - idle) / job
        self.result(
            f"first report of a small district while another has {len(requests)} waiting"
            f" ({waiting} still at the end)", "the same when idle",
            f"median {statistics.median(busy):.0f} ms of {len(busy)}, worst {max(busy):.0f} ms",
            f"median {idle:.0f} ms", f"{later:+.1f} jobs, of which one takes {job:.0f} ms",
            "at most +2 jobs")

    def snapshots(self):
        files = [self.work / f"large-enrollment-{i}.csv" for i in range(2)]
        schools = self.schools("large", 40)
        for i, rows in enumerate(files):
            write_enrollment(rows, SNAPSHOT_ROWS, schools, other_last_name=i == 1)
        self.push("large", "enrollment", files[0])
        self.synced("large", "enrollment", SNAPSHOT_ROWS)

        def take():
            """A snapshot; sealed, which reads all records, before anything else is measured."""
            snapshot = self.client.call("clerk", "snapshot", "create-snapshot",
                                        event="events/bench", organization="organizations/large")
            wait_for(lambda: self.client.call("clerk", "snapshot", "get-snapshot",
                                              name=snapshot["name"])["state"] == "SEALED",
                     "the snapshot to be sealed", seconds=60)

        take()  # a connection's first one is planned
        # Records go on changing and syncing while snapshots are taken.
        stop = threading.Event()

        def keep_pushing():
            for rows in itertools.cycle(reversed(files)):
                if stop.is_set():
                    break
                self.push("large", "enrollment", rows)

        pusher = threading.Thread(target=keep_pushing)
        pusher.start()
        before = self.metric("snapshot", "edcert_rpc_seconds",
                             "edcert.snapshot.v1.Snapshots/CreateSnapshot")
        try:
            for _ in range(30):
                take()
        finally:
            stop.set()
            pusher.join()
        after = self.metric("snapshot", "edcert_rpc_seconds",
                            "edcert.snapshot.v1.Snapshots/CreateSnapshot")
        millis = (after[0] - before[0]) / (after[1] - before[1]) * 1000
        self.result(f"CreateSnapshot over {SNAPSHOT_ROWS} records while they sync, one at a time", "-",
                    f"mean {millis:.1f} ms of {after[1] - before[1]} calls", "-", "-",
                    "under 20 ms")

    def rule_group(self):
        """In a database of its own, which one district fills; then in DuckDB."""
        figures = self.json_of("validation_report_rules_benchmark", self.sizes.rule_rows,
                               self.sizes.district_rows)
        what = f"{figures['rules']} rules over {figures['rows']} rows"
        one_by_one = figures["query_per_rule_s"]
        for how, seconds, aim in (("columns pulled", figures["warm_s"], 25),
                                  ("from PostgreSQL cold", figures["cold_s"], 4)):
            self.result(f"{what}, {how}, one thread", "one SQL query per rule",
                        f"{seconds:.2f} s", f"{one_by_one:.1f} s",
                        f"{one_by_one / seconds:.1f}", f"at least {aim}")
        duckdb = self.node("duckdb.mjs", self.work / "rules.duckdb", 1, text=json.dumps(figures))
        self.result(f"{what}, columns pulled, one thread",
                    f"DuckDB on its own file, one thread, {duckdb['statements']} statements",
                    f"{figures['warm_s']:.2f} s", f"{duckdb['seconds']:.2f} s",
                    f"{duckdb['seconds'] / figures['warm_s']:.1f}", "at least 2")
        self.result(f"{figures['rules']} rules over a district of {figures['district_rows']} rows"
                    f" beside {figures['rows']}, columns pulled", "its count(*) by index",
                    f"{figures['district_s'] * 1000:.0f} ms",
                    f"{figures['district_count_s'] * 1000:.0f} ms",
                    f"{figures['district_s'] / figures['district_count_s']:.1f}", "at most 3")
        self.result(f"one more row rule over {figures['rows']} rows", "count(*) of the rows",
                    f"{figures['row_rule_s'] * 1000:.0f} ms", f"{figures['scan_s'] * 1000:.0f} ms",
                    f"{figures['row_rule_s'] / figures['scan_s']:.3f}", "at most 0.05")

    def memory(self):
        """Of the writers of reports; what a worker keeps beside them is in its configuration."""
        peaks = {}
        for kind in FORMATS:
            done = subprocess.run([str(program().parent.parent / "tests/render_sample"), kind.lower(),
                                   "--findings", str(self.sizes.findings)], capture_output=True,
                                  text=True, check=False)
            check(done.returncode == 0, f"a report as {kind}: {done.stderr}")
            peaks[kind] = int(re.search(r"peak RSS (\d+) MiB", done.stdout).group(1))
        worst = max(peaks.values())
        self.result(f"memory of writing {self.sizes.findings} findings, every format", "-",
                    f"{worst} MiB at most ("
                    + ", ".join(f"{kind} {mib}" for kind, mib in peaks.items()) + ")", "-", "-",
                    "under 256 MiB")

    def write_page(self, path):
        lines = ["# Benchmarks", "",
                 "Written by `tools/dev bench`; the ratios were taken side by side in one run.", "",
                 f"{datetime.date.today()}, {platform.system()} {platform.release().split('-')[0]}, "
                 f"{os.cpu_count()} cores, {cpu_model()}; release build.", "",
                 "| what | ours | against | theirs | ratio | aim |", "|---|---|---|---|---|---|"]
        for what, against, ours, theirs, ratio, aim in self.results:
            lines.append(f"| {what} | {ours} | {against} | {theirs} | {ratio} | {aim} |")
        pathlib.Path(path).write_text("\n".join(lines) + "\n")


def cpu_model():
    for line in open("/proc/cpuinfo", encoding="ascii"):
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return "unknown CPU"


def date(day):
    return {"year": day.year, "month": day.month, "day": day.day}


def instant(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def generate(folder, students, schools):
    subprocess.run([sys.executable, str(ROOT / "tools/generate/generate.py"), "--seed", "11",
                    "--students", str(students), "--schools", str(schools), "--out", str(folder),
                    "--datasets", "enrollment"], check=True, stdout=subprocess.DEVNULL)


def process_tree(pid):
    """The process, then those below it, parents first."""
    children = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):  # it ended meanwhile
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                if fields[0] != "Z":
                    children.setdefault(int(fields[1]), []).append(int(entry.name))
    tree = [pid]
    for parent in tree:
        tree += sorted(children.get(parent, []))
    return tree


def cpu_seconds(pids):
    """What the processes used, those below them, and those of them that have ended."""
    ticks = 0
    for pid in {below for pid in pids for below in process_tree(pid)}:
        with contextlib.suppress(OSError):
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def write_attendance(path, rows, schools, changed=False):
    """So many records of these schools; `changed` changes one in a hundred."""
    columns = ("student_uid,school_id,calendar_track,reporting_period,school_year,grade_level,"
               "days_expected,days_present,days_present_iss,days_absent_excused,"
               "days_absent_unexcused,days_absent_oss,days_independent_study,tardies,"
               "chronic_absent,exemption_reason")
    with open(path, "w", encoding="utf-8") as file:
        file.write(columns + "\n")
        for i in range(rows):
            student, period = divmod(i, 6)
            absent = student % 4
            file.write(f"{1000000000 + student},{schools[student % len(schools)]},A,{period + 1},2026,"
                       f"{1 + student % 12:02},31.0,{31 - absent}.0,0.0,{absent}.0,0.0,0.0,0.0,"
                       f"{student % 3 + (changed and i % 100 == 0)},"
                       f"{'true' if absent > 3 else 'false'},\n")


def write_enrollment(path, rows, schools, other_last_name):
    """So many records of these schools; `other_last_name` changes one in a hundred."""
    with open(path, "w", encoding="utf-8") as file:
        file.write("student_uid,school_id,entry_date,school_year,first_name,last_name,birth_date,"
                   "grade_level,enrollment_status\n")
        for i in range(rows):
            last = "Other" if other_last_name and i % 100 == 0 else f"Last{i % 900}"
            file.write(f"{1000000000 + i},{schools[i % len(schools)]},2025-08-18,2026,First{i % 700},{last},"
                       f"2012-{1 + i % 12:02}-{1 + i % 28:02},07,PRIMARY\n")


# These need no state that runs; they come first, while PostgreSQL does nothing else.
ALONE = ("comparison", "rule_group", "memory")
IN_STATE = ("transitions", "pushes", "reports", "report_rate", "fairness", "snapshots")
MEASUREMENTS = ALONE + IN_STATE


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=8, help="length of each round of load")
    parser.add_argument("--only", choices=MEASUREMENTS, help="measures this and writes no page")
    sizes = parser.add_argument_group("sizes, for trying the benchmark; the page has the defaults")
    for name, size in (("push-rows", 1_000_000), ("compare-rows", 1_000_000),
                       ("rule-rows", 5_000_000), ("district-rows", 200_000),
                       ("empty-jobs", 20_000), ("findings", 1_000_000)):
        sizes.add_argument(f"--{name}", type=int, default=size, metavar="N")
    arguments = parser.parse_args()
    tried = any(getattr(arguments, name) != parser.get_default(name) for name in vars(arguments))
    cluster = json.loads(pathlib.Path(os.environ["EDCERT_CLUSTER"]).read_text())
    with tempfile.TemporaryDirectory() as work:
        os.chmod(work, 0o755)
        bench = Bench(Client(program(), False), cluster, pathlib.Path(work), arguments)
        chosen = MEASUREMENTS if arguments.only is None else (arguments.only,)
        prepared = False
        for name in chosen:
            if name in IN_STATE and not prepared:
                bench.prepare()
                prepared = True
            if name == "transitions":
                bench.certify_all()
            getattr(bench, name)()
        if not tried:
            bench.write_page(ROOT / "docs" / "benchmarks.md")


if __name__ == "__main__":
    main()
