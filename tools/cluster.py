#!/usr/bin/env python3
"""Runs the whole product on one machine: a private PostgreSQL, a private Redis, all services.

  cluster.py up    [--name N] [--replicas R] [--foreground]   starts a cluster and keeps its data
  cluster.py down  [--name N]                                 stops it
  cluster.py status [--name N]                                lists its processes
  cluster.py run   [--replicas R] -- COMMAND ...              a fresh cluster around one command
  cluster.py test-env -- COMMAND ...                          only PostgreSQL and Redis around it
  cluster.py token USER [--name N]                            a signed token of a user
  cluster.py kill  PROCESS [--signal S]                       for fault tests: ends one process,
  cluster.py start PROCESS                                    and starts it again

`run` gives the command EDCERT_CLUSTER, the path of cluster.json, which names every address, key
file, log and process; a command that finds EDCERT_CLUSTER set acts on that cluster. `test-env` gives
EDCERT_TEST_PG (a conninfo of the superuser) and EDCERT_TEST_REDIS (host:port). Both pass on the
command's exit code and leave nothing running. Every server listens on 127.0.0.1 only.
"""

import argparse
import base64
import contextlib
import ctypes
import dataclasses
import glob
import hashlib
import json
import os
import pathlib
import pwd
import random
import secrets
import select
import shutil
import signal
import socket
import string
import subprocess
import sys
import tempfile
import time
import uuid

ROOT = pathlib.Path(__file__).resolve().parent.parent


@dataclasses.dataclass(frozen=True)
class Service:
    """One row of the table of services."""
    name: str
    schema: str  # also the role that the service logs in as
    depends_on: tuple = ()  # whom it calls, whose tables it reads; started and migrated before it
    jobs: bool = False  # has workers, so it takes --mode and a Redis
    extra_roles: tuple = ()  # login roles besides its own


# The order is the order of migrating and starting; stopping goes backwards.
SERVICES = (
    Service("event_registry", "registry"),
    Service("dataset", "dataset", ("event_registry",), jobs=True),
    Service("snapshot", "snapshot", ("event_registry", "dataset"), jobs=True),
    Service("validation_report", "validation", ("event_registry", "dataset", "snapshot"),
            jobs=True, extra_roles=("rule_exec",)),
    Service("workflow", "workflow",
            ("event_registry", "dataset", "validation_report", "snapshot")),
    Service("notification", "notification",
            ("event_registry", "validation_report", "workflow")),
)

OWNER_ROLE = "edcert_owner"
DATABASE = "edcert"
ISSUER = "https://dev.edcert.invalid"
AUDIENCE = "edcert"
TIME_ZONE = "America/Chicago"
USER_KEY_ID = "users/dev"

# Below the range from which the kernel takes the ports of outgoing connections.
PORTS = range(20000, 32000)
START_SECONDS = 60
STOP_SECONDS = 30
POLL_SECONDS = 0.02
STATE_FILE = "cluster.json"


class ClusterError(Exception):
    """Why the cluster cannot do what was asked."""


# Ports


_given_ports = set()


def free_port():
    """Returns a port that nobody listens on and that was not returned before."""
    for _ in range(1000):
        port = random.choice(PORTS)
        if port in _given_ports:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given_ports.add(port)
        return port
    raise ClusterError("no free port")


def port_is_open(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


# Processes. They are named by pid and start time, so that a recycled pid is never taken for ours.


def process_start_time(pid):
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return int(stat.rsplit(")", 1)[1].split()[19])


class Process:
    """A process of this cluster, started by this program or by an earlier run of it."""

    def __init__(self, pid, start_time):
        self.pid = pid
        self.start_time = start_time

    def _pidfd(self):
        if self.pid is None or process_start_time(self.pid) != self.start_time:
            return None
        try:
            return os.pidfd_open(self.pid)
        except ProcessLookupError:
            return None

    def wait(self, seconds):
        """Returns whether the process has ended, after waiting for at most so long."""
        pidfd = self._pidfd()
        if pidfd is None:
            return True
        try:
            poll = select.poll()
            poll.register(pidfd, select.POLLIN)
            return bool(poll.poll(seconds * 1000))
        finally:
            os.close(pidfd)

    def alive(self):
        return not self.wait(0)

    def send(self, number):
        pidfd = self._pidfd()
        if pidfd is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, number)
            os.close(pidfd)

    def stop(self, number):
        """Asks the process to end; kills it when it does not."""
        self.send(number)
        if not self.wait(STOP_SECONDS):
            self.send(signal.SIGKILL)
            self.wait(STOP_SECONDS)
            return False
        return True


