"""What Ephor promises, end to end: real sshd, nginx, addresses, plugins. One function a scenario;
each begins with a fresh lab in which the service is steady on n1, unless it says otherwise."""
import os
import random
import re
import signal
import stat
import subprocess
import time

from lab import claim, wait_for

SCENARIOS = []


def scenario(function):
    SCENARIOS.append(function)
    return function


@scenario
def killed_service_is_restarted_and_the_address_stays(lab):
    lab.watch_start()
    lab.lab("kill-service", 1)
    lab.in_journal("decision web on n1: restart it")
    lab.in_journal("web on n1: works again after the restart")
    claim(lab.client() == "n1", "the client does not reach n1 again")
    claim(lab.active() == "n1", "the service moved")
    gap = lab.never_both()
    claim(gap == 0, f"the address was away for {gap} s")


@scenario
def service_that_cannot_start_moves(lab):
    lab.watch_start()
    lab.lab("break-service", 1)
    wait_for("the client reaches n2", lambda: lab.client() == "n2", 15)
    lab.in_journal("outcome web on n1: restart: failed: exit 1")
    lab.in_journal("decision web: move from n1 to n2")
    gap = lab.never_both()
    claim(gap < 1, f"the address was away for {gap} s although n1 could be reached")
    wait_for("the service is steady on n2", lambda: lab.holder() == "n2")


@scenario
def cut_off_node_loses_the_address_before_the_other_gets_it(lab):
    lab.watch_start()
    lab.lab("cut", 1)
    wait_for("the client reaches n2", lambda: lab.client() == "n2", 20)
    claim(not lab.has_address(1), "the cut-off node still has the address")
    lab.in_journal("vip web: .* is free: n1 had it until its lease ended")
    lab.lab("heal", 1)
    wait_for("n1 can be worked on again", lambda: all(
        n["reachable"] for n in lab.status()["nodes"]), 20)
    wait_for("n1 is ok again", lambda: all(
        m["state"] == "ok" for m in lab.service()["members"]), 20)
    # failback is manual: nothing moves, and it says so
    lab.in_journal("hold web: nothing is done \\(rule 14, failback-manual\\)")
    claim(lab.holder() == "n2", "the address flapped back")
    gap = lab.never_both()
    claim(gap < 10, f"the address was away for {gap} s")


def one_way(lab, direction):
    lab.watch_start()
    lab.lab("drop", 1, direction)
    wait_for("the address is on n2", lambda: lab.has_address(2), 25)
    claim(not lab.has_address(1), "the cut-off node still has the address")
    lab.lab("undrop", 1)
    wait_for("n1 is ok again", lambda: all(
        m["state"] == "ok" for m in (lab.service() or {"members": []})["members"]) and
        lab.service() is not None, 20)
    lab.never_both()


@scenario
def node_that_hears_nothing_loses_the_address_first(lab):
    one_way(lab, "in")


@scenario
def node_that_is_not_heard_loses_the_address_first(lab):
    one_way(lab, "out")


@scenario
def automatic_failback_returns_once(lab):
    lab.edit(('vips = [ "web" ];', 'vips = [ "web" ]; failback = "auto"; failback_after = "1s"; '
              'hold_down = "2s";'))
    lab.ephord.send_signal(signal.SIGHUP)
    lab.in_journal("policy lab: adopted", after=2)
    lab.watch_start()
    lab.lab("break-service", 1)
    wait_for("the address is on n2", lambda: lab.holder() == "n2")
    lab.mend(1)
    wait_for("the address is on n1 again", lambda: lab.holder() == "n1")
    lab.in_journal("\\(rule 13, failback\\)")
    lab.never_both()


