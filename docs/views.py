"""What a block of a document can show: a record in, Markdown out; ``fill.py`` puts it there."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

import trainings
from marks import WIDTH, console, counted, number, only_record, plain, table

from scunext_edge import cli_measure
from scunext_edge.pipeline.operating import page as operating
from scunext_edge.pipeline.quality import page as quality
from scunext_edge.pipeline.web.table import engine_table
from scunext_edge.report import numbers, verdict
from scunext_edge.report.naming import precision_name
from scunext_edge.report.records import read_run
from scunext_edge.report.write import ReportFiles
from scunext_edge.results import Row, rows_from_json

_SPEED_LIMITS_SINCE = 2  # schema of the record of training speed


def _results(paths: Sequence[Path], _: int | None) -> str:
    """The rows of a benchmark that were scored, under a line that says how."""
    content = only_record(paths)
    rows = [row for row in rows_from_json(content) if row.gate is not None]
    data, gate = content["data"], content["gate"]
    latency = next(row.latency_ms for row in rows if row.latency_ms)
    limits = " and ".join(
        f"`{name}` by at most {limit:g}" for name, limit in gate["limits"].items()
    )
    head = (
        f"{data['images']} images of {data['name']} ({data['split']}), on "
        f"{content['environment']['cpu_model']} with {counted(rows[0].threads, 'thread')}. "
        f"Latency: {latency.region}, ms per image, median ± MAD of {latency.processes} processes. "
        f"Drop: mean Dice of the reference minus that of the row, paired per image; the gate lets "
        f"a row pass that is shown to lose {limits} with {100 * gate['confidence']:g} % "
        f"confidence."
    )
    titles = ("network", "engine", "precision", "ran", "latency", "Dice", "drop")
    titles += ("upper bound", "gate", "size", "doubts")
    return textwrap.fill(head, WIDTH) + "\n\n" + table(titles, [_result(row) for row in rows])


def _result(row: Row) -> tuple[str, ...]:
    latency = row.latency_ms
    return (
        f"`{row.model}`",
        row.backend if row.device == "cpu" else f"{row.backend} ({row.device})",
        precision_name(row),
        (row.precision_ran or "not known").upper(),
        numbers.with_spread(latency.median, latency.mad) if latency else "",
        number(row.dice, numbers.score),
        number(row.dice_drop, numbers.drop),
        number(row.dice_drop_upper, numbers.drop),
        row.gate or "",
        number(row.size_bytes, numbers.size),
        str(len(row.doubts)),
    )


def _verdict(paths: Sequence[Path], _: int | None) -> str:
    """What ``bench`` printed, after the command that it was called by."""
    run = read_run(paths[0].parent)
    found, out = verdict.judge(run), _out(only_record(paths)["command"])
    files = ReportFiles(
        csv=out / "results.csv", markdown=out / "report.md", html=out / "report.html"
    )
    summary = cli_measure.bench_summary(SimpleNamespace(verdict=found.text, files=files))
    return console(f"$ {run.command}\n{summary}")


def _out(words: Sequence[str]) -> Path:
    """The folder that a command line names."""
    named = [value for option, value in pairwise(words) if option in ("--out", "-o")]
    return Path(named[-1]) if named else Path("runs/bench")


def _shipped(paths: Sequence[Path], _: int | None) -> str:
    """The networks that ship, form by form, with the scores on their cards."""
    cards = [(path, only_record([path])) for path in paths]
    tested = {
        name: scores["images"]
        for _, card in cards
        for name, scores in card["details"]["evaluation"].items()
    }
    titles = ["network", "form", "parameters", "size"]
    for name, images in tested.items():
        titles += [f"Dice, {name} ({images} images)", "IoU", "drop of Dice (at most)"]
    return table(titles, [_form(path, card, list(tested)) for path, card in cards])


def _form(path: Path, card: dict[str, Any], tested: Sequence[str]) -> list[str]:
    details = card["details"]
    size = sum((path.parent / name).stat().st_size for name in card["digests"])
    row = [f"`{card['model']}`", f"{card['format']} {card['precision'].upper()}"]
    row += [numbers.count(details["complexity"]["params"]), numbers.size(size)]
    for name in tested:
        row += _scores(details["evaluation"][name])
    return row


def _scores(found: dict[str, Any]) -> list[str]:
    drop = ""
    if "dice_drop" in found:
        drop = f"{numbers.drop(found['dice_drop'])} ({numbers.drop(found['dice_drop_upper'])})"
    return [numbers.score(found["dice"]), numbers.score(found["iou"]), drop]


def _trained(paths: Sequence[Path], _: int | None) -> str:
    """What ``train`` printed when it had made a checkpoint that ships."""
    card = only_record(paths)
    training, name = card["details"]["training"], card["model"]
    data = training["data"]
    away = f" --away-from data/{data['kept_away_from']}" if data.get("kept_away_from") else ""
    return console(
        f"$ scunext-edge train {name} --data data/{data['name']} --out runs/{name}{away}\n"
        f"runs/{name}/best: epoch {training['epoch']}, validation Dice "
        f"{training['val_dice']:.4f}, IoU {training['val_iou']:.4f}"
    )


def _rows(paths: Sequence[Path], _: int | None) -> str:
    """A record whose ``rows`` are flat: as it is, a key a column."""
    rows = only_record(paths)["rows"]
    titles = list(dict.fromkeys(key for row in rows for key in row))
    return table(
        [title.replace("_", " ") for title in titles],
        [[plain(row.get(title)) for title in titles] for row in rows],
    )


def _speed(paths: Sequence[Path], _: int | None) -> str:
    """Images per second of a training step, ours and plain; memory and the device's limit."""
    content = only_record(paths)
    titles = ["network", "threads", "precision", "plain", "ours", "ratio (least to most)", "loader"]
    rows = [
        [
            *(f"`{row['model']}`", str(row["threads"]), row["precision"]),
            *(f"{row[name]:.1f}" for name in ("plain_images_s", "images_s")),
            f"{row['ratio']:.2f} ({row['ratio_least']:.2f} to {row['ratio_most']:.2f})",
            f"{row['loader_share']:.1%} of a step",
            *(_beside_limit(row) if content["schema"] >= _SPEED_LIMITS_SINCE else ()),
        ]
        for row in content["summary"]
    ]
    if content["schema"] >= _SPEED_LIMITS_SINCE:
        titles += ["memory, plain", "memory", "of the limit"]
    return table(titles, rows)