def die_with_parent(number):
    """Makes a child end with this program, however this program ends (prctl PR_SET_PDEATHSIG)."""
    libc = ctypes.CDLL(None)
    parent = os.getpid()

    def in_child():
        libc.prctl(1, number)
        if os.getppid() != parent:
            os._exit(1)

    return in_child


def spawn(argv, log, cwd, user, bound_to_parent, stop_signal):
    """Starts a process in the background and returns it."""
    as_user = {"user": user, "group": user, "extra_groups": []} if user else {}
    with open(log, "ab") as output:
        child = subprocess.Popen(
            argv, cwd=cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True,
            preexec_fn=die_with_parent(stop_signal) if bound_to_parent else None, **as_user)
    child.returncode = 0  # Waiting goes through the pid; the interpreter need not warn about it.
    return Process(child.pid, process_start_time(child.pid))


def wait_until(condition, process, what, log):
    """Waits until a server answers; fails at once when its process ends."""
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        if process.wait(POLL_SECONDS):
            raise ClusterError(f"{what} ended while it was starting\n{tail(log)}")
        if time.monotonic() > deadline:
            raise ClusterError(f"{what} did not answer within {START_SECONDS} s\n{tail(log)}")


def tail(log, lines=20):
    try:
        text = pathlib.Path(log).read_text(errors="replace")
    except OSError:
        return ""
    return f"--- {log}\n" + "\n".join(text.splitlines()[-lines:])


# PostgreSQL and Redis


def postgres_program(name):
    found = glob.glob(f"/usr/lib/postgresql/15/bin/{name}")
    path = found[0] if found else shutil.which(name)
    if not path:
        raise ClusterError(f"{name} is not installed; run tools/dev setup")
    return path


def database_user():
    """PostgreSQL refuses to run as root; then it runs as the user that its package made."""
    return "postgres" if os.getuid() == 0 else None


def database_folder(folder):
    """Returns where the database files of a cluster in this folder belong.

    That is the folder itself, unless PostgreSQL's user cannot get there (a checkout in a closed home
    directory).
    """
    user = database_user()
    if user:
        account = pwd.getpwnam(user)
        for parent in [folder, *folder.parents]:
            status = parent.stat()
            bit = (0o100 if status.st_uid == account.pw_uid else
                   0o010 if status.st_gid == account.pw_gid else 0o001)
            if not status.st_mode & bit:
                digest = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
                other = pathlib.Path(tempfile.gettempdir()) / f"edcert-{os.getuid()}-{digest}"
                if other.exists() and other.stat().st_uid != os.getuid():
                    raise ClusterError(f"{other} belongs to somebody else")
                return other
    return folder


def psql(port, sql, database="postgres", user="postgres"):
    command = [postgres_program("psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1",
               "-h", "127.0.0.1", "-p", str(port), "-U", user, "-d", database]
    done = subprocess.run(command, input=sql, text=True, capture_output=True)
    if done.returncode != 0:
        raise ClusterError(f"psql: {done.stderr.strip()}")
    return done.stdout.strip()


def postgres_is_ready(port):
    return subprocess.run(
        [postgres_program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]).returncode == 0


def redis_is_ready(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False


# Keys and tokens


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def openssl(*arguments, data=None):
    done = subprocess.run(["openssl", *arguments], input=data, capture_output=True)
    if done.returncode != 0:
        raise ClusterError(f"openssl {arguments[0]}: {done.stderr.decode().strip()}")
    return done.stdout


def make_key(path, algorithm="EC"):
    """Makes a private key (EC on P-256, or Ed25519) unless there is one."""
    if not path.exists():
        options = ["-pkeyopt", "ec_paramgen_curve:P-256"] if algorithm == "EC" else []
        with open(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), "wb") as file:
            file.write(openssl("genpkey", "-algorithm", algorithm, *options))


def make_secret(path):
    """Makes a secret of 64 hexadecimal digits unless there is one."""
    if not path.exists():
        with open(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32) + "\n")


