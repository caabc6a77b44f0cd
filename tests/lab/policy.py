"""Scenarios of the policy: what a file says, on whichever controller, and what is in force on all."""
import json
import os
import re
import signal
import subprocess
import time

from lab import HERE, claim, wait_for
from scenario import scenario

# What CI has time for; check-many of the Makefile has more.
SERVICES = int(os.environ.get("EPHOR_SERVICES", "500"))
INTERVAL_S = int(os.environ.get("EPHOR_INTERVAL", "4"))
LATE_MAX_S = 0.5  # a bucket of the histogram
LOOK_S = 0.5 + SERVICES / 1000  # looking at all of them is work, too
MANY = "    web : {\n        members"


def edit(controller, *replacements):
    """Replace text in the file of one controller; each must be found."""
    path = os.path.join(controller.home, "ephor.conf")
    with open(path, encoding="utf-8") as f:
        text = f.read()
    for old, new in replacements:
        claim(old in text, f"the file of {controller.name} has no '{old}'")
        text = text.replace(old, new)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def reload(controller):
    """SIGHUP; what comes of it is in the log."""
    before = len(re.findall("policy: (in force|not adopted)", controller.log()))
    controller.process.send_signal(signal.SIGHUP)
    wait_for(f"{controller.name} has reloaded", lambda: len(re.findall(
        "policy: (in force|not adopted)", controller.log())) > before)


def number(controller):
    return controller.json("config", "history").get("number", 0)


def all_have(cluster, wanted, seconds=10):
    wait_for(f"policy {wanted} is in force everywhere",
             lambda: all(number(c) == wanted for c in cluster.all), seconds)


def histories(cluster):
    return [[(p["number"], p["author"], p["changes"], p["digest"], p["in_force"])
             for p in c.json("config", "history")["history"]] for c in cluster.all]


def differs(controller):
    """What 'config diff' prints; "" if there is no difference."""
    done = controller.ctl("config", "diff", check=False)
    claim(done.returncode in (0, 1), f"config diff: {done.stdout}{done.stderr}")
    return done.stdout if done.returncode == 1 else ""


def post(controller, path, body):
    """Over the socket, as ephorctl would: HTTP status and answer."""
    done = subprocess.run(
        ["curl", "-s", "-w", "\n%{http_code}", "--unix-socket",
         os.path.join(controller.home, "ctl.sock"), "-H", "Content-Type: application/json", "-d",
         json.dumps(body), f"http://localhost{path}"], capture_output=True, text=True, check=True,
        timeout=20)
    text, status = done.stdout.rsplit("\n", 1)
    return int(status), json.loads(text)


def stays_in_force(cluster, wanted, index):
    """Nothing was written about another policy, nor adopted."""
    all_have(cluster, wanted)
    lines = [line for line in cluster.leader().journal()
             if line["index"] > index and line["event"] in ("policy", "refused")]
    claim(not lines, f"something was written: {lines}")


def is_unwritten(leader, controller):
    """Does the log end where it did before a policy was refused? Other entries may come between;
    one of the refusal would come every time."""
    told = json.loads(controller.ctl("--json", "config", "diff", check=False).stdout)
    before = leader.cluster()["log"]["last_index"]
    status, answer = post(controller, "/api/v1/config/apply",
                          {"digest": told["file_digest"], "replaces": told["digest"]})
    claim(status == 409 and "may still hold" in answer["error"]["message"], f"{status} {answer}")
    return leader.cluster()["log"]["last_index"] == before


