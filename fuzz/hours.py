#!/usr/bin/python3
"""Runs the fuzz targets for hours, the one that has had the least first; sums stand in fuzz/hours.txt.

    fuzz/hours.py BUILD WORK [--hours 1] [--slice 600] [--jobs N] [--note FILE] [--only NAME ...]

BUILD is a folder of fuzz/meson.build. WORK keeps what a target has found to be new (WORK/<name>/, it
goes on from there), its log and what broke it (WORK/crash-<name>-*). Each turn of a target has --slice
CPU seconds; it has enough with --hours of them. A turn that ends with a finding is not counted, and
that target has no more turns: mend it, and start again. While WORK/pause exists nothing runs. Ctrl+C,
or SIGTERM, ends the turns under way, and counts what they had.
"""
import argparse
import math
import os
import resource
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
HEAD = "# CPU seconds that each target has run, without a finding left; see hours.py.\n"


def read_sums(path):
    if not os.path.exists(path):
        return {}
    with open(path, encoding="utf-8") as f:
        rows = [line.split() for line in f if line.strip() and line[0] != "#"]
    return {name: int(seconds) for name, seconds in rows}


def write_sums(path, sums):
    with open(path + ".new", "w", encoding="utf-8") as f:
        f.write(HEAD)
        f.writelines(f"{name} {sums[name]}\n" for name in sorted(sums))
    os.replace(path + ".new", path)


class Turn:
    """One target at work, in the idle class; its end comes from libFuzzer's clock, or ours."""

    def __init__(self, args, name, cpu_seconds):
        self.name = name
        self.want = cpu_seconds
        own = os.path.join(args.work, name)
        os.makedirs(own, exist_ok=True)
        command = [os.path.join(args.build, "fuzz", "fuzz_" + name), "-max_total_time=36000", "-timeout=20",
                   "-rss_limit_mb=2048", "-max_len=65536", "-print_final_stats=1",
                   f"-artifact_prefix={args.work}/crash-{name}-"]
        dictionary = os.path.join(HERE, "dict", name + ".dict")
        if os.path.exists(dictionary):
            command.append("-dict=" + dictionary)
        command += [folder for folder in (own, os.path.join(HERE, "corpus", name)) if os.path.isdir(folder)]
        env = dict(os.environ, UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1")
        with open(os.path.join(args.work, name + ".log"), "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env,
                                            preexec_fn=self.be_idle)
        self.stopped_at = None

    @staticmethod
    def be_idle():
        os.setsid()
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        try:  # among sessions Linux goes by this alone
            with open("/proc/self/autogroup", "w", encoding="utf-8") as f:
                f.write("19")
        except OSError:
            pass
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="utf-8") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        """SIGUSR1 has it end well, and is no Ctrl+C to what is tried; one that does not hear it is killed."""
        if self.stopped_at is None:
            self.stopped_at = time.monotonic()
            self.process.send_signal(signal.SIGUSR1)
        elif time.monotonic() - self.stopped_at > 10:
            self.process.kill()

    def look(self, must_stop):
        """None while it runs, else its CPU seconds and whether it broke."""
        pid, status, usage = os.wait4(self.process.pid, os.WNOHANG)
        if pid == 0:
            if must_stop or self.cpu_seconds() >= self.want:
                self.stop()
            return None
        code = os.waitstatus_to_exitcode(status)
        self.process.returncode = code
        return math.ceil(usage.ru_utime + usage.ru_stime), not self.stopped_at and code != 0


def finding(args, name):
    return any(f.startswith(f"crash-{name}-") for f in os.listdir(args.work))


def next_name(args, names, sums, turns):
    free = [n for n in names if n not in {t.name for t in turns} and not finding(args, n)]
    free = [n for n in free if sums.get(n, 0) < args.hours * 3600]
    return min(free, key=lambda n: sums.get(n, 0), default=None)


def run(args, names):
    turns, ending = [], []
    signal.signal(signal.SIGTERM, lambda *_: ending.append(True))
    signal.signal(signal.SIGINT, lambda *_: ending.append(True))
    while True:
        pause = os.path.exists(os.path.join(args.work, "pause"))
        for turn in list(turns):
            end = turn.look(pause or bool(ending))
            if end is None:
                continue
            turns.remove(turn)
            seconds, broke = end
            broke = broke or finding(args, turn.name)
            print(f"{time.strftime('%H:%M:%S')} {turn.name}: {seconds} s{', A FINDING' if broke else ''}", flush=True)
            if not broke:
                sums = read_sums(args.note)
                sums[turn.name] = sums.get(turn.name, 0) + seconds
                write_sums(args.note, sums)
        while len(turns) < args.jobs and not pause and not ending:
            sums = read_sums(args.note)
            name = next_name(args, names, sums, turns)
            if name is None:
                break
            turns.append(Turn(args, name, min(args.slice, args.hours * 3600 - sums.get(name, 0))))
        if not turns and (ending or not pause):
            break
        time.sleep(0.5)
    return any(finding(args, n) for n in names)


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    p.add_argument("build")
    p.add_argument("work")
    p.add_argument("--hours", type=float, default=1)
    p.add_argument("--slice", type=float, default=600)
    p.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    p.add_argument("--note", default=os.path.join(HERE, "hours.txt"))
    p.add_argument("--only", nargs="+")
    args = p.parse_args()
    os.makedirs(args.work, exist_ok=True)
    there = sorted(f[5:] for f in os.listdir(os.path.join(args.build, "fuzz"))
                   if f.startswith("fuzz_") and os.path.isfile(os.path.join(args.build, "fuzz", f)))
    unknown = set(args.only or []) - set(there)
    if unknown or not there:
        sys.exit(f"{args.build} has no target {', '.join(sorted(unknown)) or 'at all'}; it has: {', '.join(there)}")
    sys.exit(run(args, args.only or there))


main()