def _beside_limit(row: dict[str, Any]) -> tuple[str, ...]:
    memory = (number(row[name], numbers.size) for name in ("plain_memory_bytes", "memory_bytes"))
    return (*memory, f"{row['limit_share']:.0%} ({row['bound_by']})")


def _kernels(paths: Sequence[Path], _: int | None) -> str:
    """The native engine beside the fastest variant of each other one: 256 x 256, one thread."""
    content = only_record(paths)
    machine = content["environment"]
    head = (
        f"On {machine['cpu_model']} ({machine['native_isa']}), 256 x 256, one thread, the least of "
        f"{content['settings']['rounds']} rounds in ms. Native is timed from the uint8 image to "
        "the score, the others on the network alone."
    )
    rows = [row for row in content["rows"] if (row["size"], row["threads"]) == (256, 1)]
    titles = ("network", "precision", "native", "engine", "ran in", "its ms", "times as fast")
    found = [line for row in rows if row["engine"] == "native" for line in _beside(row, rows)]
    return textwrap.fill(head, WIDTH) + "\n\n" + table(titles, found)


def _beside(native: dict[str, Any], rows: Sequence[dict[str, Any]]) -> Iterator[tuple[str, ...]]:
    """A line for every engine that ran the same network in the same precision."""
    alike = [
        row
        for row in rows
        if row["engine"] != "native"
        and all(row[name] == native[name] for name in ("model", "precision"))
    ]
    for engine in dict.fromkeys(row["engine"] for row in alike):
        other = min((r for r in alike if r["engine"] == engine), key=lambda row: row["ms_min"])
        yield (
            f"`{native['model']}`",
            native["precision"].upper(),
            numbers.milliseconds(native["ms_min"]),
            engine + (f" ({other['variant']})" if other["variant"] else ""),
            (other["ran"] or "not known").upper(),
            numbers.milliseconds(other["ms_min"]),
            f"{other['ms_min'] / native['ms_min']:.1f}",
        )


