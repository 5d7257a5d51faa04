"""A crowd at one `lilm chat`: is every visitor's answer the own one and whole, whoever else breaks the rules?"""

import html
import itertools
import re
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from lilm.errors import LilmError
from lilm.export.talk.visitors import FAULTS, GREEDY, N_PREDICT, PATIENCE, WILD, Raw, asks
from lilm.llamacpp.chat import ChatEngine
from lilm.llamacpp.client import WORKER
from lilm.memory import resident
from lilm.progress import Reporter
from lilm.recipe import SamplingConfig

CLIENTS, SECONDS = 20, 120.0
FAULTY = 0.4  # share of the visitors
WORDS = ("The cat", "The mat", "The door", "むかし", "海", "こんにちは。")
LONG, SHORT = 1024, 16  # tokens
LEAVES = 3  # visitors who leave in an answer, one after another
SAMPLED = 5.0  # seconds from one look at the server's memory to the next
MOST = 4  # times as many try to
ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+")


def questions(count: int) -> list[str]:
    """Each another one."""
    return [f"{WORDS[number % len(WORDS)]} {number}" for number in range(count)]


def expected_answers(model: Path, texts: Sequence[str], threads: int = 0) -> list[str]:
    """What the model answers when nobody else asks."""
    greedy = SamplingConfig(temperature=0)
    with ChatEngine(model, threads=threads) as engine:
        asked = [[{"role": "user", "content": text}] for text in texts]
        return ["".join(engine.chat(chat, greedy, n_predict=N_PREDICT)).strip() for chat in asked]


def measure_crowd(model: Path, reporter: Reporter, clients: int = CLIENTS, seconds: float = SECONDS) -> dict[str, Any]:
    """`lilm chat` in a process of its own, with the file that is given, and `clients` visitors for `seconds`.

    Returns what `visit` does and "freed_s" (see `freed`). Raises LilmError for fewer than 2 visitors, no time, and a
    server that does not start.
    """
    if clients < 2 or seconds <= 0:
        what = f"{clients} visitors for {seconds:g} seconds"
        raise LilmError(what, where="lilm bench chat", remedy="give 2 --clients or more, and --minutes above 0")
    faulty = max(1, round(clients * FAULTY))
    texts = questions(clients - faulty)
    expected = expected_answers(model, texts)
    with chat_server(model) as (url, process):
        found = visit(url, process, texts, expected, faulty, seconds, reporter)
        return {**found, "freed_s": round(freed(Raw(url), WILD), 3)}


@contextmanager
def chat_server(model: Path) -> Iterator[tuple[str, psutil.Process]]:
    """(address, process) of `lilm chat`, as a user starts it."""
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "lilm", "chat", str(model)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    ) as server:
        reader = threading.Thread(target=_drain, args=(server,), daemon=True)
        try:
            said = ""
            for line in server.stdout or ():
                said += line
                if address := ADDRESS.search(line):
                    reader.start()
                    yield address[0] + "/", psutil.Process(server.pid)
                    return
            last = (said.strip().splitlines() or ["it said nothing"])[-1]
            raise LilmError(f"`lilm chat` does not start: {last}", where=str(model), remedy="try it by hand")
        finally:
            server.terminate()
            if reader.is_alive():
                reader.join()  # or what it reads is closed under it


def _drain(server: "subprocess.Popen[str]") -> None:
    """A server whose words nobody reads stops when the pipe is full."""
    for _ in server.stdout or ():
        pass