@scenario(controllers=3, seconds=8)
def a_policy_is_applied_on_all_and_taken_back(lab):
    """Edited on a follower, adopted everywhere at one entry; what is stale, old or wrong is not."""
    cluster = lab.cluster
    other = cluster.follower()
    first = number(other)
    seen = other.json("config", "history")["digest"]
    claim(first > 0 and not any(differs(c) for c in cluster.all), "the files differ at first")

    edit(other, ("restart = [", 'hold_down = "61s"; restart = ['))
    claim(differs(other) == 'services.web.hold_down: "30s" -> "61s"\n', differs(other))
    applied = json.loads(other.ctl("--json", "config", "apply", "--yes").stdout)
    second = applied["index"]
    claim(applied["accepted"] and second > first, f"{applied}")
    all_have(cluster, second)
    lists = histories(cluster)
    claim(lists[0] == lists[1] == lists[2], f"the histories differ: {lists}")
    claim(lists[0][-1][:3] == (second, f"root via ephorctl on {other.name}",
                               "services.web.hold_down"), f"{lists[0]}")

    forgotten = next(c for c in cluster.all if c is not other)
    for controller in cluster.all:
        is_old = controller is not other
        wait_for(f"{controller.name} says whether its file differs", lambda c=controller, o=is_old:
                 c.cluster().get("file_differs") == o)
        claim(bool(differs(controller)) == is_old, f"config diff of {controller.name}")
    index = cluster.leader().journal()[-1]["index"]
    reload(forgotten)  # as for a certificate: its file is the one of before
    forgotten.in_log(f"not adopted: the file is policy {first}, which was replaced")
    stays_in_force(cluster, second, index)

    # An operator who saw the policy of before; and a file that cannot be: n1 holds the address.
    edit(forgotten, ("restart = [", 'hold_down = "62s"; restart = ['))
    digest = json.loads(forgotten.ctl("--json", "config", "diff",
                                      check=False).stdout)["file_digest"]
    status, answer = post(forgotten, "/api/v1/config/apply", {"digest": digest, "replaces": seen})
    claim(status == 409 and "another policy came into force" in answer["error"]["message"],
          f"{status} {answer}")
    status, answer = post(forgotten, "/api/v1/config/apply", {"digest": seen, "replaces": seen})
    claim(status == 409 and "something else" in answer["error"]["message"], f"{status} {answer}")
    edit(forgotten, ('"10.77.0.11"', '"10.77.0.19"'))
    done = forgotten.ctl("config", "diff", check=False)
    claim(done.returncode == 1 and "it would be refused: node 'n1'" in done.stderr, f"{done}")
    done = forgotten.ctl("config", "apply", "--yes", check=False)
    claim(done.returncode == 4 and "may still hold 10.77.0.100" in done.stderr, f"{done}")
    wait_for("a refusal is not written to the log",
             lambda: is_unwritten(cluster.leader(), forgotten))
    reload(forgotten)
    forgotten.in_log("not adopted: node 'n1' has another address in the new policy")
    stays_in_force(cluster, second, index)

    done = cluster.leader().ctl("--json", "config", "rollback", "--yes")
    third = json.loads(done.stdout)["index"]
    all_have(cluster, third)
    claim(histories(cluster)[0][-1][2] == f"back to {first}: services.web.hold_down",
          f"{histories(cluster)[0]}")
    claim(differs(other), "its file is not what was rolled back to")
    edit(forgotten, ('"10.77.0.19"', '"10.77.0.11"'), ('hold_down = "62s"; ', ""))
    reload(forgotten)
    stays_in_force(cluster, third, cluster.leader().journal()[-1]["index"])
    claim(not differs(forgotten), "its file is what was rolled back to")
    cluster.service_is("n1")
    _, totals = lab.watched()
    claim(totals["none_ms"] == 0 and totals["moves"] == 0, f"the address moved: {totals}")


# ---------------------------------------------------------------- many services

def many(is_changed):
    """SERVICES services, each with a check in this controller's own namespace."""
    services = [f'    s{n} : {{ members = ( {{ node = "n{n % 2 + 1}"; }} ); checks = [ "many" ]; '
                f'{"moves_max = 7;" if is_changed else ""} }};' for n in range(SERVICES)]
    if is_changed:  # every check gets another number
        services = ["    before : { members = ( { node = \"n1\"; } ); checks = [ \"many\" ]; };",
                    *reversed(services)]
    return "\n".join(services) + "\n" + MANY


def lateness(controller):
    """Starts of checks by their lateness in seconds, as the metrics count them."""
    done = subprocess.run(["curl", "-s", "--unix-socket",
                           os.path.join(controller.home, "ctl.sock"), "http://localhost/metrics"],
                          capture_output=True, text=True, check=True, timeout=20)
    found = re.findall(r'ephor_scheduler_lag_seconds_bucket\{le="([^"]+)"\} (\d+)', done.stdout)
    claim(found, "there is no histogram of lateness")
    counts = [(float(le.replace("+Inf", "inf")), int(count)) for le, count in found]
    return {le: count - (counts[i - 1][1] if i else 0) for i, (le, count) in enumerate(counts)}


def runs(controller):
    """By check: how often it ran; its verdict; what was observed."""
    return {c["id"]: (c["runs"], c["state"], c["observed"])
            for c in controller.json("status").get("checks", []) if c["id"].endswith("/many")}