@scenario
def maintenance_drains_and_ends(lab):
    lab.watch_start()
    lab.ctl("maintenance", "n1", "--reason", "new disk")
    wait_for("the client reaches n2", lambda: lab.client() == "n2")
    lab.in_journal("\\(rule 6, drain\\)")
    node = [n for n in lab.status()["nodes"] if n["name"] == "n1"][0]
    claim(node["maintenance"], "status does not show the maintenance")
    refused = lab.ctl("failover", "web", "--to", "n1", "--yes", check=False)
    claim(refused.returncode == 4, f"exit {refused.returncode} instead of 4 for a refusal")
    claim("maintenance" in refused.stdout + refused.stderr, "the refusal does not say why")
    lab.ctl("maintenance", "n1", "--off")
    lab.ctl("failover", "web", "--to", "n1", "--yes")
    wait_for("the client reaches n1", lambda: lab.client() == "n1")
    gap = lab.never_both()
    claim(gap < 1, f"a planned move took {gap} s")


@scenario
def pause_holds_and_resume_acts(lab):
    lab.ctl("pause", "--reason", "test")
    lab.lab("break-service", 1)
    lab.in_journal("hold web: nothing is done \\(rule 3, paused\\)")
    claim(lab.active() == "n1" and lab.has_address(1), "something was done while paused")
    why = lab.ctl("why", "web").stdout
    claim("paused" in why, f"why does not name the pause: {why}")
    lab.ctl("resume")
    wait_for("the client reaches n2", lambda: lab.client() == "n2")


@scenario
def killed_ephord_comes_back_with_the_same_state(lab):
    before = lab.journal()
    lab.watch_start()
    for _ in range(3):
        lab.kill()
        lab.start()
        lab.settled()
    after = lab.journal()
    keys = {(line["index"], line.get("line", 0)): line["text"] for line in after}
    for line in before:
        claim(keys.get((line["index"], line.get("line", 0))) == line["text"],
              f"the journal lost or changed: {line}")
    lab.never_both()
    claim(lab.holder() == "n1", "the holder changed")


@scenario
def ephord_killed_during_failovers_finishes_them(lab):
    generator = random.Random(7)
    lab.edit(('vips = [ "web" ];', 'vips = [ "web" ]; hold_down = "0s"; moves_max = 8; '
              'restart_tries = 0;'))
    lab.ephord.send_signal(signal.SIGHUP)
    lab.in_journal("policy lab: adopted", after=2)
    lab.watch_start()
    on, other = 1, 2
    for _ in range(4):
        lab.lab("break-service", on)
        time.sleep(generator.uniform(0.2, 2.5))  # any moment of the failover
        lab.kill()
        lab.start()
        wait_for(f"the address is on n{other}",
                 lambda other=other: lab.holder() == f"n{other}", 40)
        lab.mend(on)
        wait_for("both are ok", lambda: all(
            m["state"] == "ok" for m in lab.service()["members"]), 30)
        on, other = other, on
    lab.never_both()


@scenario
def every_child_killed_is_restarted_and_nothing_is_lost(lab):
    lab.watch_start()
    for role in ("checker", "actor", "quorum", "status"):
        old = lab.process(role)
        claim(old is not None, f"status shows no {role} process")
        os.kill(old["pid"], signal.SIGKILL)

        def is_back(role=role, old=old):
            process = lab.process(role)
            return process and process["up"] and process["pid"] != old["pid"]
        wait_for(f"{role} is back", is_back, 20)
        claim(lab.process(role)["restarts"] > old["restarts"], f"the loss of {role} is not shown")
        lab.settled()
    lab.never_both()
    # and the whole still works
    lab.lab("break-service", 1)
    wait_for("the client reaches n2", lambda: lab.client() == "n2")


@scenario
def reload_keeps_state_and_refuses_nonsense(lab):
    lab.edit(("interval = \"1s\"", "intervall = \"1s\""))
    lab.ephord.send_signal(signal.SIGHUP)
    lab.in_log('unknown setting; did you mean "interval"')
    lab.edit(("intervall = \"1s\"", "interval = \"700ms\""))
    lab.ephord.send_signal(signal.SIGHUP)
    lab.in_journal("policy lab: adopted", after=2)
    lab.settled()
    claim(lab.client() == "n1", "the reload moved the service")