def jwk(path, key_id):
    """Returns the public half of a P-256 key; its DER form ends in the point 04 || x || y."""
    point = openssl("pkey", "-in", str(path), "-pubout", "-outform", "DER")[-65:]
    if len(point) != 65 or point[0] != 4:
        raise ClusterError(f"{path} is not a P-256 key")
    return {"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": key_id,
            "x": base64url(point[1:33]), "y": base64url(point[33:])}


def der_integers(signature):
    """Returns r || s, 32 bytes each, of a DER ECDSA signature: 30 len 02 len r 02 len s."""
    raw, position = b"", 2
    for _ in range(2):
        length = signature[position + 1]
        value = signature[position + 2:position + 2 + length]
        raw += value.lstrip(b"\0").rjust(32, b"\0")
        position += 2 + length
    return raw


def make_token(key_file, key_id, subject, seconds=8 * 3600, now=None, **claims):
    """Returns a JWT (ES256); further claims replace the usual ones, a claim of None is left out."""
    now = int(time.time() if now is None else now)
    body = {"iss": ISSUER, "aud": AUDIENCE, "sub": subject, "iat": now, "exp": now + seconds,
            "jti": str(uuid.uuid4()), "auth_time": now, "amr": ["pwd", "otp"], **claims}
    body = {name: value for name, value in body.items() if value is not None}
    head = {"alg": "ES256", "typ": "JWT", "kid": key_id}
    text = ".".join(base64url(json.dumps(part, separators=(",", ":")).encode())
                    for part in (head, body))
    signature = openssl("dgst", "-sha256", "-sign", str(key_file), data=text.encode())
    return f"{text}.{base64url(der_integers(signature))}"


# The cluster


