"""What must hold after every step, after every start, and at the end. Each check says in words what is broken."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import msgspec
from simulation.ledger import Ledger
from simulation.monitor import VERIFY_HEAD_ONLY, Monitor, open_view
from simulation.recount import Recount

from jobsight.core.alert import FIRING, RULE_JOB_FAILED
from jobsight.core.apply import RULES_VERSION
from jobsight.core.outbox import DeliveryState
from jobsight.core.state import State
from jobsight.core.statistics import totals_of
from jobsight.logs.sqlite import SqliteLog
from jobsight.view.history import unpack
from jobsight.view.store import View

OPEN, OVER = 0, 1


class Promises:
    """
    The checks, with what they have to remember from one step to the next.

    Args:
        ledger: What the outside knows.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.recount = Recount()
        self._alerts: dict[str, int] = {}

    def after_a_step(self, monitor: Monitor) -> None:
        """Answered reports are in the log; the statistics are those of a recount; no alert is gone."""
        state = monitor.state
        for record in monitor.log.read(self.recount.upto):
            self.recount.take(record)
        if state.applied_seq == self.recount.upto:
            have, want = msgspec.to_builtins(totals_of([state.counters])), self.recount.stats()
            assert want == have, f"the statistics are {have}, and a recount of the log gives {want}"
        for alert_id, was in self._alerts.items():
            if was == OPEN and alert_id not in state.open_by_id:
                self._alerts[alert_id] = OVER
        for alert_id in state.open_by_id:
            assert self._alerts.get(alert_id, OPEN) == OPEN, f"alert {alert_id} was over, and is open again"
            self._alerts[alert_id] = OPEN
        missing = [number for number in self.ledger.answered if number not in self.recount.seen]
        assert not missing, f"reports {missing} were answered, and are not in the log"

    def after_a_start(self, monitor: Monitor) -> None:
        """What was there before is there again, and nothing else: the log is read anew from its beginning."""
        first, last = monitor.log.bounds()
        if first == 1:
            self.recount = Recount()
        elif last < self.recount.upto:
            raise AssertionError(f"the log ended at {self.recount.upto}, and now ends at {last}")
        self.after_a_step(monitor)
        for number, count in self.ledger.refused.items():
            is_absent = number not in self.recount.seen or count < self.ledger.sent[number]
            assert is_absent, f"report {number} was refused for want of room, and is in the log"
        stored = {row[0]: row[1] for row in monitor.view.connection.execute("SELECT alert_id, state FROM alerts")}
        stored.update({alert.alert_id: alert.state for alert in monitor.state.changes.alerts})  # by the start itself
        gone = [alert_id for alert_id in self._alerts if alert_id not in stored]
        assert not gone, f"alerts {gone} were open once, and nothing is known of them any more"
        again = [one for one, was in self._alerts.items() if was == OVER and stored[one] != "resolved"]
        assert not again, f"alerts {again} were over, and are open again"

    def at_the_end(self, monitor: Monitor, folder: Path) -> None:
        """Everybody was told, as often as promised; a view made anew from the log is the same."""
        self.after_a_step(monitor)
        self._failures_are_on_alerts(monitor)
        self._everybody_was_told(monitor)
        self._the_view_can_be_made_anew(monitor, folder)
        damage = monitor.log.verify().damage
        assert damage is None, f"the log is damaged: {damage}"

    def _failures_are_on_alerts(self, monitor: Monitor) -> None:
        """Each failure without retries left is counted once, on an alert of its task or queue."""
        rows = monitor.view.connection.execute(
            "SELECT task, queue, sum(count) FROM alerts WHERE rule = ? GROUP BY task, CASE WHEN task IS NULL THEN queue END",
            (RULE_JOB_FAILED,),
        ).fetchall()
        have = {("task", task) if task else ("queue", queue or ""): count for task, queue, count in rows}
        want = dict(self.recount.exhausted)
        short = {key: (count, have.get(key, 0)) for key, count in want.items() if have.get(key, 0) < count}
        assert not short, f"failures (counted, on alerts): {short}"
        surplus = sum(have.values()) - sum(want.values())
        assert 0 <= surplus <= self.recount.perhaps, (
            f"{surplus} failures too many are on alerts: {have}, counted {want}"
        )

    def _everybody_was_told(self, monitor: Monitor) -> None:
        state, taken = monitor.state, self.ledger.taken()
        waiting = {
            one.delivery_id: (one.channel, one.kind)
            for one in state.outbox.values()
            if one.state == DeliveryState.WAITING
        }
        assert not waiting, f"nothing is broken any more, and these still wait: {waiting}"
        for alert in state.open_by_id.values():
            untold = [one for one in state.routing.channels if one not in alert.told]
            is_held = alert.suppressed is not None or alert.state != FIRING or alert.rule == "self.channel_broken"
            assert is_held or not untold, f"{alert.alert_id} ({alert.text}) fires, and {untold} was never told"
        known: set[tuple[str, str]] = set()
        select = "SELECT channel, dedup_key, kind, content, state FROM deliveries"
        for channel, dedup_key, kind, content, delivery_state in monitor.view.connection.execute(select):
            sequence = 0 if kind == "trigger" else msgspec.json.decode(content)["sequence"]
            key = (channel, f"{dedup_key}|{kind}|{sequence}")
            known.add(key)
            count = taken[key]
            if delivery_state == "delivered":
                assert count >= 1, f"{key} is marked as delivered, and was never sent"
            most = 1 + self.ledger.excused[key]
            assert count <= most, f"{key} was sent {count} times, at most {most} are excused"
        assert set(taken) <= known, f"told, and not known any more: {set(taken) - known}"
        self._resolves_follow_triggers(monitor)

    def _resolves_follow_triggers(self, monitor: Monitor) -> None:
        """Unless the trigger was given up: then the resolve comes alone, and means nothing to the far side."""
        select = "SELECT dedup_key FROM deliveries WHERE channel = ? AND state = 'dead'"
        for channel, side in self.ledger.sides.items():
            begun: set[str] = {key for (key,) in monitor.view.connection.execute(select, (channel,))}
            for one in side.taken:
                if one.kind != "resolve":
                    begun.add(one.dedup_key)
                assert one.dedup_key in begun, f"{channel} was told that {one.dedup_key} is over before it had begun"

    def _the_view_can_be_made_anew(self, monitor: Monitor, folder: Path) -> None:
        folder.mkdir()
        for path in monitor.path.iterdir():
            if path.name.startswith(("log.db", "checkpoint.db", "jobsight.json")):
                shutil.copyfile(path, folder / path.name)
        log = SqliteLog(folder / "log.db", rules_version=RULES_VERSION, verify_after_seq=VERIFY_HEAD_ONLY)
        view, _ = open_view(folder, folder / "view.db", log)
        live, anew = everything(monitor.view), everything(view)
        view.close()
        log.close()
        for name, content in live.items():
            assert content == anew[name], f"{name}: {difference(content, anew[name])}"