@scenario
def stopping_cleanly_leaves_the_address_until_its_lease_ends(lab):
    status = lab.stop()
    claim(status == 0, f"exit status {status}")
    claim(lab.has_address(1), "the address went with the controller")
    claim("ERROR: AddressSanitizer" not in lab.log() and "LeakSanitizer" not in lab.log() and
          "runtime error" not in lab.log(), "a sanitizer complains in the log")
    wait_for("the lease ends", lambda: not lab.has_address(1), 10)
    lab.start()
    lab.settled()


@scenario
def announcement_changes_the_clients_neighbour(lab):
    def neighbour():
        done = subprocess.run(["ip", "-n", lab.ns("cli"), "neigh", "show", "10.77.0.100"],
                              capture_output=True, text=True, check=False)
        found = re.search(r"lladdr ([0-9a-f:]+)", done.stdout)
        return found.group(1) if found else ""
    claim(lab.client() == "n1", "the client does not reach n1")
    old = neighbour()
    claim(old != "", "the client has no neighbour entry")
    lab.ctl("failover", "web", "--yes")
    wait_for("the client's neighbour entry changes",
             lambda: neighbour() not in ("", old), 5)


# ---------------------------------------------------------------- bad input

@scenario
def wrong_host_key_is_told_and_nothing_stops(lab):
    lab.stop()
    path = os.path.join(lab.dir, "known_hosts")
    with open(path, encoding="utf-8") as f:
        lines = f.read().splitlines()
    host1, host2 = lines[0].split()[0], lines[1].split()[0]
    key1, key2 = lines[0].split()[1:], lines[1].split()[1:]
    with open(path, "w", encoding="utf-8") as f:
        f.write(f"{host1} {' '.join(key2)}\n{host2} {' '.join(key2)}\n")
    lab.start()
    lab.in_journal("reach n1: cannot be worked on: the host key of 10.77.0.11 is not the one")
    lab.in_journal("move from n1 to n2: .*\\(rule 19, out-of-reach\\)")
    wait_for("the service is on n2, which can be worked on", lambda: lab.holder() == "n2", 30)
    with open(path, "w", encoding="utf-8") as f:
        f.write(f"{host1} {' '.join(key1)}\n{host2} {' '.join(key2)}\n")
    lab.ephord.send_signal(signal.SIGHUP)
    wait_for("n1 can be worked on", lambda: all(n["reachable"] for n in lab.status()["nodes"]))


@scenario
def wrong_user_key_is_told_and_nothing_stops(lab):
    keys = os.path.join(lab.dir, "n2", "authorized_keys")
    with open(keys, encoding="utf-8") as f:
        good = f.read()
    with open(keys, "w", encoding="utf-8") as f:
        f.write("")
    lab.stop()
    lab.start()
    lab.in_journal("reach n2: cannot be worked on: user root is not let in")
    problems = " ".join(p["text"] for p in lab.status()["problems"])
    claim("not let in" in problems, f"the problems do not tell it: {problems}")
    claim(lab.client() == "n1", "the service on n1 suffered")
    with open(keys, "w", encoding="utf-8") as f:
        f.write(good)
    wait_for("n2 can be worked on", lambda: all(n["reachable"] for n in lab.status()["nodes"]))


@scenario
def node_without_ip_is_told_and_not_chosen(lab):
    # hide the program in the node's own mount namespace
    lab.lab("on", 2, "sh", "-c",
            "for p in /usr/sbin/ip /sbin/ip /usr/bin/ip /bin/ip; do "
            "[ -e $p ] && mount --bind /dev/null $p; done; true")
    lab.stop()
    lab.start()
    lab.in_journal("reach n2: cannot be worked on: this node has no ip command")
    lab.lab("break-service", 1)
    lab.in_journal("hold web: nothing is done \\(rule 5, no-candidate\\).*no ip command")


