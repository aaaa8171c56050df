"""Put small faults into the library, one at a time, and count how many of them the tests find.

    nox -s mutation -- [ROOM …] [--survivors] [--seconds N] [--list] [--write]

The faults (mutants) are a random sample. mutation.toml has its seed, and for each room the modules, the size of the
sample and the files of tests; also the mutants that change no behaviour, each with the reason. A mutant is killed if a
test fails. Those tests run for it that run its line, the quickest first, and no more than take --seconds. --survivors
tries the mutants that survived last time, or were not tried. --list prints the sample. --write only puts the kept
outcomes into the table in mutation.md, where rooms without any keep their rows. Outcomes are kept in
``build/mutation``; the tests of a file are measured again if it or the library changes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import tempfile
import time
import tomllib
from pathlib import Path
from typing import Any

from mutant_tests import LIMIT, PASSED, ROOT, changed, copy_repository, import_heavy, measure, outcome, run_files
from mutants import Mutant, sample

KEPT = ROOT / "build" / "mutation"
PLAN = Path(__file__).with_suffix(".toml")
TABLE = Path(__file__).with_suffix(".md")
KNOWN = "known"
"""The faults of mutation.toml that were written by hand, among the names of rooms."""
SECONDS = 20.0
"""Tests are added for a mutant until those chosen took this long without it."""


def main() -> None:
    """Parse the command line, then sample, measure, run and count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rooms", nargs="*", metavar="ROOM")
    for flag in ("survivors", "list", "write"):
        parser.add_argument(f"--{flag}", action="store_true")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    given = parser.parse_args()
    plan = tomllib.loads(PLAN.read_text())
    KEPT.mkdir(parents=True, exist_ok=True)
    if given.list:
        for name in given.rooms or plan["rooms"]:
            print(*sampled(ROOT, plan, name), sep="\n")
        return
    if given.write:
        write_table(plan)
        return
    import_heavy()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder).resolve() / "repository"
        copy_repository(copy)
        for name in given.rooms or [*plan["rooms"], KNOWN]:
            if name == KNOWN:
                run_known(copy, plan["known"], given.survivors)
            else:
                run_room(copy, plan, name, given)


def sampled(root: Path, plan: dict[str, Any], name: str) -> list[Mutant]:
    """The sample of a room."""
    room = plan["rooms"][name]
    paths = sorted(str(path.relative_to(root)) for pattern in room["modules"] for path in root.glob(pattern))
    return sample(root, paths, room.get("sample", plan["sample"]), plan["seed"])


def run_room(copy: Path, plan: dict[str, Any], name: str, given: argparse.Namespace) -> None:
    """Try each mutant of the sample, and keep the outcomes after each."""
    kept = KEPT / f"{name}.json"
    before = json.loads(kept.read_text()) if kept.is_file() else {}
    mutants = [mutant for mutant in sampled(copy, plan, name) if mutant.key not in plan.get("equivalent", {})]
    if given.survivors:
        mutants = [mutant for mutant in mutants if before.get(mutant.key, {}).get("outcome", PASSED).startswith(PASSED)]
    if not mutants:
        print(f"{name}: no mutant of the sample has survived")
        return
    measured = Measured(copy, plan["always"], plan["rooms"][name]["tests"])
    results = before if given.survivors else {}
    for number, mutant in enumerate(mutants, 1):
        begun = time.monotonic()
        names, seconds = measured.chosen(mutant, given.seconds)
        result = "survived: no test runs it" if not names else PASSED
        if names:
            with changed(copy / mutant.path, mutant.source(), number):
                result = outcome(copy, names, 60 + 10 * seconds, KEPT / f"{mutant.key}.log")
        results[mutant.key] = {"outcome": result, "mutant": str(mutant), "tests": len(names)}
        kept.write_text(json.dumps(results, indent=1))
        print(f"{name} {number}/{len(mutants)} {time.monotonic() - begun:.0f} s {result}: {mutant}", flush=True)


