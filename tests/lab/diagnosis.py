"""One cluster, fault after fault: each is named rightly while it lasts, and not afterwards."""
import os
import signal
import subprocess
import sys
import time
import urllib.request

from lab import HERE, Failed, claim, wait_for
from many_eyes import all_see, cut_off, join, newest, told
from scenario import scenario

N1, N2, SWITCH = "10.77.0.11", "10.77.0.12", "10.77.0.50"
PACE = 'interval = "400ms"; timeout = "600ms"; retry = "150ms"; fall = 2; rise = 1;'
EDITS = [
    ('interval = "1s"; timeout = "1s"; retry = "300ms"; fall = 3; rise = 2;', PACE),
    ('n1 : { address = "10.77.0.11"; checks = [ "ping", "load" ]; };',
     'n1 : { address = "10.77.0.11"; checks = [ "up", "loss" ]; };'),
    ('n2 : { address = "10.77.0.12"; checks = [ "ping", "load" ]; };',
     'n2 : { address = "10.77.0.12"; checks = [ "up" ]; parents = [ "switch" ]; };'
     f'switch : {{ address = "{SWITCH}"; checks = [ "up" ]; }};'),
    ("checks : {", f'''checks : {{
    up : {{ type = "tcp"; scope = "node"; port = 22; {PACE} }};
    loss : {{ scope = "node"; failover = false; timeout = "5s"; interval = "2s"; retry = "500ms";
             fall = 1; rise = 1; command = [ "{HERE}/lossy_ping.sh", "$ADDRESS$" ]; }};
    app : {{ type = "http"; url = "http://$ADDRESS$:8080/"; body = "all is fine"; slow = "300ms";
            {PACE} }};
    tls : {{ type = "http"; url = "https://$ADDRESS$:8443/"; tls_verify = false; {PACE} }};
    named : {{ type = "tcp"; host = "app.lab"; port = 8080; {PACE} }};'''),
    ('restart = [ "/run/node/nginx-ctl", "restart" ];\n    };',
     '''restart = [ "/run/node/nginx-ctl", "restart" ]; };
    app : { members = ( { node = "n1"; } ); checks = [ "app" ]; };
    tls : { members = ( { node = "n1"; } ); checks = [ "tls" ]; };
    named : { members = ( { node = "n1"; } ); checks = [ "named" ]; };'''),
    # unused now, and told so
    ('    ping : {\n        scope = "node"; interval = "5s"; timeout = "5s"; failover = false;\n'
     '        command = [ "check_ping", "-H", "$ADDRESS$", "-w", "500,40%", "-c", "900,90%", "-p", '
     '"2" ];\n    };\n', ""),
    ('    load : {\n        scope = "node"; interval = "10s"; failover = false;\n'
     '        command = [ "check_load", "-w", "30,25,20", "-c", "60,50,40" ];\n    };\n', ""),
]


