#!/usr/bin/env python3
"""suite.py BUILD... [--rounds N] [--threads N,...] [--only NAME,...] [--peer NAME=DIR]... [--write FILE [--section NAME]]

Runs the programs of bench/suite from one build directory or more, and the same on oneTBB where they were built, in turn, so that what the
machine does meanwhile meets all of them alike. A peer is a directory with programs of the same names (fib, skynet, ...), arguments and
output, such as those of the public tzcnt/runtime-benchmarks. Prints a table: milliseconds, smallest and median; the smallest as a share
of the best of the others; where one thread was measured as well, the efficiency, which is 1 when n threads take the n-th part of the time;
CPU seconds; peak memory. --write also puts it, with the machine and the versions, between the marks of that section in FILE."""

import argparse
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import time

PROBLEMS = {  # the arguments for so many threads
    'fib': lambda t: ['34', str(t)],
    'skynet': lambda t: [str(t)],
    'nqueens': lambda t: [str(t)],
    'matmul': lambda t: ['2048', str(t)],
    'map': lambda t: ['4000000', str(t)],
    'channel': lambda t: [str(t)],
    'io_socket_st': lambda t: [],
}
ON_TBB = ['fib', 'skynet', 'nqueens', 'matmul', 'map']
HEAD = ['| problem | threads | on | ms, smallest | median | of the best other | efficiency | CPU s | peak KiB |',
        '|---|---|---|---|---|---|---|---|---|']


class Run:
    """One program's measurements."""

    def __init__(self, command):
        self.command = command
        self.ms, self.cpu, self.kib = [], [], 0

    def once(self):
        # A shell between us and it: what a process has of memory when it starts a program counts as that program's.
        began = os.times()
        out = subprocess.run(['sh', '-c', '"$@"; exit $?', 'sh', *self.command], capture_output=True, text=True)
        ended = os.times()
        took = re.search(r'duration: (\d+) us', out.stdout)
        if out.returncode != 0 or not took:
            sys.exit(f'{" ".join(self.command)} failed: {out.stdout}{out.stderr}')
        self.ms.append(int(took[1]) / 1000)
        self.cpu.append(ended.children_user + ended.children_system - began.children_user - began.children_system)
        self.kib = max(self.kib, int(re.search(r'max_rss: (\d+)', out.stdout)[1]))


def programs(name, threads, builds, peers):
    arguments = PROBLEMS[name](threads)
    found = {}
    for build in builds:
        label = 'tandem' if len(builds) == 1 else f'tandem {build.name}'
        found[label] = [str(build / 'bench' / f'suite-{name}'), *arguments]
    for build in builds[:1]:
        tbb = build / 'bench' / 'suite-with_tbb'
        if name in ON_TBB and tbb.exists():
            found['oneTBB'] = [str(tbb), name, *arguments]
    for label, folder in peers:
        if (folder / name).exists():
            found[label] = [str(folder / name), *arguments]
    return found


class LineTrip:
    """What a cache line takes between two processors, now and then: where they are virtual it changes, and much of this with it."""

    def __init__(self, build):
        self.program, self.ns = build / 'bench' / 'suite-line_trip', []

    def look(self):
        if m := re.match(r'round trip: (\d+) ns', line_of([str(self.program)])):
            self.ns.append(int(m[1]))

    def note(self):
        if not self.ns:
            return []
        return [f'A cache line went from one processor to another and back in {min(self.ns)} to {max(self.ns)} ns, '
                f'{statistics.median(self.ns):.0f} in the median of {len(self.ns)} looks.']


def measure(name, threads, args, peers, alone, trip):
    """The rows for so many threads; `alone` has what each took on one, and is added to."""
    runs = {label: Run(command) for label, command in programs(name, threads, args.builds, peers).items()}
    for _ in range(args.rounds):
        trip.look()
        for r in runs.values():
            r.once()
    best = min((min(r.ms) for label, r in runs.items() if not label.startswith('tandem')), default=None)
    rows = []
    for label, r in runs.items():
        share = f'{min(r.ms) / best:.2f}' if best else ''
        if threads == 1:
            alone[label] = min(r.ms)
        efficiency = f'{alone[label] / min(r.ms) / threads:.2f}' if label in alone else ''
        rows.append(f'| {name} | {threads} | {label} | {min(r.ms):.1f} | {statistics.median(r.ms):.1f} | {share} '
                    f'| {efficiency} | {min(r.cpu):.2f} | {r.kib} |')
        print(rows[-1], flush=True)
    return rows


def line_of(command):
    try:
        out = subprocess.run(command, capture_output=True, text=True).stdout.splitlines()
        return out[0] if out else ''
    except OSError:
        return ''


def machine():
    cpu = re.search(r'model name\s*: (.*)', pathlib.Path('/proc/cpuinfo').read_text())
    system = re.search(r'PRETTY_NAME="(.*)"', pathlib.Path('/etc/os-release').read_text())
    compilers = [v for v in (line_of([c, '--version']) for c in ('g++', 'clang++-19')) if v]
    return [f'{time.strftime("%Y-%m-%d")}, {cpu[1] if cpu else platform.machine()}, {os.cpu_count()} processors, '
            f'{system[1] if system else platform.system()}, Linux {platform.release().split("-")[0]}.', *(f'{c}.' for c in compilers)]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('builds', nargs='+', type=pathlib.Path, metavar='BUILD')
    p.add_argument('--rounds', type=int, default=5)
    p.add_argument('--threads', default=str(os.cpu_count()))
    p.add_argument('--only', default=','.join(PROBLEMS))
    p.add_argument('--peer', action='append', default=[])
    p.add_argument('--write', type=pathlib.Path)
    p.add_argument('--section', default='suite')
    args = p.parse_args()
    peers = [(label, pathlib.Path(folder)) for label, folder in (text.split('=', 1) for text in args.peer)]
    print('\n'.join(HEAD), flush=True)
    rows, trip = [], LineTrip(args.builds[0])
    for name in args.only.split(','):
        alone = {}
        for threads in args.threads.split(','):
            rows += measure(name, int(threads), args, peers, alone, trip)
    if args.write:
        begin, end = (f'<!-- {args.section}: {mark} -->\n' for mark in ('begin', 'end'))
        before, rest = args.write.read_text().split(begin)
        after = rest.split(end)[1]
        load = os.getloadavg()[1]
        note = f'{args.rounds} rounds, in turn; the load of the last five minutes was {load:.1f}.'
        text = '\n'.join([*machine(), note, *trip.note(), '', *HEAD, *rows]) + '\n'
        args.write.write_text(before + begin + text + end + after)


if __name__ == '__main__':
    main()