def _needs(paths: Sequence[Path], _: int | None) -> str:
    """What a device needs that runs the native engine and nothing else, at 256 x 256."""
    titles = ("network", "precision", "library", "model", "memory of a run", "peak of a C process")
    names = ("library_bytes", "model_bytes", "arena_bytes", "peak_rss_bytes")
    rows = [row for row in only_record(paths)["footprints"] if row["size"] == 256]
    return table(
        (*titles, "load to first mask, ms"),
        [
            (
                *(f"`{row['model']}`", row["precision"].upper()),
                *(number(row[name], numbers.size) for name in names),
                number(row["load_to_first_mask_ms"], numbers.milliseconds),
            )
            for row in rows
        ],
    )


def _trials(paths: Sequence[Path], _: int | None) -> str:
    """How often each answer was given, of equal and of slower pairs."""
    content = only_record(paths)
    answers = ("no difference", "faster", "slower", "inconclusive")
    rows = [
        (f"{sum(found.values())} {sort} pairs", *(str(found.get(it, 0)) for it in answers))
        for sort, found in content["counts"].items()
    ]
    context = content["context"]
    case = (
        f"On {context['machine']['cpu_model']} with {context['machine']['cores_logical']} cores, "
        f"{context['backend']}, runs of {context['suite']['rounds']} processes of "
        f"{context['suite']['values']} values:"
    )
    return case + "\n\n" + table(("", *answers), rows)


def _web(paths: Sequence[Path], _: int | None) -> str:
    """The page's engine beside onnxruntime-web, under what a user of the page meets."""
    content = only_record(paths)
    machine, sizes, photo = content["environment"], content["sizes"], content["photo"]
    outline = median(it["total"] for raw in photo["raw_ms"] for it in raw)
    head = (
        f"{machine['chromium']} on {machine['cpu_model']}, one thread, 256 x 256, from RGB bytes "
        f"to a mask. The page has {numbers.size(sizes['folder_bytes'])} in all "
        f"({numbers.size(sizes['folder_gzip_bytes'])} packed), and outlines a photo of that size "
        f"within {numbers.milliseconds(outline)} ms of getting its bytes (median)."
    )
    return textwrap.fill(head, WIDTH) + "\n\n" + engine_table(content["rows"])


def _transcript(paths: Sequence[Path], lines: int | None) -> str:
    """What a command printed, as ``docs/record.py`` stored it."""
    text = paths[0].read_text(encoding="utf-8").rstrip("\n").split("\n")
    shown = text if lines is None or lines >= len(text) else [*text[:lines], "..."]
    return console("\n".join(shown))


def _searched(paths: Sequence[Path], _: int | None) -> str:
    """Of searches: the network wholly in INT8, as it was rounded and as it was tuned."""
    searches = sorted((only_record([path]) for path in paths), key=_hardness)
    about = searches[0]["about"]
    head = (
        f"{about['images']} images of {about['data']} ({about['part']}), on {about['backend']}. "
        "Drop and bound: against the same network in FP32, paired per image."
    )
    titles = ("network", "bits of a weight", "a scale for each", "rung", "Dice in FP32", "Dice")
    rows = [
        (
            *(f"`{it['about']['model']}`", str(it["about"]["weights"]["bits"])),
            "channel" if it["about"]["weights"]["per_channel"] else "tensor",
            step["name"],
            numbers.score(step["dice"] + step["drop"]),
            *(numbers.score(step["dice"]), numbers.drop(step["drop"])),
            numbers.drop(step["upper"]),
        )
        for it in searches
        for step in it["steps"]
        if step["name"].startswith(("int8", "qat"))
    ]
    return textwrap.fill(head, WIDTH) + "\n\n" + table((*titles, "drop", "upper bound"), rows)