def all_run(controller, before, more):
    now = runs(controller)
    return len(now) >= SERVICES and all(
        now.get(name, (0,))[0] >= count + more for name, (count, _, _) in before.items())


class Lateness:
    """What the controllers' histograms count from one moment to the next."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.last = self.look()
        self.at = time.monotonic()

    def look(self):
        return {c.name: lateness(c) for c in self.cluster.all}

    def phase(self, name):
        now = self.look()
        sums = {}
        for controller, counts in now.items():
            for le, count in counts.items():
                sums[le] = sums.get(le, 0) + count - self.last[controller][le]
        seconds = time.monotonic() - self.at
        words = ", ".join(f"<={le * 1000:.0f} ms: {n}" for le, n in sums.items())
        print(f"{SERVICES} services, {name} ({seconds:.1f} s): {words}", flush=True)
        self.last = now
        self.at = time.monotonic()
        late = sum(n for le, n in sums.items() if le > LATE_MAX_S)
        claim(late == 0, f"{name}: {late} checks ran more than {LATE_MAX_S} s late ({words})")
        return sum(sums.values()), seconds


@scenario(controllers=3, seconds=25)
def many_checks_go_on_under_a_new_policy(lab):
    """No verdict, no attempt and no check is lost, and none runs late or in a burst."""
    cluster = lab.cluster
    for controller in cluster.all:
        lab.tools[controller.name] = Listener(lab, controller.name)
        edit(controller, ("    http : {", '    many : { type = "tcp"; host = "127.0.0.1"; port = 7; '
                          f'interval = "{INTERVAL_S}s"; timeout = "2s"; }};\n    http : {{'),
             (MANY, many(False)))
    other = cluster.follower()
    other.ctl("config", "apply", "--yes")
    all_have(cluster, number(other))
    for controller in cluster.all:
        wait_for(f"all checks are ok on {controller.name}", lambda c=controller:
                 len(runs(c)) == SERVICES and
                 all(r[1:] == ("ok", "ok") for r in runs(c).values()), 60, LOOK_S)
    before = {c.name: runs(c) for c in cluster.all}
    watch = Lateness(cluster)
    for controller in cluster.all:
        wait_for("every check runs", lambda c=controller: all_run(c, before[c.name], 1), 60, LOOK_S)
    watch.phase("before")

    index = cluster.leader().journal()[-1]["index"]
    before = {c.name: runs(c) for c in cluster.all}
    edit(other, (many(False), many(True)))
    begin = time.monotonic()
    applied = json.loads(other.ctl("--json", "config", "apply", "--yes").stdout)["index"]
    all_have(cluster, applied)
    print(f"{SERVICES} services: in force everywhere {time.monotonic() - begin:.2f} s after "
          "'config apply' was called", flush=True)
    for controller in cluster.all:
        now = runs(controller)
        worse = [name for name, (count, state, _) in before[controller.name].items()
                 if now[name][0] < count or now[name][1] != state]
        claim(not worse, f"lost on {controller.name}: {worse[:5]} of {len(worse)}")
    starts, seconds = watch.phase("during")
    # Beside the many there are a few others, and the answers take a moment to be read.
    claim(starts <= 3 * (SERVICES / INTERVAL_S + 10) * (seconds + 1), f"a burst: {starts} starts")
    for controller in cluster.all:
        wait_for("every check goes on",
                 lambda c=controller: all_run(c, before[c.name], 2), 60, LOOK_S)
    watch.phase("after")
    lines = [line for line in cluster.leader().journal() if line["index"] > index and
             line["event"] not in ("policy", "sight") and "before/" not in line["object"] and
             "before on" not in line["object"] and line["object"] != "before" and
             not line["text"].startswith("its file is ")]  # until it has read its own, too
    claim(not lines, f"the new policy did something: {lines}")
    cluster.service_is("n1")
    _, totals = lab.watched()
    claim(totals["none_ms"] == 0 and totals["moves"] == 0, f"the address moved: {totals}")


class Listener:
    """Takes connections on port 7 of a controller's own namespace."""

    def __init__(self, lab, name):
        subprocess.run(["ip", "-n", lab.ns(name), "link", "set", "lo", "up"], check=True)
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", lab.ns(name), "python3", os.path.join(HERE, "listener.py"),
             "7"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        claim("started" in self.process.stdout.readline(), "the listener does not start")

    def kill(self):
        self.process.kill()
        self.process.communicate()
