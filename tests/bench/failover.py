#!/usr/bin/env python3
"""Failovers of Ephor beside those of Keepalived, where it is installed: the same nodes, nginx and
client, run by run in turns. The client connects through the address every 2 ms; an outage is the time
between two attempts that succeeded. Prints medians, maxima and ratios.

Ephor: three controllers, checks every second, everything else as it is by default, and no restart,
since Keepalived has none. Keepalived: a script every second, advertisements every 1 s and every 0.1 s.
"""
import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lab"))
from cluster import Cluster  # noqa: E402
from lab import VIP, Failed, Lab, Tool, wait_for  # noqa: E402
from scenario import HASTY  # noqa: E402

# One setting a line: what follows on the same line is not read.
KEEPALIVED = """
global_defs {{
    router_id {name}
    vrrp_version 3
    script_user root
    enable_script_security
}}
vrrp_script web {{
    script "/usr/bin/curl -sf -m 1 -o /dev/null http://{own}/"
    interval 1
    timeout 1
}}
vrrp_instance web {{
    state BACKUP
    nopreempt
    interface eth0
    virtual_router_id 51
    priority {priority}
    advert_int {advert}
    virtual_ipaddress {{
        {vip}/32 dev eth0
    }}
    track_script {{
        web
    }}
}}
"""


class Contender:
    """Somebody who keeps the address on one of two nodes."""

    def __init__(self, build, name, controllers="1"):
        self.lab = Lab(build, f"ephor-b{name}")
        self.lab.env["LAB_CONTROLLERS"] = controllers
        self.build = build
        self.lab.up()

    def holder(self):
        for n in (1, 2):
            if self.lab.has_address(n):
                return n
        return 0

    def outage(self, fail, mend):
        """Milliseconds without the service, for the client."""
        wait_for("a steady start", self.is_ready, 60, 0.2)
        n = self.holder()
        poll = Tool(["ip", "netns", "exec", self.lab.ns("cli"),
                     os.path.join(self.build, "tests/tools/vippoll"), VIP, "80"])
        time.sleep(0.5)
        try:
            undo = fail(self, n)
            wait_for("the other node has the service",
                     lambda: self.lab.has_address(3 - n) and self.lab.client() == f"n{3 - n}", 30)
            time.sleep(0.2)
        finally:
            _, totals = poll.end()
        mend(self, n)
        del undo
        return totals["longest_outage_ms"]

    def close(self):
        self.lab.down()
        shutil.rmtree(self.lab.dir, ignore_errors=True)


class Ephor(Contender):
    def __init__(self, build):
        super().__init__(build, "e", "3")
        self.lab.edit_all(('timeout = "1s"; retry = "300ms"; fall = 3; rise = 2;', ""),
                          ('restart = [ "/run/node/nginx-ctl", "restart" ];', ""),
                          ('vips = [ "web" ];', f'vips = [ "web" ]; {HASTY}'))
        self.lab.cluster = Cluster(self.lab, 3)
        self.lab.cluster.form()

    def is_ready(self):
        status = self.lab.cluster.leader().json("status")
        service = status["services"][0]
        return self.lab.cluster.held_by() is not None and \
            all(m["state"] == "ok" for m in service["members"]) and \
            all(m["fit"] or m["active"] for m in service["members"])

    def switch_over(self):
        self.lab.cluster.leader().ctl("failover", "web", "--yes")

    def close(self):
        self.lab.cluster.close(False)
        super().close()


class Keepalived(Contender):
    def __init__(self, build, advert):
        super().__init__(build, "k" + str(advert).replace(".", ""))
        self.advert = advert
        self.daemons = {}
        for n in (1, 2):
            self.start(n)

    def start(self, n):
        conf = self.lab.path(f"n{n}", "keepalived.conf")
        with open(conf, "w", encoding="utf-8") as file:
            file.write(KEEPALIVED.format(name=f"n{n}", own=f"10.77.0.1{n}", priority=100 - n,
                                         advert=self.advert, vip=VIP))
        os.chmod(conf, 0o600)
        self.lab.lab("on", n, "sh", "-c",
                     "keepalived --use-file=/run/node/keepalived.conf --pid=/run/node/ka.pid "
                     "--vrrp_pid=/run/node/kv.pid --checkers_pid=/run/node/kc.pid -P -l "
                     ">/dev/null 2>&1 </dev/null")

    def is_ready(self):
        return self.lab.has_address(1) != self.lab.has_address(2) and \
            self.lab.client() != "" and time.monotonic() > self.ready_at

    ready_at = 0

    def settle(self):
        """Until its script has seen both nodes well, and the standby hears the master."""
        self.ready_at = time.monotonic() + 3

    def switch_over(self):
        """As an administrator does it: the one that has the address is stopped, and started again."""
        n = self.holder()
        self.lab.lab("on", n, "sh", "-c", "kill $(cat /run/node/ka.pid)")
        wait_for("it has ended",
                 lambda: self.lab.lab("on", n, "sh", "-c", "test -e /run/node/ka.pid && echo x",
                                      check=False) == "", 10)
        self.restart = n

    restart = 0

    def close(self):
        for n in (1, 2):
            self.lab.lab("on", n, "sh", "-c", "kill $(cat /run/node/ka.pid)", check=False)
        super().close()


