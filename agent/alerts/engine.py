"""The step: facts and a moment in, another state and the transitions out; it reads and changes nothing else.

Time is that of the facts: within a step every timer that ends before a fact is run before it, so how often the engine
is woken changes nothing, and recorded history replays in one step exactly as it was lived.
"""

from __future__ import annotations

import hashlib
import uuid
from typing import TYPE_CHECKING, NamedTuple

from agent.alerts.facts import OF_IT, OF_PEOPLE, Fact, Inputs, Verdict
from agent.alerts.incidents import incident_of
from agent.alerts.life import NEVER, Surroundings, Told, acknowledged, advanced, is_flapping
from agent.alerts.state import NEW, Life, State, Transition
from agent.alerts.wording import worded
from agent.contract.hours import next_edge

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agent.alerts.binding import Bound, Watch
    from agent.contract.layout import Layout

NAMES = uuid.UUID("6f0c0b1e-55a1-5d0e-9c57-2b0f6a1d7e11")  # ours; with it the same start has the same id everywhere
FARTHEST_AHEAD = 3600.0  # seconds a fact may lie ahead: its interval may not have ended yet

Key = tuple[str, str]


class Acknowledgement(NamedTuple):
    """Somebody has taken on the alert with this id."""

    id: str
    by: str = ""


class Engine:
    """A store's rules, ready to step. One for each version of layout and rules; the state outlives it."""

    def __init__(self, store: str, layout: Layout, rules: Bound) -> None:
        self._store = store
        self._layout = layout
        self.is_entered = layout.staffing.entered  # people say where staff is
        self._maintenance = rules.maintenance
        self._watches = {watch.key: watch for watch in rules.watches}
        self._gaps = {watch.key: watch for watch in rules.gaps}
        self.sensors = {watch.key: sorted(watch.sensors) for watch in rules.watches}
        self._gap_of = {watch.scope: watch.key for watch in rules.gaps}
        self._readers: dict[Key, list[Key]] = {}
        self.reads: dict[Key, tuple[Key, ...]] = {}  # by watch, the facts that it reads
        for watch in rules.watches:
            self.reads[watch.key] = tuple((watch.scope, name) for name in watch.judge.names)
            for fact in self.reads[watch.key]:
                self._readers.setdefault(fact, []).append(watch.key)
        self._own = frozenset(self._gaps)
        self._fingerprint = hashlib.sha256(repr(sorted([*self._watches, *self._gaps])).encode()).hexdigest()[:16]
        self._within: tuple[float, float, bool] = (0.0, 0.0, False)  # from, until, open: remembered, never assumed
        self._edges = sorted(m.timestamp() for window in rules.maintenance for m in (window.start, window.until))

    def begin(self, now: float) -> State:
        """The state of a store of which nothing is known yet."""
        dues = {watch.key: now + watch.rule.stale_after for watch in self._watches.values()}
        return State(now, now, {}, {}, dues, {}, {}, self._fingerprint)

    def step(
        self, state: State, facts: Iterable[Fact], now: float, taken_on: Sequence[Acknowledgement] = ()
    ) -> tuple[State, tuple[Transition, ...]]:
        """The state after these facts at `now`, and what happened on the way, in order.

        Facts older than what is known change nothing, and neither do duplicates; their order within a step does not
        matter. `now` never goes back: an earlier one is taken as the moment of the last step.
        """
        run = _Run(self, state)
        if state.rules != self._fingerprint:
            run.adopt(self._fingerprint)
        end = max(now, state.now)
        for at, batch in _by_moment(facts, state.now, end):
            run.advance(at)
            run.take(batch, at)
        run.advance(end)
        run.acknowledge(taken_on, end)
        return run.state._replace(now=end), tuple(run.told)

    def due(self, state: State) -> float:
        """When to step next even if no fact comes; infinity where only a fact can change something."""
        return min(min(state.dues.values(), default=NEVER), self.edge(state.now))

    @property
    def wanted(self) -> frozenset[Key]:
        """The (scope, name) of every fact that some rule reads."""
        return frozenset(self._readers)

    # ---- what a run asks

    def watch(self, key: Key) -> Watch | None:
        """The watch of a life; None where the rule was taken away."""
        return self._watches.get(key) or self._gaps.get(key)

    def readers(self, fact: Key) -> Sequence[Key]:
        """The watches that read a fact."""
        return self._readers.get(fact, ())

    def gap(self, scope: str) -> Key | None:
        """The watch that tells that a scope is silent."""
        return self._gap_of.get(scope)

    def all_keys(self) -> list[Key]:
        """Every watch, those for missing data last."""
        return [*self._watches, *self._gaps]

    def gap_keys(self) -> frozenset[Key]:
        """The watches for missing data."""
        return self._own

    def edge(self, after: float) -> float:
        """The next moment at which the store opens or closes, or maintenance begins or ends."""
        planned = next((edge for edge in self._edges if edge > after), NEVER)
        return min(planned, self._hours(after)[1])

    def _hours(self, moment: float) -> tuple[float, float, bool]:
        """A stretch around a moment in which the store stays open or stays closed; worked out once for each."""
        first, last, _ = self._within
        if not first <= moment < last:
            self._within = (moment, next_edge(self._layout, moment), self._layout.is_open(moment))
        return self._within

    def around(self, watch: Watch, now: float, *, fresh: bool) -> Surroundings:
        """What is around a watch at a moment."""
        applies = not watch.rule.only_open or self._hours(now)[2]
        mended = any(window.covers(watch.scope, watch.sensors, now) for window in self._maintenance)
        return Surroundings(applies, applies and not mended, fresh)

    def id_of(self, watch: Watch, start: float) -> str:
        """The id of a life: the same for the same rule, scope and start, so that what is sent again merges."""
        return str(uuid.uuid5(NAMES, f"{self._store}|{watch.rule.name}|{watch.scope}|{int(start)}"))


