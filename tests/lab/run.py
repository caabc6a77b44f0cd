#!/usr/bin/env python3
"""Run the end-to-end scenarios in the lab (root and network namespaces needed).

Prints "ok NAME" or "not ok NAME: why" for each, and at the end "N passed, N failed". Logs of
failures are kept under --keep. Labs run side by side (--jobs), each with its own namespaces.
"""
import argparse
import concurrent.futures
import os
import queue
import random
import shutil
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bad_disk  # noqa: E402,F401  adds its scenarios
import bad_input  # noqa: E402,F401
import certificates  # noqa: E402,F401
import diagnosis  # noqa: E402,F401
import failover  # noqa: E402,F401
import many_eyes  # noqa: E402,F401
import observers  # noqa: E402,F401
import operate  # noqa: E402,F401
import leading  # noqa: E402,F401
import partitions  # noqa: E402,F401
import policy  # noqa: E402,F401
import quorum  # noqa: E402,F401
from cluster import Cluster  # noqa: E402
from lab import EXIT_SKIP, TOP, Failed, Lab, Skipped  # noqa: E402
from scenario import SCENARIOS  # noqa: E402

JOURNAL_LINES, JOURNAL_WIDTH = 25, 180


def last_journal(lab):
    """The last lines that any controller tells, for whoever sees no more than this output."""
    commands = [lab.ctl]
    if lab.cluster is not None:
        commands = [controller.ctl for controller in lab.cluster.running()]
    longest = ""
    for ctl in commands:
        try:
            told = ctl("journal", "-n", str(JOURNAL_LINES), check=False).stdout
        except (subprocess.SubprocessError, OSError):
            continue
        longest = max(longest, told, key=len)
    return "".join(f"\n      {line[:JOURNAL_WIDTH]}" for line in longest.splitlines())


def keep_logs(lab, keep, name):
    folder = os.path.join(keep, name)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    for controller in lab.cluster.all + lab.cluster.observers if lab.cluster is not None else ():
        if os.path.exists(controller.log_path):
            shutil.copy(controller.log_path, folder)
    for path in ("ephord.log", "ephor.conf", "n1/sshd.log", "n2/sshd.log"):
        if os.path.exists(lab.path(path)):
            shutil.copy(lab.path(path), os.path.join(folder, path.replace("/", "-")))
    with open(os.path.join(folder, "views.txt"), "w", encoding="utf-8") as f:
        for args in (("status",), ("why", "web"), ("journal", "-n", "1000")):
            try:
                done = lab.ctl(*args, check=False)
                f.write(f"$ ephorctl {' '.join(args)}\n{done.stdout}{done.stderr}\n")
            except (subprocess.SubprocessError, OSError) as e:
                f.write(f"{e}\n")
        f.write(lab.lab("status", check=False))
    return folder


def run_in(lab, scenario):
    if scenario.controllers > 1:
        lab.env["LAB_CONTROLLERS"] = str(min(scenario.controllers + 2, 5))  # room for two more
        lab.cluster = Cluster(lab, scenario.controllers)
    lab.up()
    scenario.run(lab)
    if lab.ephord is not None:
        lab.stop()
    if lab.cluster is not None:
        lab.cluster.close(cleanly=True)
        lab.cluster.check_logs()
    lab.check_log()
    if "watch" in lab.tools:
        lab.watched()


def run_one(scenario, build, keep, prefix):
    """None, or why it failed."""
    lab = Lab(build, prefix)
    problem = None
    try:
        run_in(lab, scenario)
    except Skipped:
        raise
    except Exception as e:  # pylint: disable=broad-except  a scenario must not end the others
        problem = str(e) if isinstance(e, Failed) else f"{type(e).__name__}: {e}"
        problem += f" (see {keep_logs(lab, keep, scenario.name)}){last_journal(lab)}\n     "
    finally:
        if lab.cluster is not None:
            lab.cluster.close(cleanly=False)
        lab.down()
        shutil.rmtree(lab.dir, ignore_errors=True)
    return problem


def run_all(chosen, args):
    """Passed, failed."""
    prefixes = queue.Queue()
    for i in range(args.jobs):
        prefixes.put(f"ephor-t{os.getpid()}-{i}" if args.jobs > 1 else f"ephor-t{os.getpid()}")
    passed = failed = 0

    def work(scenario):
        prefix = prefixes.get()
        begin = time.monotonic()
        try:
            return scenario, run_one(scenario, args.build, args.keep, prefix), \
                time.monotonic() - begin
        finally:
            prefixes.put(prefix)

    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for done in concurrent.futures.as_completed([pool.submit(work, s) for s in chosen]):
            scenario, problem, seconds = done.result()
            passed += problem is None
            failed += problem is not None
            words = f"ok {scenario.name}" if problem is None else \
                f"not ok {scenario.name}: {problem}"
            print(f"{words} ({seconds:.1f} s)", flush=True)
    return passed, failed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=os.path.join(TOP, "build"), help="the build folder")
    parser.add_argument("--keep", help="where logs of failures go (BUILD/lab-failures)")
    parser.add_argument("--jobs", type=int, default=2, help="labs side by side (2)")
    parser.add_argument("--seed", type=int, default=random.randrange(10 ** 6),
                        help="of the moments of random kills")
    parser.add_argument("--without", default="", metavar="NAMES",
                        help="leave these out: parts of names, separated by commas")
    parser.add_argument("--list", action="store_true", help="print the names, and end")
    parser.add_argument("names", nargs="*", help="scenarios, or parts of their names")
    args = parser.parse_args()
    args.build = os.path.abspath(args.build)
    args.keep = os.path.abspath(args.keep or os.path.join(args.build, "lab-failures"))
    chosen = [s for s in SCENARIOS
              if (not args.names or any(name in s.name for name in args.names)) and
              not any(name in s.name for name in args.without.split(",") if name)]
    if args.list:
        print("\n".join(s.name for s in chosen))
        return 0
    print(f"{len(chosen)} scenarios, {args.jobs} at a time, seed {args.seed}", flush=True)
    random.seed(args.seed)
    chosen.sort(key=lambda s: -s.seconds)  # the long ones first, so that none is left alone
    try:
        passed, failed = run_all(chosen, args)
    except Skipped as e:
        print(f"skipped: {e}")
        return EXIT_SKIP
    print(f"{passed} passed, {failed} failed")
    return 0 if failed == 0 and passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
