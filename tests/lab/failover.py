"""Failures of services, nodes and of Ephor itself, end to end: real sshd, nginx, addresses."""
import os
import random
import re
import signal
import subprocess
import time

from lab import claim, stays, wait_for
from scenario import HASTY, scenario


@scenario()
def killed_service_is_restarted_and_the_address_stays(lab):
    lab.poll()
    lab.lab("kill-service", 1)
    lab.in_journal("decision web on n1: restart it")
    lab.in_journal("web on n1: works again after the restart")
    lab.client_reaches("n1")
    claim(lab.active() == "n1", "the service moved")
    outage = lab.outage()
    claim(outage < 5, f"the client was without the page for {outage} s")
    _, totals = lab.watched()
    claim(totals["moves"] == 0 and totals["none_ms"] == 0, f"the address moved: {totals}")


@scenario()
def service_that_cannot_start_moves(lab):
    lab.poll()
    lab.lab("break-service", 1)
    lab.client_reaches("n2")
    lab.in_journal("outcome web on n1: restart: failed: exit 1")
    lab.in_journal("decision web: move from n1 to n2")
    wait_for("n2 is steady", lambda: lab.is_settled("n2"))
    outage = lab.outage()
    claim(outage < 6, f"the client was without the page for {outage} s")
    _, totals = lab.watched()
    claim(totals["longest_none_ms"] < 1000, f"a planned move left the address away: {totals}")


def cut_off(lab, cut, heal):
    """However node 1 is cut off: its own kernel ends the address before n2 gets it, and when it is
    back nothing flaps."""
    lab.poll()
    cut()
    wait_for("n2 holds the address", lambda: lab.is_settled("n2"), 20)
    claim(not lab.has_address(1), "the cut-off node still has the address")
    lab.in_journal("vip web: .* is free: n1 had it until its lease ended")
    lab.client_reaches("n2")
    outage = lab.outage()
    claim(outage < 12, f"the client was without the page for {outage} s")
    heal()
    wait_for("n1 is well again", lab.all_ok, 30)
    # failback is manual: nothing moves, and it says so
    lab.in_journal("hold web: nothing is done \\(rule 14, failback-manual\\)")
    stays("the service is steady on n2", lambda: lab.is_settled("n2"), 3)
    changes, totals = lab.watched()
    claim(totals["moves"] == 1, f"it moved {totals['moves']} times: {changes}")
    gone = [c["at_ms"] for c in changes if c.get("node") == "n1" and not c["holds"]]
    taken = [c["at_ms"] for c in changes if c.get("node") == "n2" and c["holds"]]
    claim(len(gone) == 1 and len(taken) == 1 and gone[0] < taken[0], f"the order: {changes}")


@scenario(seconds=25)
def unplugged_node_loses_the_address_before_the_other_gets_it(lab):
    cut_off(lab, lambda: lab.lab("cut", 1), lambda: lab.lab("heal", 1))


@scenario(seconds=25)
def node_that_hears_nothing_loses_the_address_first(lab):
    cut_off(lab, lambda: lab.lab("drop", 1, "in"), lambda: lab.lab("undrop", 1))


@scenario(seconds=25)
def node_that_is_not_heard_loses_the_address_first(lab):
    cut_off(lab, lambda: lab.lab("drop", 1, "out"), lambda: lab.lab("undrop", 1))


@scenario(settings='failback = "auto"; failback_after = "2s"; hold_down = "1s";', seconds=25)
def automatic_failback_returns_once(lab):
    lab.lab("cut", 1)
    wait_for("n2 holds the address", lambda: lab.is_settled("n2"), 20)
    lab.lab("heal", 1)
    wait_for("n1 holds the address again", lambda: lab.is_settled("n1"), 30)
    lab.in_journal("\\(rule 13, failback\\)")
    stays("the service is steady on n1", lambda: lab.is_settled("n1"), 2)
    changes, totals = lab.watched()
    claim(totals["moves"] == 2, f"it moved {totals['moves']} times: {changes}")


@scenario()
def announcement_changes_the_clients_neighbour(lab):
    def neighbour():
        done = subprocess.run(["ip", "-n", lab.ns("cli"), "neigh", "show", "10.77.0.100"],
                              capture_output=True, text=True, check=True)
        found = re.search(r"lladdr ([0-9a-f:]+)", done.stdout)
        return found.group(1) if found else ""
    lab.client_reaches("n1")
    old = neighbour()
    claim(old != "", "the client has no neighbour entry")
    lab.ctl("failover", "web", "--yes")
    wait_for("the client's neighbour entry changes", lambda: neighbour() not in ("", old), 5)


# ---------------------------------------------------------------- Ephor itself

def keep_journal(lab, before):
    """The journal still tells all that it told before, in the same words."""
    after = {(line["index"], line["line"]): line["text"] for line in lab.journal()}
    for line in before:
        claim(after.get((line["index"], line["line"])) == line["text"],
              f"the journal lost or changed: {line}")