class _Run:
    """One step under way: copies of the state's tables, which it may change, and what was told so far."""

    def __init__(self, engine: Engine, state: State) -> None:
        self.engine = engine
        self.state = state._replace(
            facts=dict(state.facts),
            lives=dict(state.lives),
            dues=dict(state.dues),
            blame=dict(state.blame),
            seen=dict(state.seen),
        )
        self.told: list[Transition] = []
        self._clock = state.now
        self._edge = engine.edge(state.now)

    def adopt(self, fingerprint: str) -> None:
        """Make the state fit the rules of today: lives of rules that are gone end, new ones are looked at."""
        for key in [key for key in self.state.lives if self.engine.watch(key) is None]:
            life = self.state.lives.pop(key)
            self.state.dues.pop(key, None)
            self.state.blame.pop(key, None)
            if life.active:
                text = f"{key[0].replace('-', ' ')}: the rule was taken away"
                at = int(self._clock)
                self.told.append(Transition(life.id, *key, "resolved", "info", at, life.value, text, life.incident))
        for key in self.engine.all_keys():
            if key not in self.state.dues and key not in self.engine.gap_keys():
                self.state.dues[key] = self._clock
        self.state = self.state._replace(rules=fingerprint)

    def advance(self, until: float) -> None:
        """Run every timer up to a moment, in order."""
        while True:
            due = min(min(self.state.dues.values(), default=NEVER), self._edge)
            if due > until:
                break
            self._clock = max(self._clock, due)
            keys = [key for key, at in self.state.dues.items() if at <= due]
            if self._edge <= due:
                keys = self.engine.all_keys()
                self._edge = self.engine.edge(due)
            self._look(keys, set())
        self._clock = max(self._clock, until)

    def take(self, facts: Sequence[Fact], at: float) -> None:
        """Facts of one moment, and the rules that read them."""
        self._clock = max(self._clock, at)
        changed: dict[Key, None] = {}
        heard: set[str] = set()
        facts_held, seen = self.state.facts, self.state.seen
        for fact in facts:
            scope, metric, value, moment, number = fact
            held = facts_held.get(key := (scope, metric))
            if value is None:  # could not be worked out just now: what is known grows old until it is stale
                continue
            if held is not None and (moment, number, value) <= (held.at, held.number, held.value or 0.0):
                continue
            facts_held[key] = fact
            sensor, slash, _ = scope.partition("/")
            if slash and metric not in OF_IT:
                if moment > seen.get(sensor, 0.0):
                    seen[sensor] = moment
                heard.add(sensor)
            for reader in self.engine.readers(key):
                changed[reader] = None
        # Who waits for a figure that never comes must learn that its sensor is not to blame any more.
        back = {f"{sensor}/sensor" for sensor in heard} if self.state.blame else set[str]()
        freed = [key for key, scopes in self.state.blame.items() if key not in changed and not back.isdisjoint(scopes)]
        self._look([*changed, *freed], set(changed))

    def acknowledge(self, taken_on: Sequence[Acknowledgement], now: float) -> None:
        """Note who has taken on what; ids that are not open any more change nothing."""
        if not taken_on:
            return
        open_lives = {life.id: key for key, life in self.state.lives.items() if life.active}
        for note in taken_on:
            key = open_lives.get(note.id)
            watch = self.engine.watch(key) if key else None
            if key and watch:
                life, told = acknowledged(self.state.lives[key], now, note.by)
                self._keep(watch, life, told)
                self._look([key], set())

    # ---- one watch after another

    def _look(self, keys: Sequence[Key], changed: set[Key]) -> None:
        blamed: dict[Key, None] = {}
        ours = self.engine.gap_keys()
        for key in sorted(key for key in keys if key not in ours):
            if watch := self.engine.watch(key):
                blamed |= self._ask(watch, again=key in changed)
        for key in sorted({*blamed, *(key for key in keys if key in ours)}):
            if watch := self.engine.watch(key):
                silent = sum(watch.scope in scopes for scopes in self.state.blame.values())
                verdict = watch.judge.judge(Inputs({"rules_without_data": float(silent)}, self._clock), ())
                self._move(watch, verdict, NEVER, fresh=True)

    def _ask(self, watch: Watch, *, again: bool) -> dict[Key, None]:
        """Look at one rule; the watches for missing data whose blame changed."""
        life = self.state.lives.get(watch.key, NEW)
        inputs, stale_at = self._inputs(watch, is_open=life.active)
        verdict: Verdict | None = Verdict(life.holds, life.clear, life.value, life.memory, life.why)
        if inputs is None:
            verdict = None
        elif again or life.unknown or watch.key not in self.state.lives:
            try:
                verdict = watch.judge.judge(inputs, life.memory)
            except ZeroDivisionError:
                verdict = None
        self._move(watch, verdict, stale_at, fresh=verdict is not None)
        if inputs is not None and watch.key not in self.state.blame:
            return {}
        return self._blame(watch, () if inputs is not None else self._silent(watch, stale_at))

    def _inputs(self, watch: Watch, *, is_open: bool) -> tuple[Inputs | None, float]:
        """What a watch reads where all of it is fresh, and when it will not be any more."""
        held, values, oldest, newest = self.state.facts, {}, NEVER, -NEVER
        for key in self.engine.reads[watch.key]:
            fact = held.get(key)
            at = self.state.began if fact is None else fact.at
            oldest, newest = min(oldest, at), max(newest, at)
            if fact is not None and fact.value is not None:
                values[key[1]] = fact.value
        # What was old when the store began is stale at once, and nobody's failure before it had time to be told anew.
        stale_at = max(oldest, self.state.began) + watch.rule.stale_after
        if len(values) < len(self.engine.reads[watch.key]) or oldest + watch.rule.stale_after <= self._clock:
            return None, stale_at
        return Inputs(values, newest if values else self._clock, is_open), stale_at

    def _silent(self, watch: Watch, stale_at: float) -> tuple[str, ...]:
        """Who is to blame once the inputs are too old: the sensors that told nothing for as long, else the scope.

        An input that never was, such as a baseline before there is history, is nobody's failure, and neither is one
        that nobody has entered today.
        """
        if stale_at > self._clock:
            return ()
        oldest = self._clock - watch.rule.stale_after
        seen, began = self.state.seen, self.state.began
        silent = [s for s in self.engine.sensors[watch.key] if seen.get(s, 0.0) <= oldest] if began <= oldest else []
        held, entered = self.state.facts, self.engine.is_entered
        never = any(
            key not in held or (entered and key[1] in OF_PEOPLE and held[key].at <= oldest)
            for key in self.engine.reads[watch.key]
        )
        if (never and not silent) or not self.engine.around(watch, self._clock, fresh=False).applies:
            return ()
        return tuple(f"{sensor}/sensor" for sensor in silent) or (() if never else (watch.scope,))

    def _blame(self, watch: Watch, scopes: tuple[str, ...]) -> dict[Key, None]:
        before = self.state.blame.pop(watch.key, ())
        if scopes:
            self.state.blame[watch.key] = scopes
        if scopes == before:
            return {}
        return {key: None for scope in (*before, *scopes) if (key := self.engine.gap(scope))}

    def _move(self, watch: Watch, verdict: Verdict | None, stale_at: float, *, fresh: bool) -> None:
        before = self.state.lives.get(watch.key, NEW)
        wake = stale_at if stale_at > self._clock else NEVER
        if before.phase == "ok" and not (verdict and verdict.holds):
            self._rest(watch, before, verdict)
            self._wake(watch.key, wake)
            return
        life = before
        if verdict is not None:
            holds, clear, value, memory, why = verdict
            life = life._replace(holds=holds, clear=clear, value=value, memory=memory, why=why)
        around = self.engine.around(watch, self._clock, fresh=fresh)
        life, told, due = advanced(watch.rule, life, self._clock, around)
        if life.phase == "firing" and before.phase != "firing" and not before.active:
            life = life._replace(id=self.engine.id_of(watch, life.start))
            life = life._replace(incident=incident_of(watch, life, self.state.lives, self.engine.watch))
        self._keep(watch, life, told)
        self._wake(watch.key, min(due, wake))

    def _rest(self, watch: Watch, life: Life, verdict: Verdict | None) -> None:
        """The way of most rules most of the time, five times faster than the whole machine: nothing was, nothing is."""
        memory = life.memory if verdict is None else verdict.memory
        if life.holds or life.unknown != (verdict is None) or life.memory != memory:
            life = life._replace(holds=False, clear=True, unknown=verdict is None, memory=memory)
            self.state.lives[watch.key] = life

    def _keep(self, watch: Watch, life: Life, told: Sequence[Told]) -> None:
        self.state.lives[watch.key] = life
        if not told:
            return
        facts = {name: fact.value for name in watch.judge.names if (fact := self.state.facts.get((watch.scope, name)))}
        for state, at, remark in told:
            text = worded(watch, life, facts, remark)
            self.told.append(
                Transition(
                    life.id,
                    *watch.key,
                    state,
                    watch.rule.severity,
                    int(at),
                    life.value,
                    text,
                    life.incident,
                    watch.rule.advice,
                    is_flapping(watch.rule, life),
                )
            )

    def _wake(self, key: Key, due: float) -> None:
        # A key stays in `dues` even where nothing is due, which tells rules that are new from those that rest.
        self.state.dues[key] = due


def _by_moment(facts: Iterable[Fact], earliest: float, latest: float) -> list[tuple[float, list[Fact]]]:
    """Facts by the moment at which they count: their own, but not before the last step and not after this one."""
    groups: dict[float, list[Fact]] = {}
    for fact in facts:
        if fact.at <= latest + FARTHEST_AHEAD:
            groups.setdefault(min(max(fact.at, earliest), latest), []).append(fact)
    return sorted(groups.items(), key=lambda group: group[0])