class Faults:
    """What can be broken, and what c1 says of it."""

    def __init__(self, lab):
        self.lab = lab
        self.cluster = lab.cluster
        self.folder = lab.path("n1")
        self.named = []
        self.server = None
        self.switch = None
        self.certificate(30)
        self.answer("fine")
        self.start_server()
        self.switch = subprocess.Popen(
            ["ip", "netns", "exec", lab.ns("cli"), sys.executable, "-c",
             "import socket\ns = socket.create_server(('0.0.0.0', 22))\nwhile True: "
             "s.accept()[0].close()"])

    def close(self):
        for process in (self.server, self.switch):
            if process is not None:
                process.kill()
                process.wait()

    # -- the service

    def start_server(self):
        self.server = subprocess.Popen(
            ["ip", "netns", "exec", self.lab.ns("n1"), sys.executable,
             os.path.join(HERE, "fault_server.py"), self.folder])

    def stop_server(self):
        self.server.kill()
        self.server.wait()

    def answer(self, how):
        path = os.path.join(self.folder, "answer")
        with open(path + ".new", "w", encoding="utf-8") as f:
            f.write(how)
        os.rename(path + ".new", path)

    def certificate(self, days):
        """One that ends in so many days, or ended before."""
        pem, new = (os.path.join(self.folder, name) for name in ("cert.pem", "new.pem"))
        subprocess.run(["openssl", "req", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", new, "-out",
                        new + ".csr", "-subj", "/CN=app"], check=True, capture_output=True)
        done = subprocess.run(["openssl", "x509", "-req", "-in", new + ".csr", "-signkey", new,
                               "-days", str(days)], check=True, capture_output=True, text=True)
        with open(new, "a", encoding="utf-8") as f:
            f.write(done.stdout)
        os.rename(new, pem)

    def names(self, *controllers, known):
        """Written in place, for it is mounted."""
        for name in controllers:
            with open(os.path.join(self.cluster[name].home, "hosts"), "w", encoding="utf-8") as f:
                f.write("127.0.0.1 localhost\n" + (f"{N1} app.lab\n" if known else ""))

    # -- the network

    def filter(self, where, rules):
        self.lab.lab("in", where, "nft", "add table ip faults; add chain ip faults in { type filter "
                     f"hook input priority 0; }}; add rule ip faults in {rules} drop")

    def unfilter(self, where):
        self.lab.lab("in", where, "nft", "delete table ip faults")

    def lose(self, where, tenths):
        self.filter(where, f"iif eth0 icmp type echo-request numgen random mod 10 < {tenths}")

    # -- a controller

    def signal(self, controller, number):
        pid = controller.process.pid
        children = subprocess.run(["ps", "--no-headers", "-o", "pid", "--ppid", str(pid)],
                                  capture_output=True, text=True, check=True).stdout.split()
        for one in [pid, *map(int, children)]:
            os.kill(one, number)

    # -- what is said

    def word(self, group, key, name, via="c1"):
        """(kind, evidence) of the check, node or controller of that name."""
        for thing in self.cluster[via].json("status").get(group, []):
            if thing[key] == name:
                found = thing["diagnosis"] or {"kind": "", "evidence": ""}
                return found["kind"], found["evidence"]
        return "?", "?"

    def of_all(self):
        return [(p["diagnosis"]["kind"], p["object"])
                for p in self.cluster["c1"].json("status").get("problems", [])
                if p["diagnosis"] is not None]

    def calm(self):
        """Nothing is diagnosed any more."""
        wait_for("nothing is wrong any more", lambda: not self.of_all(), 25)

    def shown_everywhere(self, service, word, evidence):
        """In ephorctl, on the page, in metrics and in the journal of the last controller."""
        last = self.cluster["c3"]
        wait_for(f"why tells '{evidence}'", lambda: all(  # who was just asking sees it break off first
            text in last.ctl("why", service).stdout
            for text in (f"Diagnosis: {word}", evidence, "Next: ")))

        def page(path):
            with urllib.request.urlopen(f"http://127.0.0.1:{last.port}{path}", timeout=5) as answer:
                return answer.read().decode()
        claim(f">{word}</span>" in page("/") and evidence in page("/"), "not on the page")
        claim("Who sees what" in page(f"/services/{service}"), "no matrix on the service's page")
        claim(f'ephor_diagnosis{{object="{service}",kind="{word}"}} 1' in page("/metrics"),
              "not in metrics")
        claim(any(f"critical (was ok): {word}: " in line["text"] for line in last.journal()),
              "not in the journal")

    def named_rightly(self, fault, word, group, name, evidence="", via="c1", seconds=20):
        key = "id" if group == "checks" else "name"
        begin = time.monotonic()
        try:
            found = wait_for(
                f"'{word}' for {fault}",
                lambda: next((f for f in [self.word(group, key, name, via)]
                              if f[0] == word and evidence in f[1]), None), seconds)
        except Failed as e:
            raise Failed(f"{e}; {name} is said to have {self.word(group, key, name, via)}; "
                         f"{self.of_all()}") from e
        if os.environ.get("EPHOR_LAB_TALKS"):
            print(f"  {fault}: {word} ({found[1]}) after {time.monotonic() - begin:.1f} s",
                  flush=True)
        self.named.append(fault)


def faults_of_the_service(f):
    app, tls, named = "app/n1/app", "tls/n1/tls", "named/n1/named"
    f.stop_server()
    f.named_rightly("a service that was stopped", "service wrong", "checks", app, "refused")
    f.shown_everywhere("app", "service wrong", "c1, c2 and c3: refused")
    f.start_server()
    f.calm()
    f.answer("500")
    f.certificate(-1)
    f.names("c1", "c2", "c3", known=False)
    f.named_rightly("HTTP 500", "service wrong", "checks", app, "c1, c2 and c3: wrong")
    f.named_rightly("a certificate that has expired", "certificate", "checks", tls)
    f.named_rightly("a name that does not resolve", "name resolution", "checks", named)
    f.answer("body")
    f.certificate(30)
    f.names("c1", "c2", known=True)
    f.named_rightly("a controller without DNS", "controller ill", "controllers", "c3", "DNS")
    f.names("c3", known=True)
    f.answer("fine")
    f.calm()
    f.answer("body")
    f.named_rightly("a wrong body", "service wrong", "checks", app, "wrong")
    f.answer("closed")
    f.named_rightly("connections that are broken off", "service wrong", "checks", app, "broken")
    f.answer("slow")
    f.named_rightly("slow answers", "service slow", "checks", app, "c1, c2 and c3: slow")
    f.answer("fine")
    f.calm()
    os.kill(f.server.pid, signal.SIGSTOP)
    f.named_rightly("a service that was stopped by SIGSTOP", "service hung", "checks", app, "hung")
    os.kill(f.server.pid, signal.SIGCONT)
    f.calm()


