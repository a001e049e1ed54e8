"""What Spark did, from its own record of physical plans: what would grow with the data in one place."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import DataFrame, SparkSession

_LINE = re.compile(r"^([ :+|-]*)(?:\* )?([A-Z]\w+)[^()]*(?:\[[^]]*\])?.*?\((\d+)\)(?:, Statistics.*)?$")
_DETAIL = re.compile(r"^\((\d+)\) ", re.MULTILINE)
_LIMITS = {"TakeOrderedAndProject", "CollectLimit", "GlobalLimit", "LocalLimit"}
_PASSING = {"Project", "Filter", "Sort", "AQEShuffleRead", "ShuffleQueryStage", "Exchange", "Window"}
_PASSING |= {"ColumnarToRow", "ResultQueryStage", "TableCacheQueryStage"}
_BY_COUNT = re.compile(r"Keys \[1\]: \[(num_events|num_purchases)#")
"""Rows by a count of events, see `features.ranks`: at most the square root of twice the events."""


@dataclass
class Node:
    """An operator of a plan: its name, what Spark tells of it, and its inputs."""

    name: str
    detail: str
    children: list["Node"] = field(default_factory=list)

    def walk(self) -> Iterator["Node"]:
        """Itself and all below it."""
        yield self
        for child in self.children:
            yield from child.walk()

    def is_bounded(self) -> bool:
        """Whether it gives a number of rows that does not grow with the data."""
        if self.name.endswith("Aggregate"):
            return "Keys: []" in self.detail or bool(_BY_COUNT.search(self.detail))
        if self.name in _LIMITS or self.name == "LocalTableScan":
            return True
        return self.name in _PASSING and bool(self.children) and all(c.is_bounded() for c in self.children)


def parse(plan: str) -> list[Node]:
    """The roots of a plan in Spark's formatted text: of the final plan, the first one, and of subqueries."""
    starts = [*_DETAIL.finditer(plan)]
    ends = [match.start() for match in starts[1:]] + [len(plan)]
    details = {m[1]: plan[m.start() : end] for m, end in zip(starts, ends, strict=True)}
    roots: list[Node] = []
    open_nodes: list[tuple[int, Node]] = []
    for line in plan.splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        depth, node = len(match[1]), Node(match[2], details.get(match[3], ""))
        while open_nodes and open_nodes[-1][0] >= depth:
            open_nodes.pop()
        (open_nodes[-1][1].children if open_nodes else roots).append(node)
        open_nodes.append((depth, node))
    return roots


def growing(plan: str) -> list[str]:
    """The operators of a plan that broadcast, or bring into one task, what grows with the data."""
    found = []
    for node in (node for root in parse(plan) for node in root.walk()):
        gathers = node.name == "BroadcastExchange" or (
            node.name == "Exchange" and "Arguments: SinglePartition" in node.detail
        )
        if node.name == "CartesianProduct" or (gathers and not all(c.is_bounded() for c in node.children)):
            found.append(node.detail)
    return found


def plan_of(df: DataFrame) -> str:
    """The plan that Spark would begin with, in its formatted text; nothing runs."""
    explain = df.sparkSession.sparkContext._jvm.org.apache.spark.sql.api.python.PythonSQLUtils.explainString
    return str(explain(df._jdf.queryExecution(), "formatted"))


class Plans:
    """The plans that a session executes from now on."""

    def __init__(self, spark: SparkSession) -> None:
        self._store = spark._jsparkSession.sharedState().statusStore()
        self._bus = spark.sparkContext._jsc.sc().listenerBus()
        self._before = {each.executionId() for each in self._all()}

    def executed(self) -> list[str]:
        """Each plan's text, but for those by which Delta reads its own log."""
        executed = [each for each in self._all() if each.executionId() not in self._before]
        plans = [str(each.physicalPlanDescription()) for each in executed]
        return [plan for plan in plans if "_delta_log" not in plan and "[txn#" not in plan]

    def _all(self) -> list[Any]:
        self._bus.waitUntilEmpty()
        found = self._store.executionsList()
        return [found.apply(number) for number in range(found.size())]