@scenario(seconds=15)
def killed_ephord_comes_back_with_the_same_state(lab):
    lab.ctl("maintenance", "n2", "--reason", "new disk")
    before = lab.journal()
    for _ in range(3):
        time.sleep(random.uniform(0, 0.5))
        lab.kill()
        lab.start()
        lab.settled()
    keep_journal(lab, before)
    claim(lab.node("n2")["maintenance"], "the maintenance was forgotten")
    _, totals = lab.watched()
    claim(totals["moves"] == 0 and totals["none_ms"] == 0, f"the address moved: {totals}")


def kill_in_failovers(lab, fail, mend, rounds, longest):
    on, other = 1, 2
    for _ in range(rounds):
        before = lab.journal()
        fail(on)
        time.sleep(random.uniform(0, longest))  # any moment of the failover
        lab.kill()
        lab.start()
        wait_for(f"n{other} holds the address", lambda: lab.is_settled(f"n{other}"), 40)
        keep_journal(lab, before)
        lab.client_reaches(f"n{other}")
        mend(on)
        wait_for("both are well", lab.all_ok, 30)
        on, other = other, on


@scenario(settings=HASTY, seconds=45)
def ephord_killed_while_it_moves_a_service_finishes(lab):
    kill_in_failovers(lab, lambda n: lab.lab("break-service", n), lab.mend, 6, 2.5)


@scenario(settings=HASTY, seconds=60)
def ephord_killed_while_it_waits_out_a_lease_finishes(lab):
    kill_in_failovers(lab, lambda n: lab.lab("cut", n), lambda n: lab.lab("heal", n), 4, 6)


@scenario(seconds=30)
def every_child_killed_is_restarted_and_nothing_is_lost(lab):
    before = lab.journal()
    for role in ("checker", "quorum", "actor", "status"):
        old = lab.process(role)
        claim(old["up"], f"status shows no {role} process")
        os.kill(old["pid"], signal.SIGKILL)

        def is_back(role=role, old=old):
            process = lab.process(role)
            return process["up"] and process["pid"] not in (0, old["pid"])
        wait_for(f"{role} is back", is_back, 20)
        claim(lab.process(role)["restarts"] > old["restarts"], f"the loss of {role} is not shown")
        lab.in_log(f"supervisor: .*{role}.* signal 9|supervisor: .*{role}.*killed")
        lab.settled()
    keep_journal(lab, before)
    lab.lab("break-service", 1)  # and the whole still works
    lab.client_reaches("n2")
    _, totals = lab.watched()
    claim(totals["moves"] == 1 and totals["longest_none_ms"] < 1000, f"the address: {totals}")


@scenario()
def a_stopped_child_is_noticed_and_replaced(lab):
    old = lab.process("checker")
    claim(old["up"], "status shows no checker process")
    os.kill(old["pid"], signal.SIGSTOP)
    try:
        wait_for("the checker is replaced", lambda: lab.process("checker")["pid"] not in (0, old["pid"]), 60)
    finally:
        if os.path.exists(f"/proc/{old['pid']}"):
            os.kill(old["pid"], signal.SIGCONT)
    lab.settled()


@scenario()
def address_removed_by_hand_is_put_back(lab):
    lab.lab("on", 1, "ip", "addr", "del", "10.77.0.100/32", "dev", "eth0")
    wait_for("the address is back", lambda: lab.has_address(1), 15)
    lab.settled()


@scenario()
def stopping_leaves_the_address_until_its_lease_ends(lab):
    lab.stop()
    claim(lab.has_address(1), "the address went with the controller")
    wait_for("the lease ends", lambda: not lab.has_address(1), 10)
    claim(lab.client() == "", "the address answers although its lease ended")
    lab.start()
    lab.settled()


def vip(lab):
    return lab.service()["vips"][0]


@scenario(seconds=12)
def what_guards_an_address_may_come_and_go(lab):
    """nft is there, is flushed, is gone, and is there again: each time the address is held in the
    best way that there is, and by nobody else."""
    claim(vip(lab)["guarded"] and vip(lab)["lease_ms"] == 1000, f"{vip(lab)}")
    lab.lab("on", 1, "nft", "flush", "ruleset")
    lab.in_journal("outcome web: 10.77.0.100 is gone from n1")
    wait_for("it is guarded again", lambda: "alive4" in lab.lab("on", 1, "nft", "list", "ruleset"))
    lab.lab("on", 1, "mount", "--bind", "/bin/false", "/usr/sbin/nft")
    lab.in_journal("n1: can be worked on: leases there are 3s or longer: ")
    wait_for("it is held without a guard", lambda: lab.is_settled("n1") and not vip(lab)["guarded"])
    claim(vip(lab)["lease_ms"] == 3000, f"{vip(lab)}")
    lab.lab("on", 1, "umount", "/usr/sbin/nft")
    lab.lab("on", 1, "sh", "-c", "read -r pid rest </run/ephor/lease.vm && kill $pid")
    wait_for("it is guarded again", lambda: lab.is_settled("n1") and vip(lab)["guarded"])
    claim(lab.client() == "n1", "the client does not reach the address")
    _, totals = lab.watched()
    claim(totals["moves"] == 0, f"the address: {totals}")
