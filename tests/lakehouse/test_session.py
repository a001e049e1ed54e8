"""What every session has, whoever started it."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from pyspark.sql import SparkSession

from clicksmith.config import Config
from clicksmith.lakehouse.session import open_session

pytestmark = pytest.mark.spark


def test_times_are_utc_whatever_zone_is_set(spark: SparkSession, make_config: Callable[..., Config]) -> None:
    session = open_session(make_config("spark.extra={spark.sql.session.timeZone: America/New_York}"))
    table = session.sql("SELECT CAST('2024-01-02 03:04:05' AS TIMESTAMP) AS at").toArrow()
    assert table["at"][0].as_py() == datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