def run_known(copy: Path, faults: list[dict[str, Any]], survivors: bool) -> None:
    """Try each fault that was written by hand."""
    kept = KEPT / f"{KNOWN}.json"
    results = json.loads(kept.read_text()) if kept.is_file() and survivors else {}
    for number, fault in enumerate(faults, 1):
        if results.get(fault["fault"], PASSED) != PASSED:
            continue
        path = copy / fault["path"]
        source = path.read_text()
        if source.count(fault["before"]) != 1:
            raise SystemExit(
                f"{fault['fault']}: {fault['path']} has {fault['before']!r} not once. Change mutation.toml."
            )
        with changed(path, source.replace(fault["before"], fault["after"]), number):
            results[fault["fault"]] = run_files(copy, fault["tests"], 600, KEPT / f"{KNOWN}-{number}.log")
        kept.write_text(json.dumps(results, indent=1))
        print(f"{KNOWN} {number}/{len(faults)} {results[fault['fault']]}: {fault['fault']}", flush=True)


class Measured:
    """Which tests run a line, and how long they take."""

    def __init__(self, copy: Path, always: list[str], files: list[str]) -> None:
        """``always``: files of tests of all modules, which run for what Python runs when it imports a module."""
        self._always = tuple(always)
        self._seconds: dict[str, float] = {}
        self._lines: dict[str, dict[int, list[str]]] = {}
        library = _library_state(copy)
        for file in [*always, *files]:
            state = hashlib.sha256((copy / file).read_bytes() + library).hexdigest()[:16]
            kept = KEPT / f"{file.replace('/', '-')}-{state}.json"
            found = json.loads(kept.read_text()) if kept.is_file() else measure(copy, file, kept)
            self._seconds |= found["seconds"]
            for path, lines in found["lines"].items():
                for line, tests in lines.items():
                    self._lines.setdefault(path, {}).setdefault(int(line), []).extend(tests)

    def chosen(self, mutant: Mutant, most: float) -> tuple[list[str], float]:
        """The tests for a mutant, quickest first, and their seconds.

        For a line that Python runs when it imports the module, or that another process runs: the tests that run any
        line of the module, else all.
        """
        lines = self._lines.get(mutant.path, {})
        first, last = mutant.lines
        tests = {test for line in range(first, last + 1) for test in lines.get(line, ())} & self._seconds.keys()
        if mutant.at_import or not tests:
            tests = {test for found in lines.values() for test in found} & self._seconds.keys() or {*self._seconds}
            tests |= {test for test in self._seconds if test.startswith(self._always)}
        names, total = [], 0.0
        for name in sorted(tests, key=self._seconds.__getitem__):
            if names and total + self._seconds[name] > most:
                break
            names.append(name)
            total += self._seconds[name]
        return names, total


def _library_state(copy: Path) -> bytes:
    """Changes with any line of the library: numbers of lines are compared."""
    state = hashlib.sha256()
    for folder in ("zoo", "plugins", "exporters"):
        for path in sorted((copy / folder).rglob("*.py")):
            state.update(path.read_bytes())
    return state.digest()


def write_table(plan: dict[str, Any]) -> None:
    """Replace the table in mutation.md by the outcomes that are kept; a room without any keeps its row."""
    text = TABLE.read_text()
    pattern = re.compile(r"(?<=<!-- table -->\n).*(?=<!-- end -->)", re.S)
    (before,) = pattern.findall(text)
    rows = before.splitlines()[:2]
    earlier = {row.split("|")[1].strip(): row for row in before.splitlines()[2:]}
    for name in plan["rooms"]:
        kept = json.loads(path.read_text()) if (path := KEPT / f"{name}.json").is_file() else {}
        keys = {mutant.key for mutant in sampled(ROOT, plan, name)}
        tried = [kept[key]["outcome"] for key in keys - plan["equivalent"].keys() if key in kept]
        if not tried and name in earlier:
            rows.append(earlier[name])
            continue
        equivalent = len(keys & plan["equivalent"].keys())
        survived, limit = sum(found.startswith(PASSED) for found in tried), tried.count(LIMIT)
        killed = len(tried) - survived
        share = f"{killed / len(tried):.0%}" if tried else "not measured"
        total = len(tried) + equivalent
        rows.append(f"| {name} | {total} | {equivalent} | {killed} | {limit} | {survived} | {share} |")
    table = "\n".join(rows) + "\n"
    TABLE.write_text(pattern.sub(lambda _: table, text))


if __name__ == "__main__":
    main()
