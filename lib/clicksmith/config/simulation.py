"""The section of the simulated click stream."""

from datetime import date

from pydantic import Field, model_validator

from clicksmith.config.section import Section


class DirtConfig(Section):
    """Shares of events that are spoilt, each in one way only. Bots are users: `SimulationConfig.bots`."""

    exact_duplicate: float = Field(default=0.01, ge=0, le=1, description="sent twice, byte for byte")
    near_duplicate: float = Field(
        default=0.01, ge=0, le=1, description="sent again under another id, half of them up to 50 ms later"
    )
    late: float = Field(default=0.02, ge=0, le=1, description="lands 1 to 72 hours after it happened")
    clock_skew: float = Field(
        default=0.005, ge=0, le=1, description="its time is up to 2 hours off, either way"
    )
    malformed: float = Field(default=0.005, ge=0, le=1, description="breaks the contract")
    unknown_item: float = Field(
        default=0.005, ge=0, le=1, description="of an item that is not in the catalogue; never a search"
    )
    null_field: float = Field(default=0.005, ge=0, le=1, description="lacks user, item, request or price")
    wrong_clock: float = Field(
        default=0.001, ge=0, le=1, description="its time is 10 to 30 years off, either way"
    )

    @model_validator(mode="after")
    def _shares_fit(self) -> "DirtConfig":
        if sum(self.model_dump().values()) > 1:
            raise ValueError("the shares of dirt must not exceed 1 in all: an event is spoilt in one way")
        return self


class SimulationConfig(Section):
    """A click stream with a known truth, see `clicksmith.simulation`."""

    path: str = Field(description="folder to write to: a local path, s3a://, abfss:// or gs://")
    num_events: int = Field(
        default=100_000, ge=1_000, description="about so many: users are added until their mean reaches it"
    )
    events_per_task: int = Field(
        default=1_000_000, ge=1, description="sizes the Spark tasks and files; the events do not depend on it"
    )
    start_date: date = date(2024, 1, 1)
    num_days: int = Field(default=28, ge=1, le=3_650)
    # The catalogue: every Python worker holds it, about 150 bytes an item.
    num_items: int = Field(default=2_000, ge=10)
    num_categories: int = Field(default=20, ge=1, le=1_000)
    num_dimensions: int = Field(default=8, ge=2, le=256, description="of the latent vectors")
    zipf_exponent: float = Field(default=1.0, ge=0, description="exposure of the r-th item goes as r^-this")
    launched_share: float = Field(default=0.1, ge=0, le=1, description="items that are launched meanwhile")
    # Users.
    newcomer_share: float = Field(default=0.5, ge=0, le=1, description="users that arrive meanwhile")
    mean_life_days: float = Field(default=21.0, gt=0, description="from arrival to churn")
    sessions_per_day: float = Field(default=0.3, gt=0, le=20, description="of an average user's life")
    requests_per_session: float = Field(default=3.0, ge=1, le=20)
    search_share: float = Field(default=0.3, ge=0, le=1, description="of requests; the others browse")
    bots: float = Field(
        default=0.01, ge=0, le=1, description="users that are bots: half scrape fast, half act like people"
    )
    # Lists and what is clicked.
    list_length: int = Field(default=10, ge=1, le=64)
    ranking_strength: float = Field(
        default=0.5, ge=0, description="how much popular items are shown first; 0: lists in random order"
    )
    position_exponent: float = Field(
        default=0.7, ge=0, description="position p, from 0, is examined with probability (p+1)^-this"
    )
    click_bias: float = Field(default=-2.5, description="log-odds of a click on an examined, neutral item")
    taste_strength: float = Field(
        default=4.0, ge=0, description="weight of a user's affinity in the log-odds"
    )
    dirt: DirtConfig = DirtConfig()

    @model_validator(mode="after")
    def _every_category_has_items(self) -> "SimulationConfig":
        if self.num_items < self.num_categories:
            raise ValueError("'num_items' must be at least 'num_categories'")
        return self
