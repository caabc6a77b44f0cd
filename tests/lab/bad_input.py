"""What is wrong from outside: keys, nodes, disks, plugins, requests. Each gives a clear error in
log, journal and status, and nothing else stops."""
import os
import subprocess

from lab import claim, stays, wait_for
from scenario import scenario


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def write(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def told_everywhere(lab, node, text):
    """Log, journal and status say why `node` cannot be worked on."""
    lab.in_log(f"{node} cannot be worked on: .*{text}")
    lab.in_journal(f"reach {node}: cannot be worked on: .*{text}")
    wait_for(f"status tells '{text}'", lambda: text in lab.problems())
    claim(text in lab.node(node)["channel"], f"the channel of {node}: {lab.node(node)['channel']}")


@scenario(settle=False, seconds=20)
def wrong_host_key_is_told_and_nothing_stops(lab):
    good = read(lab.path("known_hosts"))
    first, second = good.splitlines()
    write(lab.path("known_hosts"),
          f"{first.split()[0]} {' '.join(second.split()[1:])}\n{second}\n")
    lab.start()
    told_everywhere(lab, "n1", "the host key of 10.77.0.11 is not the one in known_hosts")
    wait_for("the service is on n2, which can be worked on", lambda: lab.is_settled("n2"), 30)
    lab.client_reaches("n2")
    claim(not lab.has_address(1), "n1 was worked on all the same")
    write(lab.path("known_hosts"), good)
    lab.reload()
    wait_for("all is well", lab.all_ok)


@scenario(settle=False, seconds=20)
def wrong_user_key_is_told_and_nothing_stops(lab):
    keys = lab.path("n2", "authorized_keys")
    good = read(keys)
    write(keys, "")
    lab.start()
    told_everywhere(lab, "n2", "user root is not let in")
    wait_for("the service is on n1", lambda: lab.is_settled("n1"))
    lab.client_reaches("n1")
    write(keys, good)
    wait_for("all is well", lab.all_ok, 30)


@scenario(settle=False, seconds=20)
def node_without_ip_is_told_and_not_chosen(lab):
    # hide the program in the node's own mount namespace
    lab.lab("on", 2, "sh", "-c",
            "for p in /usr/sbin/ip /sbin/ip /usr/bin/ip /bin/ip; do "
            "[ ! -e $p ] || mount --bind /dev/null $p; done")
    lab.start()
    told_everywhere(lab, "n2", "this node has no ip command")
    wait_for("the service is on n1", lambda: lab.is_settled("n1"))
    lab.lab("break-service", 1)
    lab.in_journal("hold web: nothing is done \\(rule 5, no-candidate\\).*no ip command")
    claim(lab.has_address(1), "the address was taken although nobody else can have it")


def fill(path):
    """A file as large as the disk allows."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        for size in (65536, 4096, 512, 1):
            try:
                while True:
                    os.write(fd, b"x" * size)
            except OSError:
                pass
    finally:
        os.close(fd)


@scenario(settle=False, seconds=25)
def full_disk_is_told_leases_go_on_and_it_comes_back(lab):
    os.mkdir(lab.path("state"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=750", "tmpfs", lab.path("state")],
                   check=True)
    try:
        lab.start()
        lab.settled()
        before = lab.journal()
        fill(lab.path("state", "filler"))
        lab.lab("break-service", 2)  # makes facts that do not fit
        wait_for("status tells it", lambda: lab.status()["cluster"]["storage_ok"] is False, 30)
        claim(lab.status()["cluster"]["storage_text"], "status does not tell why")
        lab.in_log("(?i)full|no space")
        claim("n1" == lab.client(), "the client lost the page")
        stays("n1 has the address, longer than a lease", lambda: lab.has_address(1), 5)
        os.unlink(lab.path("state", "filler"))
        wait_for("it works again", lambda: lab.status()["cluster"]["storage_ok"] is True, 30)
        lab.in_journal("check web/n2/http: critical")
        after = {(line["index"], line["line"]): line["text"] for line in lab.journal()}
        for line in before:
            claim(after.get((line["index"], line["line"])) == line["text"], f"lost: {line}")
        lab.stop()
        _, totals = lab.watched()
        claim(totals["moves"] == 0, f"the address moved: {totals}")
    finally:
        if lab.ephord is not None:
            lab.kill()
        subprocess.run(["umount", lab.path("state")], check=True)


BAD_PLUGINS = {  # name: program, the state that it gets, a word of its output or reason
    "hangs": ("trap '' TERM; while :; do sleep 1; done", "critical", "1s"),
    "floods": ("head -c 3000000 /dev/zero | tr '\\0' x", "ok", ""),
    "dies": ("kill -SEGV $$", "unknown", "signal"),
    "leaves": ("sleep 300 & echo left one", "ok", "left one"),
    "odd": ("echo odd; exit 77", "unknown", "77"),
}


@scenario(settle=False, seconds=20)
def misbehaving_plugins_are_told_and_stop_nothing(lab):
    os.mkdir(lab.path("plugins"))
    checks = ""
    names = list(BAD_PLUGINS) + ["missing"]
    for name in names:
        path = lab.path("plugins", name)
        if name in BAD_PLUGINS:
            write(path, f"#!/bin/sh\n{BAD_PLUGINS[name][0]}\n")
            os.chmod(path, 0o755)
        else:  # there when the configuration is read, gone when it runs
            write(path, "#!/bin/sh\n")
            os.chmod(path, 0o755)
        checks += (f'{name} : {{ scope = "node"; command = [ "{path}" ]; interval = "1s"; '
                   f'timeout = "1s"; failover = false; }};\n')
    listed = ", ".join(f'"{name}"' for name in names)
    lab.edit(("checks : {\n", "checks : {\n" + checks),
             ('address = "10.77.0.12"; checks = [ ', f'address = "10.77.0.12"; checks = [ {listed}, '))
    lab.start()
    os.unlink(lab.path("plugins", "missing"))
    lab.settled()

    def shown(name, state, word):
        for check in lab.status()["checks"]:
            if check["id"] == f"node/n2/{name}":
                return check["state"] == state and word in check["output"] + check["reason"]
        return False
    for name, (_, state, word) in BAD_PLUGINS.items():
        wait_for(f"{name} is {state} ('{word}')", lambda: shown(name, state, word))
        if state != "unknown":  # which it was from the start
            lab.in_journal(f"check node/n2/{name}: {state}")
    wait_for("missing is unknown", lambda: shown("missing", "unknown", ""))
    for check in lab.status()["checks"]:
        claim(len(check["output"]) < 70000, f"the flood of {check['id']} is not capped")
    lab.client_reaches("n1")
    done = subprocess.run(["pgrep", "-f", lab.path("plugins")], capture_output=True, text=True,
                          check=False)
    claim(len(done.stdout.split()) < 20, f"processes pile up: {done.stdout}")
    claim(lab.is_settled("n1"), "the service suffered")


@scenario()
def hostile_requests_change_nothing(lab):
    claim(lab.page("/../../etc/passwd")[0] in (400, 404), "a path trick")
    claim(lab.page("/" + "a" * 7000)[0] in (400, 404, 414, 431), "a long path")
    done = lab.page("/api/v1/failover", data=b'{"service":"web"}', method="POST")
    claim(done[0] in (403, 404, 405), f"strangers may act: {done}")
    garbage = b"\x00\xff" * 4096 + b"\r\n\r\n"
    subprocess.run(["timeout", "5", "bash", "-c", f"cat >/dev/tcp/127.0.0.1/{lab.port}"],
                   input=garbage, check=False, stderr=subprocess.DEVNULL)
    claim(lab.page("/healthz")[0] == 200 and lab.page("/readyz")[0] == 200, "health")
    claim(lab.is_settled("n1"), "something moved")
