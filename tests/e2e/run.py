#!/usr/bin/env python3
"""Run the end-to-end scenarios in the lab (root and network namespaces needed).

usage: run.py [--build DIR] [--keep DIR] [--list] [NAME...]
Prints "ok NAME" or "not ok NAME: why" for each, and at the end "N passed, N failed".
"""
import argparse
import os
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lab as lab_module  # noqa: E402
import scenarios  # noqa: E402


def keep_logs(lab, keep, name):
    folder = os.path.join(keep, name)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    for path in ("ephord.log", "ephor.conf"):
        source = os.path.join(lab.dir, path)
        if os.path.exists(source):
            shutil.copy(source, folder)
    with open(os.path.join(folder, "journal.txt"), "w", encoding="utf-8") as f:
        try:
            f.write(lab.ctl("journal", "-n", "500", check=False).stdout)
            f.write(lab.ctl("status", check=False).stdout)
        except (lab_module.Failed, subprocess.SubprocessError, OSError) as e:
            f.write(f"no journal: {e}\n")
    return folder


def run_one(build, keep, function):
    """None, or why it failed."""
    lab = lab_module.Lab(build, lab_module.new_folder())
    problem = None
    try:
        scenarios.run(lab, function)
    except (lab_module.Failed, subprocess.SubprocessError, OSError, KeyError, TypeError,
            IndexError) as e:
        problem = f"{type(e).__name__ if not isinstance(e, lab_module.Failed) else ''} {e}".strip()
        problem += f" (see {keep_logs(lab, keep, function.__name__)})"
    finally:
        if lab.watch is not None:
            lab.watch.kill()
            lab.watch.communicate()
        lab.down()
        shutil.rmtree(lab.dir, ignore_errors=True)
    return problem


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=os.path.join(lab_module.TOP, "build"))
    parser.add_argument("--keep", default=None, help="where logs of failures go")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    chosen = [f for f in scenarios.SCENARIOS if not args.names or f.__name__ in args.names]
    if args.list:
        print("\n".join(f.__name__ for f in chosen))
        return 0
    build = os.path.abspath(args.build)
    keep = args.keep or os.path.join(build, "lab-failures")
    passed = failed = 0
    for function in chosen:
        begin = time.monotonic()
        problem = run_one(build, keep, function)
        passed += problem is None
        failed += problem is not None
        words = f"ok {function.__name__}" if problem is None else \
            f"not ok {function.__name__}: {problem}"
        print(f"{words} ({time.monotonic() - begin:.1f} s)", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 0 if failed == 0 and passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