@scenario
def full_disk_is_told_leases_go_on_and_it_comes_back(lab):
    lab.stop()
    state = os.path.join(lab.dir, "state")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=755", "tmpfs", state], check=True)
    filler = os.path.join(state, "filler")
    try:
        lab.start()
        lab.settled()
        fd = os.open(filler, os.O_WRONLY | os.O_CREAT)
        try:
            while True:
                os.write(fd, b"x" * 4096)
        except OSError:
            pass  # it is full
        os.close(fd)
        lab.watch_start()
        lab.lab("break-service", 2)  # makes facts that do not fit
        wait_for("status shows the storage problem",
                 lambda: lab.status()["cluster"]["storage_ok"] is False, 30)
        lab.in_log("no space|disk is full|full")
        time.sleep(4)  # longer than a lease: it must be extended all the same
        claim(lab.has_address(1) and lab.client() == "n1", "the address was lost with the disk")
        os.unlink(filler)
        wait_for("the storage works again",
                 lambda: lab.status()["cluster"]["storage_ok"] is True, 30)
        lab.in_journal("check web/n2/http: critical")
        lab.never_both()
    finally:
        lab.stop()
        subprocess.run(["umount", state], check=False)


@scenario
def misbehaving_plugins_stop_nothing(lab):
    folder = os.path.join(lab.dir, "plugins")
    os.mkdir(folder)
    plugins = {
        "hangs": "trap '' TERM; while :; do sleep 1; done",
        "floods": "head -c 3000000 /dev/zero | tr '\\0' x",
        "dies": "kill -SEGV $$",
        "leaves": "sleep 300 & echo left one",
    }
    checks, names = "", []
    for name, body in plugins.items():
        path = os.path.join(folder, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(f"#!/bin/sh\n{body}\n")
        os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
        checks += (f'  {name} : {{ scope = "node"; command = [ "{path}" ]; interval = "1s"; '
                   f'timeout = "1s"; failover = false; }};\n')
        names.append(f'"{name}"')
    lab.edit(("checks : {\n", "checks : {\n" + checks),
             ('address = "10.77.0.12"; checks = [ "ping", "load" ]',
              f'address = "10.77.0.12"; checks = [ "ping", {", ".join(names)} ]'))
    lab.ephord.send_signal(signal.SIGHUP)
    lab.in_journal("check node/n2/hangs: critical")
    wait_for("the death of a plugin is told", lambda: any(
        c["id"] == "node/n2/dies" and c["reason"] == "signal:SEGV" and c["state"] == "unknown"
        for c in lab.status()["checks"]))
    lab.in_journal("check node/n2/leaves: ok")
    outputs = {c["id"]: c for c in lab.status()["checks"]}
    claim(len(outputs["node/n2/floods"]["output"]) < 70000, "the flood is not capped")
    claim(lab.client() == "n1" and lab.active() == "n1", "the service suffered")


@scenario
def hostile_requests_do_not_stop_the_page(lab):
    def curl(*args):
        return subprocess.run(["ip", "netns", "exec", lab.ns("ctl"), "curl", "-s", "-m", "5",
                               "-o", "/dev/null", "-w", "%{http_code}", *args],
                              capture_output=True, text=True, check=False).stdout
    base = "http://127.0.0.1:7480"
    claim(curl(base + "/") == "200", "no page")
    claim(curl(base + "/../../etc/passwd") in ("404", "400"), "a path trick")
    claim(curl(base + "/" + "a" * 20000) in ("404", "414", "400", "431", "000"), "a long path")
    claim(curl("-X", "POST", "-d", '{"service":"web"}', base + "/api/v1/failover") == "403",
          "strangers may act")
    claim(curl(base + "/healthz") == "200" and curl(base + "/readyz") == "200", "health")
    claim(lab.active() == "n1", "something moved")


@scenario
def two_ephords_do_not_share_a_directory(lab):
    done = subprocess.run(["ip", "netns", "exec", lab.ns("ctl"), os.path.join(lab.build, "ephord"),
                           "-c", lab.conf], capture_output=True, text=True, timeout=20, check=False,
                          env=lab.env)
    claim(done.returncode == 75, f"exit {done.returncode} instead of 75: {done.stderr}")
    claim("another ephord" in done.stderr, done.stderr)
    lab.settled()


def run(lab, function):
    """One scenario in a fresh lab. Raises Failed."""
    lab.up()
    lab.start()
    lab.settled()
    function(lab)
