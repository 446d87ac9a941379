#!/usr/bin/env python3
"""Holds the rules that no compiler knows: who may include whom, and what code may not say.

  check_layers.py [ROOT]     prints PATH:LINE: RULE MESSAGE for each violation; exit code 1 if any

  R1  no service includes another service's headers, no service proto imports another's
  R2  common/ includes nothing from services/ and no service proto
  R3  domain files and *_store.h include no generated messages, no gRPC, no database or Redis library
  R4  libpq only in common/pg, hiredis only in common/redis, gRPC only at the edges
  R5  real time only in common/clock, randomness only in common/ids; no test sleeps
  R6  the SQL of a service names only its own schema
  R7  the libraries of common/ form the graph of layers.toml: no cycle, no edge that nobody uses
  R8  a service includes the gRPC stubs only of those it may call, and calls all of them
  R9  every service has the standard files, a configuration and a row in cluster.py
  S1  no SQL in C++ literals
  S2  no SELECT * in .sql files
  S3  no new, delete or throw in services; no std::regex; std::cout only in programs

The graphs, and exceptions with their reasons, are in layers.toml.
"""

import pathlib
import re
import sys
import tomllib

CODE_FOLDERS = ("common", "services", "tools", "tests", "protos")
SKIPPED_FOLDERS = {"testdata", "node_modules", "__pycache__", "build"}
CODE_SUFFIXES = (".h", ".cc")

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*[<"]([^>"\n]+)[>"]', re.MULTILINE)
IMPORT = re.compile(r'^[ \t]*import[ \t]+(?:public[ \t]+)?"([^"\n]+)"', re.MULTILINE)
# Comments and literals of C++; a quote after a digit separates digits.
CODE_TOKEN = re.compile(
    r'//[^\n]*|/\*.*?\*/'
    r'|(?P<raw>R"(?P<mark>[^(\s"]*)\((?P<raw_text>.*?)\)(?P=mark)")'
    r'|"(?P<text>(?:\\.|[^"\\\n])*)"'
    r"|(?<![0-9A-Fa-f])'(?:\\.|[^'\\\n])*'", re.DOTALL)
SQL_TOKEN = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'", re.DOTALL)
TEST_FILE = re.compile(r"(^tests/)|(^common/testing/)|(_(test|pgtest|redistest)\.(cc|h)$)")
BENCHMARK_FILE = re.compile(r"_benchmark\.cc$")

LIBPQ = re.compile(r"^(libpq-fe\.h|libpq/|postgresql/|postgres_ext\.h|pqxx/)")
HIREDIS = re.compile(r"^hiredis/")
GRPC = re.compile(r"^(grpcpp/|grpc/|grpc\+\+/)|\.grpc\.pb\.h$")
# Where a service may touch generated messages, and of these where it may touch gRPC.
ADAPTER = re.compile(r"(^|_)(service|convert|main|client|worker)$")
GRPC_ADAPTER = re.compile(r"(^|_)(service|main|client)$")

REAL_TIME = re.compile(
    r"\b(?:system_clock|steady_clock|high_resolution_clock)::now\b|\babsl::Now\b"
    r"|(?<![\w.>])(?:std::)?time\s*\(\s*(?:nullptr|NULL|0)\s*\)")
RANDOM = re.compile(r"\brandom_device\b|\babsl::(?:Insecure)?BitGen\b|(?<![\w.>])s?rand\s*\(")
SLEEP = re.compile(r"\bsleep_for\b|\bsleep_until\b|\bSleepFor\b|(?<![\w.>])u?sleep\s*\(")
SQL_LITERAL = re.compile(r"^\s*(SELECT|INSERT|UPDATE|DELETE)\s")
SELECT_STAR = re.compile(r"\bSELECT\s+(?:DISTINCT\s+|ALL\s+)?(?:\w+\.)?\*", re.IGNORECASE)
ALLOCATION = re.compile(r"\b(new|throw)\b|(?<!=)(?<!= )\bdelete\b")
CMAKE_COMMAND = re.compile(r"\b\w+\(\s*(\w+)\s([^()]*)\)")
CMAKE_HOMES = ((r"\bPostgreSQL::", "edcert_pg"),
               (r"\b(?:dep_hiredis|PkgConfig::HIREDIS)\b", "edcert_redis"))
STANDARD_FILES = ("README.md", "main.cc", "config.proto", "{0}_service.h", "{0}_service.cc",
                  "convert.h", "convert.cc", "errors.h", "errors.cc", "migrations", "sql")


def blank(match):
    """Replaces a token by blanks, so that lines and columns stay where they are."""
    return re.sub(r"[^\n]", " ", match.group(0))


class Checker:

    def __init__(self, root, config):
        self.root = root
        self.config = config
        self.services = config["services"]
        self.found = []
        self.used_exceptions = set()
        self.used_edges = set()

    def report(self, path, line, rule, message):
        for number, row in enumerate(self.config.get("exception", [])):
            if row["rule"] == rule and row["path"] == path:
                self.used_exceptions.add(number)
                return
        self.found.append((path, line, rule, message))

    def report_matches(self, path, text, pattern, rule, message):
        for match in pattern.finditer(text):
            self.report(path, text.count("\n", 0, match.start()) + 1, rule,
                        message.format(" ".join(match.group(0).split())))

    def run(self):
        self.check_config()
        for folder in CODE_FOLDERS:
            for file in sorted((self.root / folder).rglob("*")):
                path = file.relative_to(self.root).as_posix()
                if SKIPPED_FOLDERS & set(path.split("/")) or not file.is_file():
                    continue
                if file.suffix in CODE_SUFFIXES:
                    self.check_code(path, file.read_text(encoding="utf-8"))
                elif file.suffix == ".proto":
                    self.check_proto(path, file.read_text(encoding="utf-8"))
                elif file.suffix == ".sql":
                    self.check_sql(path, file.read_text(encoding="utf-8"))
                elif file.name == "CMakeLists.txt":
                    self.check_cmake(path, file.read_text(encoding="utf-8"))
        self.check_service_folders()
        self.check_exceptions()
        return sorted(self.found)

    # The configuration itself

    def check_config(self):
        self.check_acyclic("R7", {name: edges for name, edges in self.config["common"].items()
                                  if edges != ["*"]})
        self.check_acyclic("R8", {name: row["calls"] for name, row in self.services.items()})

    def check_acyclic(self, rule, graph):
        done, path = set(), []

        def visit(name):
            if name in path:
                cycle = " -> ".join(path[path.index(name):] + [name])
                self.report("tools/layers.toml", 1, rule, f"cycle: {cycle}")
                return
            if name not in graph:
                self.report("tools/layers.toml", 1, rule, f"'{name}' is used but not listed")
                return
            if name in done:
                return
            path.append(name)
            for edge in graph[name]:
                visit(edge)
            path.pop()
            done.add(name)

        for name in graph:
            visit(name)

    def check_edges(self):
        """Reports what the graphs allow and nobody does."""
        for rule, graph in (
                ("R7", self.config["common"]),
                ("R8", {name: row["calls"] for name, row in self.services.items()})):
            for name, edges in graph.items():
                for edge in edges:
                    if edge != "*" and (rule, name, edge) not in self.used_edges:
                        self.report("tools/layers.toml", 1, rule, f"nobody uses {name} -> {edge}")

    def check_exceptions(self):
        for number, row in enumerate(self.config.get("exception", [])):
            if not row.get("reason"):
                self.found.append(("tools/layers.toml", 1, row["rule"],
                                   f"the exception of {row['path']} has no reason"))
            if number not in self.used_exceptions:
                self.found.append(("tools/layers.toml", 1, row["rule"],
                                   f"the exception of {row['path']} is not needed"))

    # C++

    def check_code(self, path, text):
        for match in INCLUDE.finditer(text):
            line = text.count("\n", 0, match.start(1)) + 1
            self.check_include(path, line, match.group(1))
        code = CODE_TOKEN.sub(blank, text)
        test = bool(TEST_FILE.search(path))
        if not test and not BENCHMARK_FILE.search(path):
            if not path.startswith("common/clock/"):
                self.report_matches(path, code, REAL_TIME, "R5", "real time: {0}; take a Clock")
            if not path.startswith("common/ids/"):
                self.report_matches(path, code, RANDOM, "R5", "randomness: {0}; take an IdSource")
        if test:
            self.report_matches(path, code, SLEEP, "R5", "{0} in a test; wait for a condition")
        if path.startswith("services/") and not test:
            self.check_literals(path, text)
            self.report_matches(path, code, ALLOCATION, "S3", "'{0}' in a service")
        self.report_matches(path, code, re.compile(r"\bstd::regex\b"), "S3", "{0}")
        if not path.startswith("tools/") and not path.endswith("/main.cc"):
            self.report_matches(path, code, re.compile(r"\bstd::cout\b"), "S3",
                                "{0} outside a program")

    def check_literals(self, path, text):
        for match in CODE_TOKEN.finditer(text):
            literal = match.group("text") or match.group("raw_text") or ""
            if SQL_LITERAL.match(literal.replace("\\n", " ")):
                self.report(path, text.count("\n", 0, match.start()) + 1, "S1",
                            "SQL in C++; it belongs in a .sql file")

    def check_include(self, path, line, include):
        parts = path.split("/")
        stem = parts[-1].rsplit(".", 1)[0]
        test = bool(TEST_FILE.search(path))
        service = parts[1] if parts[0] == "services" and len(parts) > 2 else None
        library = parts[1] if parts[0] == "common" and len(parts) > 2 else None
        package = re.match(r"edcert/(\w+)/", include)
        package = package.group(1) if package and package.group(1) != "type" else None

        other = re.match(r"services/(\w+)/", include)
        if other and library:
            self.report(path, line, "R2", f"common/ includes {include}")
        elif other and other.group(1) != service and not path.startswith("tests/"):
            self.report(path, line, "R1", f"{include} belongs to another service")

        if library and package and package not in self.config["common_protos"].get(library, []):
            self.report(path, line, "R2", f"common/ includes the service proto {include}")

        if service and not test:
            domain = not ADAPTER.search(stem)
            if stem.endswith("_store"):
                domain = path.endswith(".h")
            foreign = [pattern for pattern in (LIBPQ, HIREDIS, GRPC) if pattern.search(include)]
            # The messages of an API or a configuration; a parse tree, say, may be generated too.
            message = include.endswith(".pb.h") and (
                package or include.startswith("edcert/") or include.endswith("/config.pb.h"))
            if domain and (foreign or message):
                self.report(path, line, "R3", f"a domain file includes {include}")

        if LIBPQ.search(include) and library != "pg":
            self.report(path, line, "R4", f"{include} outside common/pg")
        if HIREDIS.search(include) and library != "redis":
            self.report(path, line, "R4", f"{include} outside common/redis")
        if GRPC.search(include) and not (
                test or library in ("rpc", "access") or path.startswith("tools/edcertctl/")
                or (service and GRPC_ADAPTER.search(stem))):
            self.report(path, line, "R4", f"{include} away from the edges")

        if library and not test:
            target = re.match(r"common/(\w+)/", include)
            allowed = self.config["common"].get(library)
            if target:
                self.used_edges.add(("R7", library, target.group(1)))
            if allowed is None:
                self.report(path, line, "R7", f"common/{library} is not in layers.toml")
            elif target and target.group(1) != library and allowed != ["*"] and (
                    target.group(1) not in allowed):
                self.report(path, line, "R7",
                            f"common/{library} may not include common/{target.group(1)}")

        if service and not test:
            # The one client that stands in common/.
            if include == "common/access/registry_access.h":
                self.used_edges.add(("R8", service, "event_registry"))
            if include.endswith(".grpc.pb.h"):
                self.used_edges |= {("R8", service, name) for name, row in self.services.items()
                                    if row["package"] == package}
        if service and package and include.endswith(".grpc.pb.h") and not test:
            row = self.services.get(service, {"package": None, "calls": []})
            callable_packages = {row["package"]} | {
                self.services[name]["package"] for name in row["calls"]}
            if package not in callable_packages:
                self.report(path, line, "R8", f"{service} may not call {package}")

    # Everything else

    def check_proto(self, path, text):
        own = re.match(r"protos/edcert/(\w+)/", path)
        for match in IMPORT.finditer(text):
            line = text.count("\n", 0, match.start(1)) + 1
            imported = re.match(r"edcert/(\w+)/", match.group(1))
            package = imported.group(1) if imported else "type"
            if path.startswith("common/") and package != "type":
                self.report(path, line, "R2", f"common/ imports {match.group(1)}")
            elif own and package not in ("type", own.group(1)):
                self.report(path, line, "R1", f"{match.group(1)} belongs to another service")

    def check_sql(self, path, text):
        parts = path.split("/")
        sql = SQL_TOKEN.sub(blank, text)
        self.report_matches(path, sql, SELECT_STAR, "S2", "{0}; name the columns")
        if parts[0] not in ("services", "common"):
            return
        schemas = {schema for row in self.services.values()
                   for schema in (row["package"], *row.get("publishes", []))}
        if parts[0] == "services":
            row = self.services.get(parts[1], {"package": None})
            schemas -= {row["package"], *row.get("publishes", []), *row.get("reads", [])}
        pattern = re.compile(rf"(?<![\w.])({'|'.join(sorted(schemas))})\.\w+", re.IGNORECASE)
        self.report_matches(path, sql, pattern, "R6", "{0} belongs to another service")

    def check_cmake(self, path, text):
        code = re.sub(r"#[^\n]*", blank, text)
        for command in CMAKE_COMMAND.finditer(code):
            target, words = command.group(1), command.group(2)
            for library, home in CMAKE_HOMES:
                if re.search(library, words) and not re.match(rf"{home}(_|$)", target):
                    self.report(path, code.count("\n", 0, command.start()) + 1, "R4",
                                f"{target} links what only {home} may")

    def check_service_folders(self):
        """Looks at the services that are built: those with a CMakeLists.txt."""
        table = self.root / "tools/cluster.py"
        table = table.read_text(encoding="utf-8") if table.exists() else ""
        for build in sorted((self.root / "services").glob("*/CMakeLists.txt")):
            name, folder = build.parent.name, f"services/{build.parent.name}"
            for file in STANDARD_FILES:
                if not (build.parent / file.format(name)).exists():
                    self.report(folder, 1, "R9", f"{file.format(name)} is missing")
            if not (self.root / f"deploy/config/dev/{name}.textproto").exists():
                self.report(folder, 1, "R9", f"deploy/config/dev/{name}.textproto is missing")
            if f'Service("{name}"' not in table:
                self.report(folder, 1, "R9", "no row in tools/cluster.py")
            if name not in self.services:
                self.report(folder, 1, "R8", "not in tools/layers.toml")


def check(root, config_file, edges=False):
    """Returns the violations; with `edges` also those of a graph that allows too much."""
    with open(config_file, "rb") as file:
        checker = Checker(root, tomllib.load(file))
    found = checker.run()
    if edges:
        checker.check_edges()
        found = sorted(checker.found)
    return found


def main(arguments):
    root = pathlib.Path(arguments[0] if arguments else pathlib.Path(__file__).parent.parent)
    found = check(root, root / "tools/layers.toml", edges=True)
    for path, line, rule, message in found:
        print(f"{path}:{line}: {rule} {message}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
