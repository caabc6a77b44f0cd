#!/usr/bin/env python3
"""The programs that are sent to nodes, lease.sh and order.sh, spoken to line by line in a network
namespace of the test's own, under dash and under BusyBox' shell. Needs root; skipped otherwise."""
import os
import re
import select
import shutil
import subprocess
import sys
import time

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
NS = f"ephor-script-{os.getpid()}"
STATE = "/run/ephor"
BOOT = open("/proc/sys/kernel/random/boot_id", encoding="ascii").read().strip()


def uptime():
    with open("/proc/uptime", encoding="ascii") as f:
        return int(f.read().split()[0].replace(".", ""))


def addresses():
    return subprocess.run(["ip", "-n", NS, "-o", "addr", "show"], capture_output=True, text=True,
                          check=True).stdout


def claim(truth, text):
    if not truth:
        raise AssertionError(text)


class Program:
    """One of the scripts, running; every line that is waited for has a deadline."""

    sessions = 0

    def __init__(self, shell, script, controller="c1", session=None):
        path = os.path.join(TOP, "actions", "scripts", script)
        with open(path, encoding="utf-8") as f:
            text = f.read()
        # a mount namespace of its own keeps /run/ephor apart from the machine's
        self.process = subprocess.Popen(
            ["nsenter", f"--mount={MOUNTS}", f"--net=/run/netns/{NS}", *shell, "-c", text,
             "ephor-" + script.split(".")[0]],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.buffer = b""
        if script == "lease.sh":
            Program.sessions += 1
            self.send(f"serve {controller} {session or Program.sessions}")
        self.ready = self.line("ready")

    def send(self, *lines):
        self.process.stdin.write("".join(line + "\n" for line in lines).encode())
        self.process.stdin.flush()

    def any_line(self, seconds=10):
        end = time.monotonic() + seconds
        while b"\n" not in self.buffer:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise AssertionError("no line came in time")
            piece = os.read(self.process.stdout.fileno(), 4096)
            if piece == b"":
                return None
            self.buffer += piece
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.decode()

    def line(self, begins, seconds=10):
        while True:
            line = self.any_line(seconds)
            claim(line is not None, f"it ended before '{begins}'")
            if line.startswith(begins):
                return line

    def held(self, seq, words):
        claim(words in self.line(f"held {seq}"), f"{words} is not held")

    def holds(self, seq, *words):
        """No more and no less."""
        line = self.line(f"held {seq}")
        claim(sorted(line.split()[5:]) == sorted(words), f"{line}, and not {words}")

    def outranked(self, seq, why):
        line = self.any_line()
        claim(line.startswith(f"outranked {seq} ") and why in line, line)

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def hold(seq, epoch, words="", left=300, boot=BOOT, cap=310):
    return f"hold {seq} {epoch} {boot} {uptime() + left} {cap} {words}".rstrip()


def test_extend_never_creates(shell):
    p = Program(shell, "lease.sh")
    p.send(hold(1, 1, "=10.9.0.100@eth0"))
    claim("10.9.0.100" not in p.line("held 1"), "an extending line created the address")
    p.close()


def test_acquire_extend_release(shell):
    p = Program(shell, "lease.sh")
    p.send(hold(1, 1, "+10.9.0.100@eth0 +fd00::5@eth0"))
    line = p.line("held 1")
    claim("10.9.0.100@eth0" in line and "fd00::5@eth0" in line, line)
    there = addresses()  # three seconds, rounded down once the first hundredth has passed
    claim("10.9.0.100/32" in there and ("valid_lft 2sec" in there or "valid_lft 3sec" in there),
          there)
    p.send(hold(2, 1, "=10.9.0.100@eth0"))
    line = p.line("held 2")
    claim("10.9.0.100@eth0" in line and "fd00" not in line, "what is not named has to go: " + line)
    p.send(hold(3, 1))
    claim("10.9.0" not in p.line("held 3") and "10.9.0.100" not in addresses(), "not released")
    p.close()


def test_the_kernel_ends_it_when_nobody_extends(shell):
    p = Program(shell, "lease.sh")
    p.send(hold(1, 1, "+10.9.0.100@eth0", left=210))
    claim("10.9.0.100@eth0" in p.line("held 1"), "not acquired")
    p.close()
    claim("10.9.0.100" in addresses(), "it went with the program")
    end = time.monotonic() + 6
    while "10.9.0.100" in addresses():
        claim(time.monotonic() < end, "the kernel did not end it")
        time.sleep(0.05)


def guarded(seq, epoch, words, left=100, cap=310):
    """A hold line whose words get a date each."""
    dated = " ".join(f"{word}/{uptime() + left}" for word in words.split())
    return f"hold {seq} {epoch} {BOOT} {uptime() + left} {cap} {dated}"


def elements(name):
    """What is in a set of the guard, as nft tells it."""
    done = subprocess.run(["ip", "netns", "exec", NS, "nft", "list", "set", "inet", "ephor1", name],
                          capture_output=True, text=True, check=False)
    return done.stdout


def alive():
    return elements("alive4") + elements("alive6")


def wait_for(what, condition, seconds):
    end = time.monotonic() + seconds
    while not condition():
        claim(time.monotonic() < end, f"not in time: {what}")
        time.sleep(0.01)


def test_a_guarded_address_is_alive_only_while_it_is_extended(shell):
    p = Program(shell, "lease.sh")
    claim(p.ready.split()[4] == "nft", p.ready)
    p.send(guarded(1, 1, "~10.9.0.100@eth0"))
    p.holds(1)  # an extension never creates
    p.send(guarded(2, 1, "^10.9.0.100@eth0 ^fd00::5@eth0"))
    p.holds(2, "10.9.0.100@eth0", "fd00::5@eth0")
    claim("10.9.0.100" in str(alive()) and "fd00::5" in str(alive()), f"{alive()}")
    p.send(guarded(3, 1, "~10.9.0.100@eth0", left=60))
    p.holds(3, "10.9.0.100@eth0")
    claim("fd00::5" not in str(alive()), f"a release does not shut the guard: {alive()}")
    wait_for("the guard shuts", lambda: "10.9.0.100" not in str(alive()), 2)
    claim("10.9.0.100" in addresses(), "the address ends behind the guard, not before")
    ends = re.search(r"10\.9\.0\.100 .*expires (\d+)s", elements("owned4"))
    claim(ends and 10 < int(ends.group(1)) < 25, f"it blocks for long: {elements('owned4')}")
    p.send(guarded(4, 1, "~10.9.0.100@eth0"))
    p.holds(4)  # too late, so it is gone altogether
    claim("10.9.0.100" not in addresses(), "an address whose lease ended came back")
    p.close()


def peer(*command):
    return subprocess.run(["ip", "netns", "exec", NS + "p", *command], capture_output=True, text=True,
                          check=False)


def make_peer():
    """Two wires to another machine, which believes that the address is on both."""
    subprocess.run(["ip", "netns", "add", NS + "p"], check=True)
    for args in (["link", "set", "eth1", "netns", NS + "p"],
                 ["link", "add", "eth5", "type", "veth", "peer", "name", "eth6", "netns", NS + "p"],
                 ["addr", "add", "10.8.0.1/24", "dev", "eth5"], ["link", "set", "eth5", "up"],
                 ["addr", "add", "fd00::1/64", "dev", "eth0", "nodad"]):
        subprocess.run(["ip", "-n", NS, *args], check=True)
    for args in (["link", "set", "eth1", "up"], ["link", "set", "eth6", "up"],
                 ["addr", "add", "10.9.0.2/24", "dev", "eth1"],
                 ["addr", "add", "fd00::2/64", "dev", "eth1", "nodad"],
                 ["addr", "add", "10.8.0.2/24", "dev", "eth6"]):
        subprocess.run(["ip", "-n", NS + "p", *args], check=True)


WAYS = (("eth1", "10.9.0.100"), ("eth6", "10.9.0.100"), ("eth1", "fd00::5"))


def answers():
    """On which ways the other machine gets an answer, and learns who has the address."""
    got = []
    for device, address in WAYS:
        if device == "eth6":
            peer("ip", "route", "replace", "10.9.0.100", "dev", "eth6")
        peer("ip", "neigh", "flush", "dev", device)
        done = peer("ping", "-c", "1", "-W", "0.3", "-I", device, address)
        known = "lladdr" in peer("ip", "neigh", "show", address, "dev", device).stdout
        if done.returncode == 0 or known:
            got.append((device, address, done.returncode == 0, known))
        peer("ip", "route", "del", "10.9.0.100")
    return got


def test_nobody_sees_an_address_behind_a_guard_that_is_shut(shell):
    make_peer()
    try:
        p = Program(shell, "lease.sh")
        p.send(guarded(1, 1, "^10.9.0.100@eth0 ^fd00::5@eth0", left=200))
        p.holds(1, "10.9.0.100@eth0", "fd00::5@eth0")
        wait_for("all ways are open", lambda: len(answers()) == len(WAYS), 2)
        claim(all(pings and known for _, _, pings, known in answers()), f"{answers()}")
        p.send(guarded(2, 1, "~10.9.0.100@eth0 ~fd00::5@eth0", left=60))
        p.holds(2, "10.9.0.100@eth0", "fd00::5@eth0")
        wait_for("the guard shuts", lambda: "expires" not in alive(), 2)
        got = answers()
        claim("10.9.0.100" in addresses() and "fd00::5" in addresses(), "there is nothing to guard")
        claim(got == [], f"it answers behind its guard: {got}")
        p.close()
    finally:
        subprocess.run(["ip", "netns", "del", NS + "p"], check=True)


def test_a_file_freezes_a_node(shell):
    p = Program(shell, "lease.sh")
    run_there(f"echo disk swap >{STATE}/freeze")
    p.send("clock", hold(1, 1))
    claim(p.any_line() == "frozen disk swap", "it does not say that it is frozen")
    claim(p.any_line().startswith("clock ") and p.any_line().startswith("held 1"), "told again")
    another = Program(shell, "lease.sh", controller="c2")
    order = Program(shell, "order.sh")
    order.send(f"1 {BOOT} {uptime() + 500} 1 web 5 1", "true")
    claim("frozen" in order.line("refused"), "an order is carried out on a frozen node")
    run_there(f"rm {STATE}/freeze")
    p.send("clock")
    claim(p.any_line() == "thawed", "it does not say that it is not frozen any more")
    for program in (p, another, order):
        program.close()


def run_there(command):
    subprocess.run(["nsenter", f"--mount={MOUNTS}", "sh", "-c", command], check=True)


def test_a_slow_nft_costs_no_address_and_prolongs_none(shell):
    """Each call takes 0.2 s: the end that was asked for is the end."""
    slow, real = f"{STATE}/slow-nft", f"{STATE}/real-nft"
    run_there(f"cp $(readlink -f /usr/sbin/nft) {real} && "
              f"printf '#!/bin/sh\\nsleep 0.2\\nexec {real} \"$@\"\\n' >{slow} && "
              f"chmod 755 {slow} && mount --bind {slow} $(readlink -f /usr/sbin/nft)")
    try:
        p = Program(shell, "lease.sh")
        p.send(guarded(1, 1, "^10.9.0.100@eth0", left=200))
        p.holds(1, "10.9.0.100@eth0")
        for seq in range(2, 6):
            line = guarded(seq, 1, "~10.9.0.100@eth0", left=150)
            p.send(line)
            p.holds(seq, "10.9.0.100@eth0")
        end = int(line.split("/")[-1])
        wait_for("the guard shuts", lambda: "10.9.0.100" not in str(alive()), 3)
        claim(uptime() <= end + 15, f"{(uptime() - end) / 100} s too late")
        p.send(hold(7, 1))
        p.close()
    finally:
        run_there(f"umount $(readlink -f /usr/sbin/nft) && rm {slow} {real}")


def test_a_guard_that_is_flushed_is_noticed(shell):
    p = Program(shell, "lease.sh")
    p.send(guarded(1, 1, "^10.9.0.100@eth0 ^10.9.0.101@eth0"))
    p.holds(1, "10.9.0.100@eth0", "10.9.0.101@eth0")
    subprocess.run(["ip", "netns", "exec", NS, "nft", "flush", "ruleset"], check=True)
    p.send(guarded(2, 1, "~10.9.0.100@eth0 ~10.9.0.101@eth0"))
    p.holds(2)
    p.send(guarded(3, 1, "^10.9.0.100@eth0"))
    p.holds(3, "10.9.0.100@eth0")
    claim("10.9.0.100" in str(alive()), f"{alive()}")
    # one that ran out takes no other with it
    p.send(guarded(4, 1, "~10.9.0.100@eth0 ^10.9.0.101@eth0"))
    p.holds(4, "10.9.0.100@eth0", "10.9.0.101@eth0")
    subprocess.run(["ip", "netns", "exec", NS, "nft", "delete", "element", "inet", "ephor1",
                    "alive4", "{ 10.9.0.101 }"], check=True)
    p.send(guarded(5, 1, "~10.9.0.100@eth0 ~10.9.0.101@eth0"))
    p.holds(5, "10.9.0.100@eth0")
    # and bare again: nothing of the guard stands in its way
    p.send(hold(6, 1, "+10.9.0.100@eth0"))
    p.holds(6, "10.9.0.100@eth0")
    claim("10.9.0.100" not in elements("owned4"), "a bare address is still owned by the guard")
    p.send(hold(7, 1))
    p.holds(7)
    p.close()


def test_late_wrong_or_old_lines_change_nothing(shell):
    p = Program(shell, "lease.sh")
    p.send(hold(1, 5, "+10.9.0.100@eth0"))
    p.line("held 1")
    before = "10.9.0.100/32" in addresses()
    for seq, line, why in (
            (3, hold(3, 5, "=10.9.0.100@eth0", left=50), "too late"),
            (4, hold(4, 5, "+10.9.0.101@eth0", left=-500), "too late"),
            (5, hold(5, 5, "+10.9.0.101@eth0", left=9000), "too far ahead"),
            (6, hold(6, 5, "+10.9.0.101@eth0", boot="another"), "started anew"),
            (7, "hold 7 x y z", "malformed"),
            (8, f"hold 8 5 {BOOT} 1$(id) 310 +10.9.0.101@eth0", "malformed")):
        p.send(line)
        answer = p.line(f"refused {seq}")
        claim(why in answer, f"{line}: {answer}")
    p.send(hold(9, 4))
    p.outranked(9, "5 epoch 4 is old")
    claim(before and "10.9.0.101" not in addresses(), addresses())
    p.close()


def test_a_delayed_line_cannot_bring_it_back(shell):
    p = Program(shell, "lease.sh")
    delayed = hold(2, 1, "=10.9.0.100@eth0", left=150)
    p.send(hold(1, 1, "+10.9.0.100@eth0", left=150))
    p.line("held 1")
    end = time.monotonic() + 6
    while "10.9.0.100" in addresses():
        claim(time.monotonic() < end, "the kernel did not end it")
        time.sleep(0.05)
    p.send(delayed)
    claim("too late" in p.line("refused 2"), "it was not refused")
    claim("10.9.0.100" not in addresses(), "a delayed line brought the address back")
    p.close()


def test_foreign_addresses_are_left_alone(shell):
    subprocess.run(["ip", "-n", NS, "addr", "add", "10.9.0.77/32", "dev", "eth0"], check=True)
    p = Program(shell, "lease.sh")
    p.send(hold(1, 1, "+10.9.0.77@eth0"))
    claim("10.9.0.77@eth0" in p.line("foreign 1"), "not told")
    claim("10.9.0.77" not in p.line("held 1"), "taken over")
    p.send(hold(2, 1))
    p.line("held 2")
    claim("10.9.0.77/32 scope global eth0\\       valid_lft forever" in addresses(), addresses())
    p.close()


def test_words_are_never_evaluated(shell):
    p = Program(shell, "lease.sh")
    p.send(hold(1, 1, "+$(touch${IFS}/run/ephor/pwned)@eth0 +10.9.0.100@eth0;reboot +`id`@x"))
    claim("10.9.0.100" not in p.line("held 1"), "a malformed word was taken")
    p.send("announce $(touch${IFS}/run/ephor/pwned)@eth0", "nonsense")
    p.line("error malformed")
    p.line("error unknown")
    seen = subprocess.run(["nsenter", f"--mount={MOUNTS}", "ls", STATE], capture_output=True,
                          text=True, check=True).stdout
    claim("pwned" not in seen, "a word was evaluated")
    p.close()


def test_a_newer_session_ends_the_older_of_its_controller(shell):
    other = Program(shell, "lease.sh", "c2")
    first = Program(shell, "lease.sh")
    second = Program(shell, "lease.sh")
    claim(first.any_line() is None, "the older session goes on")
    second.send(hold(1, 1))
    second.line("held 1")
    other.send("clock")
    claim(other.line("clock").split()[2:] == [BOOT, "1"], "another controller's session is over")
    for p in (first, second, other):
        p.close()


def test_a_new_epoch_takes_the_word(shell):
    old, new = Program(shell, "lease.sh", "c1"), Program(shell, "lease.sh", "c2")
    old.send(hold(1, 3, "+10.9.0.100@eth0"))
    old.held(1, "10.9.0.100@eth0")
    new.send(hold(1, 4, "=10.9.0.100@eth0"))
    new.held(1, "10.9.0.100@eth0")  # the holder stays, whoever leads
    old.send(hold(2, 3), hold(3, 3, "+10.9.0.101@eth0"))
    old.outranked(2, "4 epoch 3 is old")
    old.outranked(3, "4 epoch 3 is old")
    claim("10.9.0.100/32" in addresses() and "10.9.0.101" not in addresses(), addresses())
    old.send(hold(4, 5, "=10.9.0.100@eth0"))  # it leads again, in the same shell
    old.held(4, "10.9.0.100@eth0")
    new.send(hold(2, 4))
    new.outranked(2, "5 epoch 4 is old")
    old.close()
    new.close()


def test_an_epoch_belongs_to_one_controller(shell):
    first, second = Program(shell, "lease.sh", "c1"), Program(shell, "lease.sh", "c2")
    first.send(hold(1, 3, "+10.9.0.100@eth0"))
    first.held(1, "10.9.0.100@eth0")
    second.send(hold(1, 3))
    second.outranked(1, "3 c1 leads in epoch 3")
    claim("10.9.0.100/32" in addresses(), "an equal epoch of another controller was obeyed")
    first.close()
    second.close()


def test_within_an_epoch_the_latest_session_has_the_word(shell):
    late = Program(shell, "lease.sh", session=500)
    late.send(hold(1, 3, "+10.9.0.100@eth0"))
    late.held(1, "10.9.0.100@eth0")
    late.close()
    early = Program(shell, "lease.sh", session=400)  # started late, asked for early
    early.send(hold(1, 3))
    early.outranked(1, "3 a later session of c1")
    claim("10.9.0.100/32" in addresses(), "an earlier session was obeyed")
    again = Program(shell, "lease.sh", session=501)
    again.send(hold(1, 3, "=10.9.0.100@eth0"))
    again.held(1, "10.9.0.100@eth0")
    again.send(hold(2, 4, "=10.9.0.100@eth0"))
    again.held(2, "10.9.0.100@eth0")
    reborn = Program(shell, "lease.sh", session=3)  # after a boot numbers begin anew, and epochs do not
    reborn.send(hold(1, 5, "=10.9.0.100@eth0"))
    reborn.held(1, "10.9.0.100@eth0")
    for p in (early, again, reborn):
        p.close()


def test_what_was_remembered_is_read_as_it_was(shell):
    """By a version that knew epochs alone, and after half a write."""
    for word, epoch in (("", "7"), ("6 c9 1", "7"), ("x y z", "7"), ("7", "7")):
        subprocess.run(["nsenter", f"--mount={MOUNTS}", "sh", "-c",
                        f"echo '{word}' >{STATE}/word; echo {epoch} >{STATE}/epoch"], check=True)
        p = Program(shell, "lease.sh")
        claim(p.ready.split()[3] == "7", f"'{word}': {p.ready}")
        p.send(hold(1, 6), hold(2, 7))
        p.outranked(1, "7 epoch 6 is old")
        p.line("held 2")
        p.close()


def test_who_does_not_say_its_name_has_no_word(shell):
    for name in ("$(id)", "c1 c2", "../x", ""):
        try:
            Program(shell, "lease.sh", controller=name)
        except AssertionError as e:
            claim("ended before" in str(e), str(e))
        else:
            raise AssertionError(f"'{name}' was served")


def test_only_what_is_held_is_announced(shell):
    if "busybox" in shell:  # it runs the arping that it has inside
        return
    subprocess.run(["nsenter", f"--mount={MOUNTS}", "sh", "-c",
                    f"printf '#!/bin/sh\\necho \"$@\" >>{STATE}/announced\\n' >{STATE}/arping && "
                    f"chmod 755 {STATE}/arping && "
                    "mount --bind /run/ephor/arping $(readlink -f $(command -v arping))"], check=True)
    p = Program(shell, "lease.sh")
    p.send(hold(1, 1, "+10.9.0.100@eth0"), "announce 10.9.0.101@eth0", "announce 10.9.0.100@eth0")
    p.line("held 1")

    def announced():
        return subprocess.run(["nsenter", f"--mount={MOUNTS}", "cat", STATE + "/announced"],
                              capture_output=True, text=True, check=False).stdout
    end = time.monotonic() + 10
    while announced().count("10.9.0.100") < 2:
        claim(time.monotonic() < end, f"not announced: {announced()}")
        time.sleep(0.05)
    claim("10.9.0.101" not in announced(), "it announced an address that is not here")
    p.close()


def test_a_release_is_not_confirmed_blindly(shell):
    p = Program(shell, "lease.sh")
    p.send(hold(1, 1, "+10.9.0.100@eth0"))
    p.line("held 1")
    path = os.path.realpath("/usr/sbin/ip")
    subprocess.run(["nsenter", f"--mount={MOUNTS}", "sh", "-c",
                    "printf '#!/bin/sh\\nexit 2\\n' >/run/ephor/broken && "
                    f"chmod 755 /run/ephor/broken && mount --bind /run/ephor/broken {path}"],
                   check=True)
    p.send(hold(2, 1))
    line = p.any_line()
    claim(line.startswith("refused 2 the addresses cannot be listed"), line)
    p.close()


def order(shell, epoch, number, *argv, until=3000, timeout=5, key="web"):
    p = Program(shell, "order.sh")
    p.send(f"{epoch} {BOOT} {uptime() + until} {number} {key} {timeout} {len(argv)}", *argv)
    lines = []
    while True:
        line = p.any_line(20)
        if line is None:
            break
        lines.append(line)
    p.close()
    return lines


def test_an_order_is_done_once(shell):
    count = ["sh", "-c", "echo x >>/run/ephor/count; echo said it; exit 3"]
    claim(order(shell, 1, 10, *count) == ["| said it", "exit 3"], "the first time")
    claim(order(shell, 1, 10, *count) == ["exit 3"], "the second time tells the first")
    claim("newer order" in order(shell, 1, 9, *count)[0], "an older order was not refused")
    seen = subprocess.run(["nsenter", f"--mount={MOUNTS}", "cat", STATE + "/count"],
                          capture_output=True, text=True, check=True).stdout
    claim(seen == "x\n", f"it was done {len(seen.split())} times")


def test_orders_are_dated_and_checked(shell):
    claim(order(shell, 1, 11, "true", until=-10) == ["late"], "a late order")
    claim(order(shell, 1, 11, "true") == ["exit 0"], "refusal must not use up the order")
    p = Program(shell, "lease.sh")
    p.send(hold(1, 7))
    p.line("held 1")
    p.close()
    claim(order(shell, 1, 12, "true")[0].startswith("outranked 7 epoch 1 is old"), "an old epoch")
    claim("started anew" in order_with_boot(shell), "another boot")


def order_with_boot(shell):
    p = Program(shell, "order.sh")
    p.send(f"9 other {uptime() + 3000} 13 web 5 1", "true")
    line = p.any_line()
    p.close()
    return line


def test_arguments_stay_arguments(shell):
    lines = order(shell, 1, 20, "printf", "<%s>\\n", "two words", "$(id)", "'", "*")
    claim(lines == ["| <two words>", "| <$(id)>", "| <'>", "| <*>", "exit 0"], str(lines))


def test_an_order_has_a_limit(shell):
    begin = time.monotonic()
    lines = order(shell, 1, 21, "sleep", "60", timeout=1)
    claim(time.monotonic() - begin < 10, "it was not ended")
    claim(lines[-1] in ("exit 124", "exit 143", "exit 137"), str(lines))


def test_a_daemon_left_behind_does_not_hold_us_up(shell):
    begin = time.monotonic()
    lines = order(shell, 1, 22, "sh", "-c", "sleep 8 & echo started")
    claim(time.monotonic() - begin < 5, "the background process held it up")
    claim(lines == ["| started", "exit 0"], str(lines))


def test_much_output_is_cut(shell):
    lines = order(shell, 1, 23, "sh", "-c", "yes some text | head -n 100000")
    claim(len(lines) <= 21 and lines[-1] == "exit 0", f"{len(lines)} lines")


def set_up():
    subprocess.run(["ip", "netns", "add", NS], check=True)
    for args in (["link", "add", "eth0", "type", "veth", "peer", "name", "eth1"],
                 ["link", "set", "eth1", "up"], ["link", "set", "eth0", "up"],
                 ["addr", "add", "10.9.0.1/24", "dev", "eth0"]):
        subprocess.run(["ip", "-n", NS, *args], check=True)
    holder = subprocess.Popen(["unshare", "--mount", "sh", "-c",
                               "mount -t tmpfs tmpfs /run/ephor && echo up && exec sleep 600"],
                              stdout=subprocess.PIPE)
    claim(holder.stdout.readline() == b"up\n", "no mount namespace")
    return holder


def main():
    global MOUNTS
    if os.geteuid() != 0 or subprocess.run(["ip", "netns", "add", NS + "x"], check=False,
                                           stderr=subprocess.DEVNULL).returncode != 0:
        print("skipped: needs root and network namespaces")
        return 77
    subprocess.run(["ip", "netns", "del", NS + "x"], check=True)
    made = not os.path.isdir(STATE)
    os.makedirs(STATE, exist_ok=True)
    shells = [["/bin/sh"]]
    if shutil.which("busybox"):
        shells.append(["busybox", "sh"])
    failed = passed = 0
    for shell in shells:
        for name, test in sorted(globals().items()):
            if not name.startswith("test_"):
                continue
            holder = set_up()
            MOUNTS = f"/proc/{holder.pid}/ns/mnt"
            try:
                test(shell)
                passed += 1
            except (AssertionError, OSError, subprocess.SubprocessError) as e:
                failed += 1
                print(f"not ok {name} ({' '.join(shell)}): {e}")
            finally:
                holder.kill()
                holder.wait()
                subprocess.run(["ip", "netns", "del", NS], check=False)
    if made:
        os.rmdir(STATE)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