def _hardness(search: dict[str, Any]) -> tuple[str, int, bool]:
    about = search["about"]
    return about["model"], -about["weights"]["bits"], not about["weights"]["per_channel"]


def _verified(paths: Sequence[Path], _: int | None) -> str:
    """Of verifications: what each candidate loses against its reference, by folder name."""
    found = [(path.parent.name, only_record([path])) for path in paths]
    data = found[0][1]["dataset"]
    head = (
        f"{data['images']} images of {data['name']} ({data['part']}). Loss: mean Dice of the "
        "reference minus that of the candidate, paired per image, with its interval at 95 % "
        "confidence."
    )
    titles = ("network", "candidate", "reference", "its Dice", "Dice", "loss", "interval")
    rows = []
    for name, record in found:
        model, candidate, reference = name.split("--")
        accepted = record["acceptance"]
        dice, drop = accepted["dice"], accepted["loss"]["drop"]
        rows.append(
            (
                *(f"`{model}`", candidate, reference),
                *(numbers.score(dice["reference"]), numbers.score(dice["candidate"])),
                numbers.drop(drop["mean"]),
                f"{numbers.drop(drop['low'])} to {numbers.drop(drop['high'])}",
            )
        )
    return textwrap.fill(head, WIDTH) + "\n\n" + table(titles, rows)


def _serve(paths: Sequence[Path], _: int | None) -> str:
    """What the server was put through, and what came of it."""
    content = only_record(paths)
    load, settings, served = content["load"], content["settings"], content["served"]
    head = (
        f"{served['model']} {served['form']} on {content['machine']['cpu_model']} with "
        f"{content['machine']['cores_logical']} cores, {settings['workers']} workers, "
        f"{settings['users']} clients that ask again at once, a JPEG of 600 x 800: "
        f"{load['per_s']:.1f} pictures a second over {load['seconds']:.0f} s, median "
        f"{load['p50_ms']} ms, p99 {load['p99_ms']} ms. Ready {content['start_s']:.1f} s after its "
        "start, the first start of the bundle included."
    )
    words = {True: "yes", False: "**no**", None: "not tried"}
    rows = [(it["name"], words[it["passed"]], it["told"]) for it in content["checks"]]
    return textwrap.fill(head, WIDTH) + "\n\n" + table(("", "as promised", "what came"), rows)


def _quality_flags(paths: Sequence[Path], _: int | None) -> str:
    """The flags of a network: limits and false alarms, under what they rest on."""
    record = only_record(paths)
    return "\n".join([*quality.about(record), "", *quality.flags(record)])


def _operating(
    part: Callable[[dict[str, Any]], Sequence[str]],
) -> Callable[[Sequence[Path], int | None], str]:
    """A table of an operating point."""
    return lambda paths, _: "\n".join(part(only_record(paths)))


VIEWS: dict[str, Callable[[Sequence[Path], int | None], str]] = {
    "results": _results,
    "verdict": _verdict,
    "serve": _serve,
    "shipped": _shipped,
    "trained": _trained,
    "rows": _rows,
    "speed": _speed,
    "kernels": _kernels,
    "needs": _needs,
    "searched": _searched,
    "verified": _verified,
    "quality-flags": _quality_flags,
    "quality-caught": lambda paths, _: "\n".join(quality.caught(only_record(paths))),
    "quality-kept": lambda paths, _: "\n".join(quality.kept([only_record([it]) for it in paths])),
    "quality-surest": lambda paths, _: "\n".join(quality.surest(only_record(paths))),
    "operating-about": _operating(lambda record: [operating.about(record)]),
    "operating-threshold": _operating(operating.thresholds),
    "operating-reliability": _operating(operating.reliability),
    "operating-views": _operating(operating.views),
    "operating-doubts": _operating(operating.doubts),
    "operating-corruptions": _operating(operating.corruptions),
    "transcript": _transcript,
    "trials": _trials,
    "experiment": trainings.experiment,
    "networks": trainings.networks,
    "findings": trainings.findings,
    "web": _web,
}