def faults_of_the_way(f):
    app = "app/n1/app"
    f.filter("n1", "tcp dport 8080")
    f.named_rightly("a port that is filtered", "node's network", "checks", app,
                    "c1, c2 and c3: silent")
    f.unfilter("n1")
    f.filter("n1", "ip saddr 10.77.0.3 tcp dport 8080")
    f.named_rightly("a port that is filtered for one", "path from one controller", "checks", app,
                    "c3: silent; c1 and c2: ok")
    f.unfilter("n1")
    f.calm()
    f.lose("n1", 5)
    f.named_rightly("half of the packets lost", "node's network", "checks", "node/n1/loss", "loss")
    f.unfilter("n1")
    f.calm()
    f.filter("n1", "iif eth0 tcp dport != 22")
    f.filter("n2", "ip saddr 10.77.0.2")
    f.named_rightly("all but SSH filtered", "node's network", "nodes", "n1", "SSH works")
    f.named_rightly("a node that one controller does not reach", "path from one controller",
                    "nodes", "n2", "c2: silent; c1 and c3: ok")
    f.unfilter("n1")
    f.unfilter("n2")
    f.calm()


def faults_of_controllers(f, lab):
    cluster = f.cluster
    before = newest(cluster)
    cut_off(lab, "c3", N1, N2, SWITCH)
    f.named_rightly("a controller cut off from all nodes", "controller cut off", "controllers", "c3")
    join(lab, "c3")
    f.calm()
    cut_off(lab, "c3", "10.77.0.1", "10.77.0.2")
    f.named_rightly("a controller cut off from its peers", "controller cut off", "controllers", "c3",
                    "not heard")
    join(lab, "c3")
    f.calm()
    f.signal(cluster["c3"], signal.SIGSTOP)
    f.named_rightly("a controller that was stopped by SIGSTOP", "controller cut off", "controllers",
                    "c3")
    f.signal(cluster["c3"], signal.SIGCONT)
    told(cluster, "diagnosis c3: controller ill: c3 is late", before)
    f.named.append("a controller that goes on after SIGSTOP")
    f.calm()
    trigger = os.path.join(cluster["c3"].home, "io-errors")
    with open(trigger, "w", encoding="utf-8"):
        pass
    cluster["c1"].ctl("maintenance", "n2", "--off")  # something to write
    f.named_rightly("a disk with I/O errors", "controller ill", "controllers", "c3", "disk", "c3")
    os.unlink(trigger)
    f.calm()


def faults_of_nodes(f, lab):
    before = newest(f.cluster)
    lab.lab("drop", 1, "in")
    f.named_rightly("a node that hears nothing", "node dead", "nodes", "n1")
    f.named_rightly("a service on it", "node dead", "checks", "app/n1/app")
    lab.lab("undrop", 1)
    told(f.cluster, "diagnosis n1: node dead: over", before)
    f.calm()
    for name in ("cli", "n2"):
        subprocess.run(["ip", "-n", lab.ns("sw"), "link", "set", name, "down"], check=True)
    f.named_rightly("a node without its link", "node dead", "nodes", "switch")
    f.named_rightly("a node behind it", "parent failed", "nodes", "n2")
    lab.lab("cut", 1)
    wait_for("many at once", lambda: ("many at once", "lab") in f.of_all())
    f.named.append("everything at once")
    told(f.cluster, "diagnosis lab: many at once", before)
    lab.lab("heal", 1)
    for name in ("cli", "n2"):
        subprocess.run(["ip", "-n", lab.ns("sw"), "link", "set", name, "up"], check=True)
    f.calm()


@scenario(controllers=3, seconds=75, edits=EDITS, program=os.path.join(HERE, "own_hosts.sh"))
def each_fault_is_named_rightly(lab):
    """Of the service, of the way, of nodes and of controllers; while Ephor is paused, so that
    nothing is mended by it."""
    cluster = lab.cluster
    all_see(cluster)
    f = Faults(lab)
    try:
        f.calm()
        wait_for("all services are placed", lambda: all(
            s["state"] == "ok" for s in cluster["c1"].json("status")["services"]))
        cluster.leader().ctl("pause", "--reason", "faults are injected")
        if not cluster["c1"].leads():
            cluster.leader().ctl("cluster", "transfer", "c1")
            wait_for("c1 leads", cluster["c1"].leads)
        faults_of_the_service(f)
        faults_of_the_way(f)
        faults_of_controllers(f, lab)
        faults_of_nodes(f, lab)
        claim(len(f.named) >= 15, f"only {f.named}")
        shown = cluster["c1"].ctl("why", "app").stdout
        claim("Diagnosis" not in shown, f"why tells what is over: {shown}")
        cluster["c1"].ctl("resume")
    finally:
        f.close()
