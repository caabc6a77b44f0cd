"""The lab for tests: bring it up, run ephord in it, ask ephorctl, wait for conditions.

Only the standard library. Everything is waited for with a deadline; nothing sleeps for luck.
"""
import json
import os
import re
import signal
import subprocess
import tempfile
import time

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
VIP = "10.77.0.100"


class Failed(Exception):
    """A test's claim that does not hold."""


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


def claim(truth, text):
    if not truth:
        raise Failed(text)


class Lab:
    """One lab folder, its namespaces, and at most one ephord in it."""

    def __init__(self, build, folder):
        self.build = build
        self.dir = folder
        self.prefix = "ephort"
        self.ephord = None
        self.watch = None
        self.log_path = os.path.join(folder, "ephord.log")
        self.env = dict(os.environ, LAB_PREFIX=self.prefix, ASAN_OPTIONS="detect_leaks=1",
                        NO_COLOR="1")

    def lab(self, *args, check=True):
        command = ["bash", os.path.join(TOP, "etc/lab/lab.sh"), *map(str, args)]
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=60)
        if check and done.returncode != 0:
            raise Failed(f"{' '.join(command[2:])}: {done.stdout}{done.stderr}")
        return done.stdout

    def mend(self, n):
        """Mend a broken nginx and start it, as an administrator would."""
        self.lab("mend-service", n)
        self.lab("start-service", n)

    def up(self):
        self.lab("up", self.dir)

    def down(self):
        self.stop()
        self.lab("down", self.dir, check=False)

    def ns(self, name):
        return f"{self.prefix}-{name}"

    # -- the configuration

    @property
    def conf(self):
        return os.path.join(self.dir, "ephor.conf")

    def edit(self, *replacements):
        """Replace text in the lab's configuration; each pair must be found."""
        with open(self.conf, encoding="utf-8") as f:
            text = f.read()
        for old, new in replacements:
            claim(old in text, f"the configuration has no '{old}'")
            text = text.replace(old, new)
        with open(self.conf, "w", encoding="utf-8") as f:
            f.write(text)

    # -- the daemon

    def start(self, wait=True):
        with open(self.log_path, "ab") as log:
            self.ephord = subprocess.Popen(
                ["ip", "netns", "exec", self.ns("ctl"), os.path.join(self.build, "ephord"), "-f",
                 "-c", self.conf], stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=self.env)
        if wait:
            wait_for("the status process answers", lambda: self.try_status() is not None)

    def stop(self):
        """End ephord cleanly and expect it to say so."""
        if self.ephord is None:
            return 0
        self.ephord.send_signal(signal.SIGTERM)
        try:
            status = self.ephord.wait(20)
        except subprocess.TimeoutExpired:
            self.ephord.kill()
            status = self.ephord.wait()
        self.ephord = None
        return status

    def kill(self):
        """SIGKILL, as a crash would."""
        self.ephord.kill()
        self.ephord.wait()
        self.ephord = None

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def in_log(self, pattern, seconds=20):
        return wait_for(f"'{pattern}' in the log", lambda: re.search(pattern, self.log()), seconds)

    # -- ephorctl

    def ctl(self, *args, check=True):
        command = [os.path.join(self.build, "ephorctl"), "--socket",
                   os.path.join(self.dir, "ctl.sock"), *args]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, env=self.env)
        if check and done.returncode != 0:
            raise Failed(f"ephorctl {' '.join(args)}: exit {done.returncode}: "
                         f"{done.stdout}{done.stderr}")
        return done

    def try_status(self):
        done = self.ctl("--json", "status", check=False)
        try:
            return json.loads(done.stdout) if done.returncode == 0 else None
        except json.JSONDecodeError:
            return None

    def status(self):
        return wait_for("a status", self.try_status, 15)

    def service(self, name="web"):
        status = self.try_status()
        for service in (status or {}).get("services", []):
            if service["name"] == name:
                return service
        return None

    def process(self, role):
        for process in (self.try_status() or {}).get("processes", []):
            if process["role"] == role:
                return process
        return None

    def active(self):
        service = self.service()
        return service["active"] if service else None

    def holder(self):
        service = self.service()
        vip = service["vips"][0] if service and service["vips"] else None
        return vip["holder"] if vip and vip["phase"] == "held" else None

    def journal(self):
        done = self.ctl("--json", "journal", "-n", "500", check=False)
        try:
            lines = json.loads(done.stdout)
        except json.JSONDecodeError:
            lines = [json.loads(line) for line in done.stdout.splitlines() if line.strip()]
        if isinstance(lines, dict):
            lines = lines.get("journal", lines.get("lines", []))
        return lines

    def in_journal(self, pattern, seconds=20, after=0):
        def look():
            for line in self.journal():
                words = f"{line['event']} {line['object']}: {line['text']}"
                if line["index"] > after and re.search(pattern, words):
                    return line
            return None
        return wait_for(f"'{pattern}' in the journal", look, seconds, 0.2)

    def settled(self, node="n1", seconds=30):
        """The service is steady on `node`, which holds the address, and both nodes work."""
        def look():
            status = self.try_status()
            service = self.service()
            return (status and service and service["phase"] == "steady" and
                    service["active"] == node and self.holder() == node and
                    all(m["state"] == "ok" for m in service["members"]) and
                    all(n["reachable"] for n in status["nodes"]))
        wait_for(f"web is steady on {node}", look, seconds, 0.1)

    # -- the world

    def has_address(self, n):
        done = subprocess.run(["ip", "-n", self.ns(f"n{n}"), "-o", "addr", "show", "to", VIP],
                              capture_output=True, text=True, check=False)
        return done.stdout.strip() != ""

    def client(self):
        """What the client gets through the address: "n1", "n2" or ""."""
        done = subprocess.run(["ip", "netns", "exec", self.ns("cli"), "curl", "-s", "-m", "1",
                               f"http://{VIP}/"], capture_output=True, text=True, check=False)
        found = re.search(r"this is (n\d)", done.stdout)
        return found.group(1) if found else ""

    def watch_start(self):
        path = os.path.join(self.build, "tests/tools/vipwatch")
        self.watch = subprocess.Popen([path, VIP, f"n1=/run/netns/{self.ns('n1')}", f"n2=/run/netns/{self.ns('n2')}"],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def watch_end(self):
        """Seconds on two nodes at once (to be 0), longest seconds on none, and the transitions."""
        out, _ = self.watch.communicate(timeout=10)
        self.watch = None
        lines = [json.loads(line) for line in out.splitlines()]
        claim(lines and "both_ms" in lines[-1], f"vipwatch said nothing: {out}")
        return lines[-1]["both_ms"] / 1e3, lines[-1]["longest_none_ms"] / 1e3, lines[:-1]

    def never_both(self):
        both, gap, moves = self.watch_end()
        claim(both == 0, f"the address was on two nodes for {both} s: {moves}")
        return gap


def new_folder():
    folder = tempfile.mkdtemp(prefix="ephor-lab-")
    os.chmod(folder, 0o755)
    return folder