def everything(view: View) -> dict[str, Any]:
    """All that a view knows, in a form in which two of them can be compared, after everything that is gone was deleted."""
    state = view.load_state()
    while view.wants_flush:
        view.flush(state, view.applied_checksum())
        state = view.load_state()
    ask = view.connection.execute
    job_ids = [job_id for (job_id,) in ask("SELECT job_id FROM jobs ORDER BY number")]
    jobs = sorted(view.fetch(job_ids, state), key=lambda job: job.number)
    ended = view.reader().rollup_sum(0)
    state.alive_ms = 0
    return {
        **{name: getattr(state, name) for name in State.__struct_fields__ if name not in ("changes", "kept", "pairs")},
        "pairs": {key: _without_zeros(pair) for key, pair in state.pairs.items()},
        "kept": state.kept,
        "stored jobs": jobs,
        "histories": [unpack(packed) for (packed,) in ask("SELECT history FROM jobs ORDER BY number")],
        "stored alerts": ask("SELECT * FROM alerts ORDER BY number").fetchall(),
        "deliveries": ask("SELECT * FROM deliveries ORDER BY number").fetchall(),
        "ended": (ended.ends, ended.duration_sum_us, ended.duration_max_us, ended.durations),
    }


def difference(one: Any, other: Any) -> str:
    """What differs, as short as it can be said."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = [key for key in {**one, **other} if one.get(key) != other.get(key)]
        return "; ".join(f"{key!r}: live {one.get(key)!r}, anew {other.get(key)!r}" for key in keys[:2])
    if isinstance(one, list) and isinstance(other, list):
        pairs = [(a, b) for a, b in zip(one, other, strict=False) if a != b]
        return f"{len(one)} and {len(other)} of them; {pairs[:1]}"
    return f"live {one!r}, anew {other!r}"


def _without_zeros(pair: Any) -> Any:
    plain = msgspec.to_builtins(pair)
    plain.pop("is_dirty", None)
    plain["statuses"] = {word: count for word, count in plain["statuses"].items() if count}
    return plain
