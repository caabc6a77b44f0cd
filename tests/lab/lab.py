"""The lab for tests: bring it up, run ephord in it, ask ephorctl, wait for conditions.

Only the standard library. Everything is waited for with a deadline; nothing sleeps for luck. While
a lab is up, vipwatch asks both nodes for the address every two milliseconds: no test ends well if
it ever was on two.
"""
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
HERE = os.path.dirname(os.path.abspath(__file__))
VIP = "10.77.0.100"
EXIT_SKIP = 77


class Failed(Exception):
    """A test's claim that does not hold."""


class Skipped(Exception):
    """The lab cannot be made here."""


def claim(truth, text):
    if not truth:
        raise Failed(text)


def wait_for(what, condition, seconds=20.0, every=0.05):
    """Until condition() is true (and returned); fails with `what` after so many seconds."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= end:
            raise Failed(f"waited {seconds:g} s for: {what}")
        time.sleep(every)


def stays(what, condition, seconds):
    """condition() must hold for so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        claim(condition(), f"did not last {seconds:g} s: {what}")
        time.sleep(0.05)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Tool:
    """A program beside the test that prints lines of JSON, until its standard input ends."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        claim("started" in self.process.stdout.readline(), f"{command[0]} does not start")

    def end(self):
        out, _ = self.process.communicate(timeout=20)
        lines = [json.loads(line) for line in out.splitlines()]
        claim(lines, f"{self.process.args[0]} said nothing")
        return lines[:-1], lines[-1]

    def kill(self):
        self.process.kill()
        self.process.communicate()


class Lab:
    """One lab folder, its namespaces, and at most one ephord in it."""

    def __init__(self, build, prefix="ephor-t"):
        self.build = build
        self.prefix = prefix
        self.dir = tempfile.mkdtemp(prefix=f"{prefix}-")
        os.chmod(self.dir, 0o755)
        self.ephord = None
        self.cluster = None
        self.tools = {}
        self.port = free_port()
        self.log_path = os.path.join(self.dir, "ephord.log")
        self.env = dict(os.environ, LAB_PREFIX=prefix, NO_COLOR="1",
                        EPHORD=os.path.join(build, "ephord"),
                        LISTEN_EXEC=os.path.join(build, "etc/lab/listen_exec"),
                        ASAN_OPTIONS="detect_leaks=1",
                        LSAN_OPTIONS="print_suppressions=0:suppressions=" +
                        os.path.join(os.path.dirname(os.path.abspath(__file__)), "lsan.supp"))

    def lab(self, *args, check=True):
        command = [os.path.join(TOP, "etc/lab/lab.sh"), *map(str, args)]
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=60,
                              check=False)
        if done.returncode == EXIT_SKIP:
            raise Skipped(done.stderr.strip())
        if check and done.returncode != 0:
            raise Failed(f"lab.sh {' '.join(command[1:])}: {done.stdout}{done.stderr}")
        return done.stdout

    def up(self):
        self.lab("up", self.dir)
        self.tools["watch"] = Tool([os.path.join(self.build, "tests/tools/vipwatch"), VIP,
                                    *(f"{n}=/run/netns/{self.ns(n)}" for n in ("n1", "n2"))])

    def down(self):
        for tool in self.tools.values():
            tool.kill()
        self.tools = {}
        if self.ephord is not None:
            self.kill()
        self.lab("down", self.dir)

    def ns(self, name):
        return f"{self.prefix}-{name}"

    def path(self, *names):
        return os.path.join(self.dir, *names)

    # -- the configuration

    def edit(self, *replacements, controller=""):
        """Replace text in the configuration (of c1 if nobody is named); each must be found."""
        path = self.path(controller, "ephor.conf")
        with open(path, encoding="utf-8") as f:
            text = f.read()
        for old, new in replacements:
            claim(old in text, f"the configuration has no '{old}'")
            text = text.replace(old, new)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)

    def edit_all(self, *replacements):
        """The same for every controller that the lab has room for."""
        for name in ("", "c2", "c3", "c4", "c5"):
            if os.path.exists(self.path(name, "ephor.conf")):
                self.edit(*replacements, controller=name)

    # -- the daemon

    def start(self):
        with open(self.log_path, "ab") as log:
            self.ephord = subprocess.Popen(
                [os.path.join(TOP, "etc/lab/lab.sh"), "daemon", str(self.port)], stdout=log,
                stderr=log, stdin=subprocess.DEVNULL, env=self.env)
        wait_for("the status process answers", lambda: self.try_status() is not None)

    def stop(self):
        """End ephord cleanly, as it must."""
        self.ephord.send_signal(signal.SIGTERM)
        try:
            status = self.ephord.wait(20)
        except subprocess.TimeoutExpired as e:
            raise Failed("ephord does not end within 20 s of SIGTERM") from e
        self.ephord = None
        claim(status == 0, f"ephord ended with status {status}")

    def kill(self):
        """SIGKILL, as a crash would."""
        self.ephord.kill()
        self.ephord.wait()
        self.ephord = None

    def reload(self):
        self.ephord.send_signal(signal.SIGHUP)

    def log(self):
        if not os.path.exists(self.log_path):
            return ""
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def in_log(self, pattern, seconds=20):
        return wait_for(f"'{pattern}' in the log", lambda: re.search(pattern, self.log()), seconds)

    def page(self, path, **options):
        """Status and text of a page, asked for on the host's loopback interface."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", **options)
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as e:
            return e.code, e.read().decode()

    # -- ephorctl

    def ctl(self, *args, check=True):
        command = [os.path.join(self.build, "ephorctl"), "--socket", self.path("ctl.sock"), *args]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False,
                              env=self.env)
        if check and done.returncode != 0:
            raise Failed(f"ephorctl {' '.join(args)}: exit {done.returncode}: "
                         f"{done.stdout}{done.stderr}")
        return done

    def try_status(self):
        done = self.ctl("--json", "status", check=False)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def status(self):
        return wait_for("a status", self.try_status, 15)

    def service(self):
        services = self.status()["services"]
        return services[0] if services else {"phase": "", "active": None, "members": [], "vips": []}

    def process(self, role):
        for process in self.status()["processes"]:
            if process["role"] == role:
                return process
        return {"pid": 0, "up": False, "restarts": 0}

    def node(self, name):
        return [n for n in self.status()["nodes"] if n["name"] == name][0]

    def active(self):
        return self.service()["active"]

    def holder(self):
        for vip in self.service()["vips"]:
            return vip["holder"] if vip["phase"] == "held" else None
        return None

    def problems(self):
        return " / ".join(f"{p['object']}: {p['text']}" for p in self.status()["problems"])

    def journal(self):
        out = self.ctl("--json", "journal", "-n", "1000").stdout
        return [json.loads(line) for line in out.splitlines()]

    def in_journal(self, pattern, seconds=20, after=0):
        def look():
            for line in self.journal():
                words = f"{line['event']} {line['object']}: {line['text']}"
                if line["index"] > after and re.search(pattern, words):
                    return line
            return None
        return wait_for(f"'{pattern}' in the journal", look, seconds, 0.2)

    def all_ok(self):
        status = self.try_status()
        return bool(status and status["services"] and
                    all(m["state"] == "ok" for m in status["services"][0]["members"]) and
                    all(n["reachable"] for n in status["nodes"]))

    def is_settled(self, node):
        service = self.service()
        return service["phase"] == "steady" and service["active"] == node and self.holder() == node

    def settled(self, node="n1", seconds=30):
        """The service is steady on `node`, which holds the address, and both nodes work."""
        wait_for(f"web is steady on {node} and all is well",
                 lambda: self.is_settled(node) and self.all_ok(), seconds)

    # -- the world

    def mend(self, n):
        """Mend a broken nginx and start it, as an administrator would."""
        self.lab("mend-service", n)
        self.lab("start-service", n)

    def has_address(self, n):
        done = subprocess.run(["ip", "-n", self.ns(f"n{n}"), "-o", "addr", "show", "to", VIP],
                              capture_output=True, text=True, check=True)
        return done.stdout.strip() != "" and not self.is_shut(n)

    def is_shut(self, n):
        """Is the address there behind a guard that lets nothing through?"""
        def elements(name):
            done = subprocess.run(["ip", "netns", "exec", self.ns(f"n{n}"), "nft", "list", "set",
                                   "inet", "ephor1", name], capture_output=True, text=True,
                                  check=False)
            return VIP in done.stdout
        return elements("owned4") and not elements("alive4")

    def client(self):
        """What the client gets through the address: "n1", "n2" or ""."""
        found = re.search(r"this is (n\d)", self.lab("client", check=False))
        return found.group(1) if found else ""

    def client_reaches(self, node, seconds=15):
        wait_for(f"the client reaches {node}", lambda: self.client() == node, seconds)

    def poll(self):
        """A client that asks for the page all the time."""
        self.tools["poll"] = Tool(["ip", "netns", "exec", self.ns("cli"), "python3",
                                   os.path.join(HERE, "http_poll.py"), f"http://{VIP}/"])

    def outage(self):
        """End the client: the longest time in seconds in which it got no page."""
        _, totals = self.tools.pop("poll").end()
        claim(not totals["is_out"], "the client gets no page any more")
        return totals["longest_outage_ms"] / 1000

    def watched(self):
        """End the sampler: the changes that it saw, and the whole."""
        changes, totals = self.tools.pop("watch").end()
        claim(totals["both_ms"] == 0,
              f"the address was on two nodes for {totals['both_ms']} ms: {changes}")
        return changes, totals

    def check_log(self):
        found = re.search(r".*(ERROR: \w+Sanitizer|runtime error:|contract:).*", self.log())
        claim(found is None, f"in the log: {found.group(0) if found else ''}")
