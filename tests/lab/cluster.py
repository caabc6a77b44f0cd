"""Several controllers in the lab: formed from one by ephorctl, as an administrator would."""
import json
import os
import re
import signal
import subprocess

from lab import TOP, Failed, claim, free_port, wait_for


class Controller:
    """One ephord of the cluster."""

    def __init__(self, lab, name):
        self.lab = lab
        self.name = name
        self.home = lab.dir if name == "c1" else lab.path(name)
        self.port = lab.port if name == "c1" else free_port()
        self.process = None
        self.log_path = os.path.join(lab.dir, f"ephord-{name}.log")

    def start(self, **env):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [os.path.join(TOP, "etc/lab/lab.sh"), "daemon", str(self.port), self.name],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=dict(self.lab.env, **env))

    def start_on_bad_disk(self, trigger):
        """Start it so that it can neither write nor sync its log while the file `trigger` is."""
        self.start(LD_PRELOAD=os.path.join(self.lab.build, "tests/lab/eio.so"),
                   EIO_IN=os.path.join(self.home, "state"), EIO_WHILE=trigger,
                   ASAN_OPTIONS=self.lab.env["ASAN_OPTIONS"] + ":verify_asan_link_order=0")

    def storage_ok(self):
        return self.cluster().get("log", {}).get("storage_ok")

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process = None

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(20)
        except subprocess.TimeoutExpired as e:
            raise Failed(f"{self.name} does not end within 20 s of SIGTERM") from e
        self.process = None
        claim(status == 0, f"{self.name} ended with status {status}")

    def log(self):
        if not os.path.exists(self.log_path):
            return ""
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def in_log(self, pattern, seconds=20):
        return wait_for(f"'{pattern}' in the log of {self.name}",
                        lambda: re.search(pattern, self.log()), seconds)

    def command(self, *args):
        return [os.path.join(self.lab.build, "ephorctl"), "--socket",
                os.path.join(self.home, "ctl.sock"), *args]

    def ctl(self, *args, check=True):
        done = subprocess.run(self.command(*args), capture_output=True, text=True, timeout=30, check=False,
                              env=self.lab.env)
        if check and done.returncode != 0:
            raise Failed(f"{self.name}: ephorctl {' '.join(args)}: exit {done.returncode}: "
                         f"{done.stdout}{done.stderr}")
        return done

    def json(self, *args):
        done = self.ctl("--json", *args, check=False)
        try:
            return json.loads(done.stdout) if done.returncode == 0 else {}
        except json.JSONDecodeError:
            return {}

    def cluster(self):
        return self.json("cluster", "status")

    def leads(self):
        return self.process is not None and self.cluster().get("leading", False)

    def member(self, name):
        for member in self.cluster().get("members", []):
            if member["name"] == name:
                return member
        return None

    def log_index(self):
        return self.cluster().get("log", {}).get("applied_index", 0)

    def pid_of(self, role):
        for process in self.json("status").get("processes", []):
            if process["role"] == role:
                return process["pid"]
        return 0

    def quorum_pid(self):
        return self.pid_of("quorum")

    def journal(self):
        out = self.ctl("--json", "journal", "-n", "2000").stdout
        return [json.loads(line) for line in out.splitlines()]


class Cluster:
    """The controllers c1 ... of a lab; c1 is founded, the others are added."""

    def __init__(self, lab, count):
        self.lab = lab
        self.all = [Controller(lab, f"c{n}") for n in range(1, count + 1)]
        self.observers = []

    def __getitem__(self, name):
        return next(c for c in self.all if c.name == name)

    def extend(self, name):
        """One more controller, whose namespace the lab has; not added yet."""
        self.all.append(Controller(self.lab, name))
        return self.all[-1]

    def running(self):
        return [c for c in self.all if c.process is not None]

    def offline(self, *args, check=True):
        """ephorctl without a daemon."""
        done = subprocess.run([os.path.join(self.lab.build, "ephorctl"), *args], check=False,
                              capture_output=True, text=True, timeout=30, env=self.lab.env)
        if check and done.returncode != 0:
            raise Failed(f"ephorctl {' '.join(args)}: {done.stdout}{done.stderr}")
        return done

    def found(self):
        self.offline("cluster", "init", "c1", "10.77.0.1", "--dir", self.lab.path("cluster"))

    def add(self, name, *options, via=None):
        """Ask for a bundle and unpack it; the controller is not started."""
        controller = self[name]
        bundle = self.lab.path(f"{name}.bundle")
        if os.path.exists(bundle):
            os.unlink(bundle)
        (via or self.leader()).ctl("cluster", "add", name, f"10.77.0.{name[1:]}", "--dir",
                                   self.lab.path("cluster"), "--out", bundle, *options)
        os.makedirs(controller.home, exist_ok=True)
        self.offline("cluster", "join", bundle, "--dir", os.path.join(controller.home, "cluster"),
                     "--state-dir", os.path.join(controller.home, "state"))
        return controller

    def is_voter(self, name):
        member = self.leader().member(name)
        return member is not None and member["kind"] == member["wanted"] and member["met"] and \
            member.get("behind", 1) < 100

    def form(self):
        self.found()
        self["c1"].start()
        wait_for("c1 leads", self["c1"].leads)
        for controller in self.all[1:]:
            self.add(controller.name).start()
        for controller in self.all[1:]:
            wait_for(f"{controller.name} votes", lambda c=controller: self.is_voter(c.name), 30)

    def leader(self, seconds=20):
        def look():
            leaders = [c for c in self.running() if c.leads()]
            if len(leaders) > 1:  # one of them has not heard yet
                leaders.sort(key=lambda c: -c.cluster().get("log", {}).get("term", 0))
            return leaders[0] if leaders else None
        return wait_for("a controller leads", look, seconds)

    def follower(self):
        leader = self.leader()
        return next(c for c in self.running() if c is not leader)

    def agree(self, seconds=30):
        """All that run have applied the same, and say so of each other."""
        def look():
            indices = {c.name: c.log_index() for c in self.running()}
            return max(indices.values()) - min(indices.values()) <= 3 and min(indices.values()) > 0
        wait_for("the logs are alike", look, seconds)

    def held_by(self):
        """The node on which the service is steady and holds its addresses; None."""
        for service in self.leader().json("status").get("services", [])[:1]:
            node = service["active"]
            if service["phase"] == "steady" and \
                    all(v["holder"] == node and v["phase"] == "held" for v in service["vips"]):
                return node
        return None

    def service_is(self, node, seconds=40):
        wait_for(f"web is steady on {node}", lambda: self.held_by() == node, seconds)

    def close(self, cleanly):
        for controller in self.running() + [o for o in self.observers if o.process is not None]:
            if cleanly:
                controller.stop()
            else:
                controller.kill()

    def check_logs(self):
        for controller in self.all + self.observers:
            found = re.search(r".*(ERROR: \w+Sanitizer|runtime error:|contract:|precondition|"
                              r"postcondition|must not happen).*", controller.log())
            claim(found is None, f"in the log of {controller.name}: "
                                 f"{found.group(0) if found else ''}")