class Cluster:
    """The processes of one folder, as its cluster.json lists them."""

    def __init__(self, folder, bin_folder=None):
        self.folder = pathlib.Path(folder).resolve()
        self.bin_folder = pathlib.Path(bin_folder or ROOT / "build/dev/bin").resolve()
        self.state = {}
        self.workers = 1
        self.bound_to_parent = False
        if (self.folder / STATE_FILE).exists():
            self.state = json.loads((self.folder / STATE_FILE).read_text())

    # Processes

    def process(self, name):
        if name not in self.state.get("processes", {}):
            raise ClusterError(f"no process '{name}' in {self.folder}")
        row = self.state["processes"][name]
        return Process(row["pid"], row["start_time"])

    def running(self):
        return [name for name in self.state.get("processes", {}) if self.process(name).alive()]

    def save(self):
        """Writes cluster.json in one step, so that a reader sees the old one or the new one."""
        new = self.folder / (STATE_FILE + ".new")
        new.write_text(json.dumps(self.state, indent=2) + "\n")
        new.rename(self.folder / STATE_FILE)

    def add_process(self, name, argv, port, cwd=None, user=None, stop_signal=signal.SIGTERM,
                    log_folder=None):
        log = pathlib.Path(log_folder or self.folder / "log") / f"{name}.log"
        self.state["processes"][name] = {
            "argv": [str(word) for word in argv], "port": port, "cwd": str(cwd or self.folder),
            "user": user, "log": str(log), "stop_signal": int(stop_signal),
            "pid": None, "start_time": None}
        self.start(name)

    def start(self, name):
        """Starts a listed process; wait_for() tells when it answers."""
        if self.process(name).alive():
            raise ClusterError(f"{name} runs already")
        row = self.state["processes"][name]
        if name == "postgres":
            self.remove_lock_file(row)
        process = spawn(row["argv"], row["log"], row["cwd"], row["user"], self.bound_to_parent,
                        row["stop_signal"])
        row["pid"], row["start_time"] = process.pid, process.start_time
        self.save()

    def remove_lock_file(self, row):
        """PostgreSQL takes its own killed process for a running one, until somebody waited for it.

        Memory that processes of the old server still use keeps the new one from starting."""
        lock = pathlib.Path(row["cwd"]) / "data" / "postmaster.pid"
        with contextlib.suppress(FileNotFoundError):
            if lock.read_text().split("\n")[0] == str(row["pid"]):
                lock.unlink()

    def wait_for(self, name):
        row, process = self.state["processes"][name], self.process(name)
        conditions = {"postgres": postgres_is_ready, "redis": redis_is_ready}
        condition = conditions.get(name, self.server_is_healthy)
        wait_until(lambda: condition(row["port"]), process, name, row["log"])

    def server_is_healthy(self, port):
        return port_is_open(port) and subprocess.run(
            [self.bin_folder / "edcertctl", "health", "--address", f"127.0.0.1:{port}"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0

    def kill(self, name, number=signal.SIGKILL):
        """Sends a signal and waits for the end, as far as the signal ends a process."""
        process = self.process(name)
        process.send(number)
        if number not in (signal.SIGSTOP, signal.SIGCONT, signal.SIGHUP):
            if not process.wait(STOP_SECONDS):
                raise ClusterError(f"{name} still runs {STOP_SECONDS} s after the signal")

    def stop(self):
        """Stops everything: the servers that call first, the stores last."""
        processes = self.state.get("processes", {})
        levels = {}
        for name, row in processes.items():
            levels.setdefault(row.get("level", 0), []).append(name)
        for _, names in sorted(levels.items(), reverse=True):
            # A stopped process acts on no signal but SIGKILL until it goes on.
            for name in names:
                self.process(name).send(signal.SIGCONT)
                self.process(name).send(processes[name]["stop_signal"])
            for name in names:
                if not self.process(name).stop(0):
                    print(f"{name} did not stop by itself\n{tail(processes[name]['log'])}",
                          file=sys.stderr)

    # Steps of starting

    def prepare(self, fresh):
        if self.running():
            raise ClusterError(f"already running in {self.folder}; stop it with "
                               f"'tools/cluster.py down --name {self.folder.name}'")
        data = database_folder(self.make_folder())
        if fresh:
            for path in (self.folder, data):
                shutil.rmtree(path, ignore_errors=True)
            self.make_folder()
        for name in ("log", "keys", "config"):
            (self.folder / name).mkdir(exist_ok=True)
        self.state = {"name": self.folder.name, "dir": str(self.folder),
                      "bin": str(self.bin_folder), "services": {}, "processes": {}, "redis": None}
        return data

    def make_folder(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder

    def start_postgres(self, data, durable=True):
        user = database_user()
        home = data / "postgres"
        home.mkdir(parents=True, exist_ok=True)
        if user:
            shutil.chown(home, user, user)
        as_user = {"user": user, "group": user, "extra_groups": []} if user else {}
        if not (home / "data" / "PG_VERSION").exists():
            done = subprocess.run(
                [postgres_program("initdb"), "-D", home / "data", "-U", "postgres", "-E", "UTF8",
                 "--locale=C.UTF-8", "--auth=trust", "--data-checksums", "--no-sync",
                 "--no-instructions"], cwd=home, capture_output=True, text=True, **as_user)
            if done.returncode != 0:
                raise ClusterError(f"initdb: {done.stderr.strip()}")
        port = free_port()
        settings = {
            "listen_addresses": "127.0.0.1", "unix_socket_directories": "",
            "max_connections": 300, "shared_buffers": "512MB", "max_wal_size": "4GB",
            "timezone": "UTC", "log_min_error_statement": "panic",
            "fsync": "on" if durable else "off",
            "synchronous_commit": "on" if durable else "off",
            "full_page_writes": "on" if durable else "off"}
        argv = [postgres_program("postgres"), "-D", home / "data", "-p", port]
        for name, value in settings.items():
            argv += ["-c", f"{name}={value}"]
        # SIGINT is PostgreSQL's fast shutdown: clients are cut off, the data is left clean.
        stop_signal = signal.SIGINT if durable else signal.SIGQUIT
        self.add_process("postgres", argv, port, cwd=home, user=user, stop_signal=stop_signal)
        self.wait_for("postgres")
        address = f"host=127.0.0.1 port={port}"
        self.state["postgres"] = {
            "host": "127.0.0.1", "port": port, "database": DATABASE,
            "superuser_conninfo": f"{address} user=postgres dbname={DATABASE}",
            "owner_conninfo": f"{address} user={OWNER_ROLE} dbname={DATABASE}",
            "conninfo": {service.name: f"{address} user={service.schema} dbname={DATABASE}"
                         for service in SERVICES}}
        for role in [OWNER_ROLE] + [role for service in SERVICES
                                    for role in (service.schema, *service.extra_roles)]:
            psql(port, f"SELECT 'CREATE ROLE {role} LOGIN' WHERE NOT EXISTS "
                       f"(SELECT FROM pg_roles WHERE rolname = '{role}') \\gexec\n")
        psql(port, f"SELECT 'CREATE DATABASE {DATABASE} OWNER {OWNER_ROLE}' WHERE NOT EXISTS "
                   f"(SELECT FROM pg_database WHERE datname = '{DATABASE}') \\gexec\n")
        psql(port, (ROOT / "deploy/postgres/rule_exec.sql").read_text(), DATABASE)
        self.save()

    def start_redis(self):
        port = free_port()
        folder = self.folder / "redis"
        folder.mkdir(exist_ok=True)
        program = shutil.which("redis-server")
        if not program:
            raise ClusterError("redis-server is not installed; run tools/dev setup")
        self.add_process("redis", [program, "--port", port, "--bind", "127.0.0.1", "--save", "",
                                   "--appendonly", "no", "--maxmemory", "512mb",
                                   "--maxmemory-policy", "noeviction", "--dir", folder], port)
        self.state["redis"] = {"host": "127.0.0.1", "port": port, "address": f"127.0.0.1:{port}"}
        self.wait_for("redis")
        self.save()

    def make_keys(self):
        folder = self.folder / "keys"
        users, services = folder / "users.pem", {}
        make_key(users)
        for service in SERVICES:
            services[service.name] = folder / f"{service.name}.pem"
            make_key(services[service.name])
            # What a service signs documents with (seals, certificates) is another key.
            make_key(folder / f"{service.name}.signing.pem", "ED25519")
            make_secret(folder / f"{service.name}.page_tokens.key")
        sets = {"users.jwks.json": [jwk(users, USER_KEY_ID)],
                "services.jwks.json": [jwk(path, f"services/{name}")
                                       for name, path in services.items()]}
        for name, keys in sets.items():
            (folder / name).write_text(json.dumps({"keys": keys}, indent=2) + "\n")
        self.state["auth"] = {
            "issuer": ISSUER, "audience": AUDIENCE,
            "user_key_file": str(users), "user_key_id": USER_KEY_ID,
            "user_keys_file": str(folder / "users.jwks.json"),
            "service_keys_file": str(folder / "services.jwks.json"),
            "service_key_files": {name: str(path) for name, path in services.items()}}

    def write_config(self, service, replica):
        """Fills in deploy/config/dev/<service>.textproto for one replica."""
        row = self.state["services"][service.name]
        auth, redis = self.state["auth"], self.state["redis"]
        peers = "".join(
            f'  peers {{\n    service: "{peer}"\n'
            f'    address: "{",".join(self.state["services"][peer]["addresses"])}"\n  }}\n'
            for peer in service.depends_on)
        values = {
            "service": service.name, "schema": service.schema,
            "listen_address": row["addresses"][replica],
            "metrics_address": row["metrics_addresses"][replica],
            "conninfo": self.state["postgres"]["conninfo"][service.name],
            "owner_conninfo": self.state["postgres"]["owner_conninfo"],
            "postgres_host": self.state["postgres"]["host"],
            "postgres_port": self.state["postgres"]["port"],
            "issuer": auth["issuer"], "audience": auth["audience"],
            "user_keys_file": auth["user_keys_file"],
            "service_keys_file": auth["service_keys_file"],
            "service_key_file": auth["service_key_files"][service.name],
            "signing_key_file": str(self.folder / "keys" / f"{service.name}.signing.pem"),
            "page_token_key_file": str(self.folder / "keys" / f"{service.name}.page_tokens.key"),
            "time_zone": TIME_ZONE,
            "workers": self.workers,
            "folder": str(self.folder),
            "redis": f'redis {{ address: "{redis["address"]}" }}' if redis else "",
            "peers": peers.strip()}
        template = ROOT / "deploy/config/dev" / f"{service.name}.textproto"
        try:
            text = string.Template(template.read_text()).substitute(values)
        except (KeyError, ValueError, OSError) as error:
            raise ClusterError(f"{template}: {error!r}") from error
        path = self.folder / "config" / f"{service.name}-{replica + 1}.textproto"
        path.write_text(text)
        return path

    def start_services(self, replicas):
        for service in SERVICES:
            program = self.bin_folder / f"{service.name}_server"
            if not program.exists():
                raise ClusterError(f"{program} is not built; run tools/dev build")
            self.state["services"][service.name] = {
                "addresses": [f"127.0.0.1:{free_port()}" for _ in range(replicas)],
                "metrics_addresses": [f"127.0.0.1:{free_port()}" for _ in range(replicas)],
                "processes": [f"{service.name}-{n + 1}" for n in range(replicas)]}
        levels = {}
        for service in SERVICES:
            levels[service.name] = 1 + max((levels[name] for name in service.depends_on), default=0)
            row = self.state["services"][service.name]
            program = self.bin_folder / f"{service.name}_server"
            row["configs"] = [str(self.write_config(service, n)) for n in range(replicas)]
            self.migrate(service, program, row["configs"][0])
            for name, config, address in zip(row["processes"], row["configs"], row["addresses"]):
                mode = ["--mode=all"] if service.jobs else []
                self.add_process(name, [program, "--config", config, *mode],
                                 int(address.rsplit(":", 1)[1]))
                self.state["processes"][name]["level"] = levels[service.name]
        self.save()
        for row in self.state["services"].values():
            for name in row["processes"]:
                self.wait_for(name)

    def migrate(self, service, program, config):
        log = self.folder / "log" / f"{service.name}-migrate.log"
        with open(log, "ab") as output:
            done = subprocess.run([program, "--config", config, "--migrate"], cwd=self.folder,
                                  stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        if done.returncode != 0:
            raise ClusterError(f"{service.name}_server --migrate failed\n{tail(log)}")

    def up(self, replicas=1, redis=True, fresh=False):
        data = self.prepare(fresh)
        try:
            self.make_keys()
            self.start_postgres(data)
            if redis:
                self.start_redis()
            self.start_services(replicas)
        except BaseException:
            self.stop()
            raise

    def token(self, subject, **options):
        """Returns a token of a user ('users/ann' or just 'ann')."""
        if "/" not in subject:
            subject = f"users/{subject}"
        auth = self.state["auth"]
        return make_token(auth["user_key_file"], auth["user_key_id"], subject, **options)


# Commands


def default_folder(name):
    return ROOT / ".local" / name


def named_cluster(arguments):
    """Returns the cluster that the command runs in, or the one that the options name."""
    if not arguments.dir and not arguments.name and os.environ.get("EDCERT_CLUSTER"):
        folder = pathlib.Path(os.environ["EDCERT_CLUSTER"]).parent
    else:
        folder = arguments.dir or default_folder(arguments.name or "demo")
    cluster = Cluster(folder)
    cluster.bin_folder = pathlib.Path(cluster.state.get("bin", cluster.bin_folder))
    return cluster


def run_command(words, environment):
    """Runs a command in the foreground and returns its exit code, as a shell would."""
    try:
        child = subprocess.Popen(words, env={**os.environ, **environment},
                                 preexec_fn=die_with_parent(signal.SIGTERM))
    except OSError as error:
        print(f"cluster.py: {error}", file=sys.stderr)
        return 127
    try:
        code = child.wait()
    except SystemExit:  # A signal to this program ends the command too.
        child.terminate()
        try:
            child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        raise
    return code if code >= 0 else 128 - code


def temporary_cluster(arguments, kind):
    """A cluster of its own folder, which goes when the command succeeds; the logs of one that
    failed stay."""
    folder = arguments.dir or default_folder(f"{kind}-{os.getpid()}")
    cluster = Cluster(folder, arguments.bin)
    cluster.bound_to_parent = True
    return cluster


def remove_folder(cluster):
    for path in {cluster.folder, database_folder(cluster.folder)}:
        shutil.rmtree(path, ignore_errors=True)


def command_up(arguments):
    cluster = Cluster(arguments.dir or default_folder(arguments.name or "demo"), arguments.bin)
    cluster.bound_to_parent = arguments.foreground
    cluster.workers = arguments.workers
    cluster.up(arguments.replicas, arguments.redis, arguments.fresh)
    print_status(cluster)
    if arguments.foreground:
        print("Stop it with Ctrl-C.")
        try:
            signal.pause()
        finally:
            cluster.stop()
    return 0


def command_down(arguments):
    cluster = named_cluster(arguments)
    cluster.stop()
    return 0


def print_status(cluster):
    print(f"{cluster.folder / STATE_FILE}")
    for name, row in cluster.state.get("processes", {}).items():
        state = f"pid {row['pid']}" if cluster.process(name).alive() else "not running"
        print(f"  {name:22} 127.0.0.1:{row['port']:<6} {state:12} {row['log']}")


def command_status(arguments):
    cluster = named_cluster(arguments)
    print_status(cluster)
    return 0 if cluster.running() else 1


def command_run(arguments):
    cluster = temporary_cluster(arguments, arguments.name or "run")
    cluster.workers = arguments.workers
    cluster.up(arguments.replicas, arguments.redis, fresh=True)
    try:
        code = run_command(arguments.words, {
            "EDCERT_CLUSTER": str(cluster.folder / STATE_FILE)})
    finally:
        # The command may have started processes again, so the list on disk is the true one.
        Cluster(cluster.folder).stop()
    if code == 0 and not arguments.keep:
        remove_folder(cluster)
    else:
        print(f"The logs are in {cluster.folder}/log.", file=sys.stderr)
    return code


def command_test_env(arguments):
    cluster = temporary_cluster(arguments, "test-env")
    data = cluster.prepare(fresh=True)
    try:
        cluster.start_postgres(data, durable=False)
        cluster.start_redis()
        code = run_command(arguments.words, {
            "EDCERT_TEST_PG": cluster.state["postgres"]["superuser_conninfo"].replace(
                f"dbname={DATABASE}", "dbname=postgres"),
            "EDCERT_TEST_REDIS": cluster.state["redis"]["address"]})
    finally:
        cluster.stop()
        remove_folder(cluster)
    return code


def command_token(arguments):
    print(named_cluster(arguments).token(arguments.user, seconds=arguments.seconds))
    return 0


def command_kill(arguments):
    name = arguments.signal.upper().removeprefix("SIG")
    named_cluster(arguments).kill(arguments.process, signal.Signals[f"SIG{name}"])
    return 0


def command_start(arguments):
    cluster = named_cluster(arguments)
    cluster.start(arguments.process)
    cluster.wait_for(arguments.process)
    return 0


def parse(argv):
    options, words = argv, []
    if "--" in argv:
        options, words = argv[:argv.index("--")], argv[argv.index("--") + 1:]
    parser = argparse.ArgumentParser(
        prog="cluster.py", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name, function, starts=False):
        sub = verbs.add_parser(name)
        sub.set_defaults(function=function)
        sub.add_argument("--name", help="of the cluster; its folder is .local/NAME")
        sub.add_argument("--dir", type=pathlib.Path, help="another folder")
        if starts:
            sub.add_argument("--replicas", type=int, default=1, help="of each service")
            sub.add_argument("--workers", type=int, default=1,
                             help="worker processes of each replica of validation_report")
            sub.add_argument("--bin", type=pathlib.Path, default=ROOT / "build/dev/bin",
                             help="the folder of the programs")
            sub.add_argument("--no-redis", dest="redis", action="store_false")
        return sub

    up = verb("up", command_up, starts=True)
    up.add_argument("--foreground", action="store_true")
    up.add_argument("--fresh", action="store_true", help="throws the old data away")
    verb("down", command_down)
    verb("status", command_status)
    verb("run", command_run, starts=True).add_argument(
        "--keep", action="store_true", help="keeps the folder")
    verb("test-env", command_test_env, starts=True)
    token = verb("token", command_token)
    token.add_argument("user")
    token.add_argument("--seconds", type=int, default=8 * 3600, help="of validity")
    kill = verb("kill", command_kill)
    kill.add_argument("process", help="postgres, redis, or as event_registry-1")
    kill.add_argument("--signal", default="KILL")
    verb("start", command_start).add_argument("process")
    arguments = parser.parse_args(options)
    arguments.words = words
    if arguments.verb in ("run", "test-env") and not words:
        parser.error("a command is missing after --")
    return arguments


def main(argv):
    arguments = parse(argv)

    def stop_on_signal(number, _):
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, stop_on_signal)
    try:
        return arguments.function(arguments)
    except ClusterError as error:
        print(f"cluster.py: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