def fail_service(c, n):
    c.lab.lab("break-service", n)


def mend_service(c, n):
    c.lab.mend(n)
    getattr(c, "settle", lambda: None)()


def fail_link(c, n):
    c.lab.lab("cut", n)


def mend_link(c, n):
    c.lab.lab("heal", n)
    getattr(c, "settle", lambda: None)()


def switch_over(c, _):
    c.switch_over()


def after_switch(c, _):
    if getattr(c, "restart", 0):
        c.start(c.restart)
        c.restart = 0
    getattr(c, "settle", lambda: None)()


SITUATIONS = {"service failure": (fail_service, mend_service),
              "holder's link cut": (fail_link, mend_link),
              "planned switchover": (switch_over, after_switch)}


def double_ownership(c, seconds):
    """Seconds with the address on both nodes, while what keeps them apart is cut and clients are not."""
    wait_for("a steady start", c.is_ready, 60, 0.2)
    n = c.holder()
    before = c.lab.tools["watch"]
    before.end()
    c.lab.tools["watch"] = Tool(before_command(c))
    if isinstance(c, Ephor):
        for i in range(1, 6):
            c.lab.lab("on", n, "ip", "route", "add", "blackhole", f"10.77.0.{i}")
    else:
        for m in (1, 2):
            c.lab.lab("on", m, "nft", "add table ip b; add chain ip b i { type filter hook input "
                                      "priority 0; }; add rule ip b i ip protocol vrrp drop")
    time.sleep(seconds)
    if isinstance(c, Ephor):
        for i in range(1, 6):
            c.lab.lab("on", n, "ip", "route", "del", "blackhole", f"10.77.0.{i}")
    else:
        for m in (1, 2):
            c.lab.lab("on", m, "nft", "delete", "table", "ip", "b")
    _, totals = c.lab.tools["watch"].end()
    c.lab.tools["watch"] = Tool(before_command(c))
    getattr(c, "settle", lambda: None)()
    return totals["both_ms"] / 1000


def before_command(c):
    return [os.path.join(c.build, "tests/tools/vipwatch"), VIP] + \
        [f"n{n}=/run/netns/{c.lab.ns(f'n{n}')}" for n in (1, 2)]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default=".")
    parser.add_argument("--runs", type=int, default=20)
    args = parser.parse_args()
    build = os.path.abspath(args.build)
    contenders = {"Ephor": Ephor(build)}
    try:
        if shutil.which("keepalived", path="/usr/sbin:/usr/bin") is None:
            print("keepalived is not installed: Ephor alone")
        else:
            contenders["Keepalived, 1 s"] = Keepalived(build, 1)
            contenders["Keepalived, 0.1 s"] = Keepalived(build, 0.1)
        print(f"| outage in ms, {args.runs} runs | " + " | ".join(
            f"{name}: median / max" for name in contenders) + " |")
        print("| --- |" + " --- |" * len(contenders))
        for what, (fail, mend) in SITUATIONS.items():
            outages = {name: [] for name in contenders}
            for _ in range(args.runs):
                for name, contender in contenders.items():
                    outages[name].append(contender.outage(fail, mend))
            base = statistics.median(outages["Ephor"])
            cells = [f"{statistics.median(o):.0f} / {max(o):.0f}" +
                     ("" if name == "Ephor" else f" (Ephor takes {base / statistics.median(o):.2f})")
                     for name, o in outages.items()]
            print(f"| {what} | " + " | ".join(cells) + " |", flush=True)
        both = [f"{double_ownership(c, 5):.1f} s" for c in contenders.values()]
        print("| on two nodes during 5 s of a partition between them | " + " | ".join(both) + " |")
    finally:
        for contender in contenders.values():
            contender.close()


if __name__ == "__main__":
    try:
        main()
    except (Failed, subprocess.CalledProcessError) as problem:
        sys.exit(f"failover.py: {problem}")