def visit(
    url: str,
    process: psutil.Process,
    texts: Sequence[str],
    expected: Sequence[str],
    faulty: int,
    seconds: float,
    reporter: Reporter,
) -> dict[str, Any]:
    """A visitor for each text, who asks it again and again, and `faulty` others, for `seconds` and once at least.

    Returns {"clients", "faulty", "seconds", "answers", "faults", "lost": questions without an answer, "mixed": answers
    with another's question, or that another's question gets, "other": with the own question and words that nobody's
    gets (rounding is another where a chat's beginning is still there), "wrongly_taken": faults that were not taken as
    they should be, or not at all, "worker_deaths", "visitors": sessions that the
    server saw, "memory_mb": [when each had an answer, at the end], "memory_curve": [[seconds, MB], …],
    "memory_mb_per_minute": by how much it grew in the second half}.
    """
    import httpx
    from gradio_client import Client

    options: dict[str, Any] = {"verbose": False, "httpx_kwargs": {"timeout": PATIENCE}}
    with ThreadPoolExecutor(4) as pool:
        clients = list(pool.map(lambda _: Client(url, **options), texts))
        raws = list(pool.map(lambda _: Raw(url), range(faulty)))
    figures: Counter[str] = Counter()
    counting = threading.Lock()
    served = [0] * len(texts)
    before = _workers(process)
    memory: list[float] = []
    curve: list[tuple[float, float]] = []
    started = time.monotonic()

    def honest(number: int) -> None:
        while not served[number] or time.monotonic() < started + seconds:
            try:
                job = clients[number].submit(asks(texts[number]), *GREEDY, N_PREDICT, "", "", api_name="/answer")
                history, _ = job.result(PATIENCE)
                asked, *answer = [_plain(turn["content"]) for turn in history]
            except Exception:  # whatever Gradio's client raises for it: the question is lost
                asked, answer = texts[number], []
            found = _judged(asked, answer, texts[number], expected[number], expected)
            with counting:
                figures["answers"] += 1
                figures[found] += 1
                served[number] += 1

    def broken(number: int) -> None:
        for fault in itertools.islice(itertools.cycle(FAULTS), number % len(FAULTS), None):
            try:
                taken = fault(raws[number])
            except (AssertionError, KeyError, httpx.HTTPError):  # neither answered nor refused
                taken = False
            with counting:
                figures["faults"] += 1
                figures["wrongly_taken"] += not taken
            if time.monotonic() > started + seconds:
                return

    with ThreadPoolExecutor(len(texts) + faulty) as pool, reporter.bar("crowd", max(1, round(seconds))) as bar:
        visitors: list[Future[None]] = [pool.submit(honest, number) for number in range(len(texts))]
        visitors += [pool.submit(broken, number) for number in range(faulty)]
        told = 0
        while not all(visitor.done() for visitor in visitors):
            time.sleep(0.2)
            spent = min(round(time.monotonic() - started), round(seconds))
            bar.advance(spent - told, f"{figures['answers']} answers")
            told = spent
            if not memory and all(served):
                memory.append(_megabytes(process))
            if time.monotonic() - started >= len(curve) * SAMPLED:
                curve.append((round(time.monotonic() - started, 1), _megabytes(process)))
    for visitor in visitors:
        visitor.result()
    memory.append(_megabytes(process))
    keys = ("answers", "faults", "lost", "mixed", "other", "wrongly_taken")
    return {
        "clients": len(texts) + faulty,
        "faulty": faulty,
        "seconds": round(time.monotonic() - started, 1),
        **{key: figures[key] for key in keys},
        "worker_deaths": len(before - _workers(process)),
        "visitors": len(texts) + sum(raw.sessions for raw in raws),
        "memory_mb": [memory[0], memory[-1]],
        "memory_curve": curve,
        "memory_mb_per_minute": growth(curve),
    }


def growth(curve: Sequence[tuple[float, float]]) -> float | None:
    """Megabytes a minute, by the line that fits the second half of a curve of (seconds, MB) best; None where that half
    has not three points.

    >>> growth([(0, 100), (10, 200), (20, 300), (30, 301), (40, 302)])
    6.0
    """
    half = [point for point in curve if point[0] >= curve[-1][0] / 2]
    if len(half) < 3:
        return None
    slope, _ = statistics.linear_regression(*zip(*half, strict=True))
    return round(slope * 60, 2)


def freed(raw: Raw, sampling: tuple[float, ...] = GREEDY) -> float:
    """Seconds by which a short answer takes longer after a visitor left in a long one than alone; the longest of
    LEAVES. Raises LilmError where the long answers ended before anybody could leave in them."""
    raw.ask("The mat", SHORT)
    waited, left_in = 0.0, 0
    for _ in range(MOST * LEAVES):
        if left_in == LEAVES:
            return waited
        began = time.monotonic()
        raw.ask("The mat", SHORT)
        alone = time.monotonic() - began
        left_in += (running := raw.leave_in_an_answer(LONG, sampling))
        left = time.monotonic()
        if not raw.ask("The mat", SHORT)["success"]:
            raise AssertionError("nobody is answered after a visitor left")
        if running:
            waited = max(waited, time.monotonic() - left - alone)
    if left_in < LEAVES:
        what = f"of {MOST * LEAVES} long answers {left_in} were still being written when a visitor left"
        raise LilmError(what, where="lilm bench chat", remedy="take a model whose answers are longer, or --skip crowd")
    return waited


def _judged(asked: str, answer: Sequence[str], question: str, own: str, all_answers: Sequence[str]) -> str:
    if len(answer) != 1:
        return "lost"
    if asked != question or (answer[0].strip() != own and answer[0].strip() in all_answers):
        return "mixed"
    return "own" if answer[0].strip() == own else "other"


def _plain(content: Any) -> str:
    """The text of a Gradio message, which is HTML: a string, or a list of parts."""
    if not isinstance(content, str):
        content = "".join(part if isinstance(part, str) else str(part.get("text", "")) for part in content)
    return html.unescape(content)


def _workers(process: psutil.Process) -> set[int]:
    """The processes in which its models are."""
    found: set[int] = set()
    for child in process.children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # it has ended meanwhile
            found |= {child.pid for part in child.cmdline() if WORKER in part}
    return found


def _megabytes(process: psutil.Process) -> float:
    """Resident, of the server and the processes with its models."""
    return round(resident(process) / 1e6, 1)
