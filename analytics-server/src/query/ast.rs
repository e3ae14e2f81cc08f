//! What can be asked: metrics by dimensions, of views that filters let pass, in a stretch of time. It knows nothing of the
//! store that answers; [`duckdb`](super::duckdb) writes it in that store's language.

use crate::collector::BOT;
use crate::metrics::{METRICS, Metric};
use player_core::telemetry::schema::Dimension as OwnDimension;

use super::invalid::Invalid;
use super::range::Range;

/// Most metrics in a query.
pub(crate) const MAX_METRICS: usize = 40;
/// Most dimensions that a query groups by.
const MAX_BY: usize = 3;
/// Most filters in a query, and most values in one of them.
pub(crate) const MAX_FILTERS: usize = 20;
const MAX_VALUES: usize = 100;
/// Most groups in an answer.
const MAX_LIMIT: usize = 1_000;
const DEFAULT_LIMIT: usize = 100;
/// The same for series of each group.
const MAX_LIMIT_OF_SERIES: usize = 50;
const DEFAULT_LIMIT_OF_SERIES: usize = 10;

const PARAMETERS: &str = "metric, by, filter, site, from, to, bucket, order, limit, bots, format";

/// A question.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Query {
    /// At least one.
    pub(crate) metrics: Vec<&'static Metric>,
    pub(crate) by: Vec<Dimension>,
    pub(crate) filters: Vec<Filter>,
    pub(crate) range: Range,
    /// Length of the buckets of a series.
    pub(crate) bucket_ms: Option<i64>,
    /// The metric that groups are ordered by, as its place in `metrics`.
    pub(crate) order: usize,
    /// The largest first. Groups without a value come last either way.
    pub(crate) descending: bool,
    /// Most groups.
    pub(crate) limit: usize,
    /// Programs are left out; one of the filters says so.
    pub(crate) bots_excluded: bool,
}

/// What tells views apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Dimension {
    /// A field of every view.
    Field(Field),
    /// One of the application's.
    Own(String),
}

/// The dimensions that every view has; empty where they are not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Abr,
    Arm,
    Browser,
    CdnHost,
    Country,
    Device,
    /// The kind of the fatal error.
    Error,
    Experiment,
    /// `true` if there was a fatal error, else `false`.
    Failed,
    Network,
    Os,
    PageHost,
    Player,
    Protocol,
    /// `true` if it rebuffered, else `false`.
    Rebuffered,
    Site,
    StreamType,
    VideoId,
    VideoTitle,
}

/// A condition on one dimension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) dimension: Dimension,
    pub(crate) test: Test,
}

/// What a dimension's value must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Test {
    /// One of these.
    In(Vec<String>),
    /// None of these.
    NotIn(Vec<String>),
    /// Known.
    Exists,
}

impl Query {
    /// Reads a URL's parameters.
    pub(crate) fn parse(now_ms: i64, parameters: &[(String, String)]) -> Result<Self, Invalid> {
        let mut metrics = Vec::new();
        let mut by = Vec::new();
        let mut filters = Vec::new();
        let (mut from, mut to, mut bucket) = (None, None, None);
        let (mut order, mut limit, mut bots) = (None, None, None);
        for (name, value) in parameters {
            let once = |place: &mut Option<String>| once(place, name, value);
            match name.as_str() {
                "metric" => metrics.extend(names(value).map(metric)),
                "by" => by.extend(names(value).map(Dimension::parse)),
                "filter" => filters.push(Filter::parse(value)),
                "site" if value.is_empty() => {}
                "site" => filters.push(Ok(Filter::is(Field::Site, value))),
                "from" => once(&mut from)?,
                "to" => once(&mut to)?,
                "bucket" => once(&mut bucket)?,
                "order" => once(&mut order)?,
                "limit" => once(&mut limit)?,
                "bots" => once(&mut bots)?,
                _ => return Err(Invalid::parameter(name, PARAMETERS)),
            }
        }
        let metrics = collect(metrics, "metrics", MAX_METRICS)?;
        let by = collect(by, "dimensions in `by`", MAX_BY)?;
        let mut filters = collect(filters, "filters", MAX_FILTERS)?;
        let bots_excluded = Filter::exclude_bots(&mut filters, wants_bots(bots)?);
        if metrics.is_empty() {
            return Err(Invalid::NoMetric(known_metrics()));
        }
        check_distinct(&by)?;
        let range = Range::new(now_ms, number("from", from)?, number("to", to)?)?;
        let bucket_ms = bucket.map(|text| range.bucket_ms(&text)).transpose()?;
        let (order, descending) = match order.as_deref() {
            None => (0, true),
            Some(text) => {
                let name = text.strip_prefix('-').unwrap_or(text);
                let place = metrics.iter().position(|metric: &&Metric| metric.name == name);
                (place.ok_or(Invalid::Order)?, name.len() < text.len())
            }
        };
        let (default, max) = match bucket_ms {
            Some(_) => (DEFAULT_LIMIT_OF_SERIES, MAX_LIMIT_OF_SERIES),
            None => (DEFAULT_LIMIT, MAX_LIMIT),
        };
        let limit = match limit {
            None => default,
            Some(text) => self::limit(&text, max)?,
        };
        Ok(Self {
            metrics,
            by,
            filters,
            range,
            bucket_ms,
            order,
            descending,
            limit,
            bots_excluded,
        })
    }

    /// What is asked for without groups: of people, unless the filters or `bots` say otherwise.
    pub(crate) fn totals(
        metrics: Vec<&'static Metric>,
        mut filters: Vec<Filter>,
        bots: bool,
        range: Range,
        bucket_ms: Option<i64>,
    ) -> Self {
        let bots_excluded = Filter::exclude_bots(&mut filters, bots);
        Self {
            metrics,
            by: Vec::new(),
            filters,
            range,
            bucket_ms,
            order: 0,
            descending: true,
            limit: 1,
            bots_excluded,
        }
    }

    /// Whether rollups tell these views apart as the question does.
    pub(crate) fn is_of_rollups(&self) -> bool {
        let filtered = self.filters.iter().map(|filter| &filter.dimension);
        filtered.chain(&self.by).all(Dimension::is_rolled_up)
    }
}

impl Dimension {
    pub(crate) fn parse(name: &str) -> Result<Self, Invalid> {
        if let Some(own) = name.strip_prefix("dim.").filter(|own| OwnDimension::is_name(own)) {
            return Ok(Self::Own(own.to_owned()));
        }
        let field = Field::ALL.iter().find(|field| field.name() == name);
        field.copied().map(Self::Field).ok_or_else(|| Invalid::Dimension {
            name: short(name),
            known: Field::ALL.map(Field::name).join(", "),
        })
    }

    /// As queries name it.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Field(field) => field.name().to_owned(),
            Self::Own(name) => format!("dim.{name}"),
        }
    }

    pub(crate) fn is_rolled_up(&self) -> bool {
        matches!(
            self,
            Self::Field(Field::Site | Field::StreamType | Field::CdnHost | Field::Country | Field::Device)
        )
    }
}

impl Field {
    pub(crate) const ALL: [Self; 19] = [
        Self::Abr,
        Self::Arm,
        Self::Browser,
        Self::CdnHost,
        Self::Country,
        Self::Device,
        Self::Error,
        Self::Experiment,
        Self::Failed,
        Self::Network,
        Self::Os,
        Self::PageHost,
        Self::Player,
        Self::Protocol,
        Self::Rebuffered,
        Self::Site,
        Self::StreamType,
        Self::VideoId,
        Self::VideoTitle,
    ];

    /// As queries name it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Abr => "abr",
            Self::Arm => "arm",
            Self::Browser => "browser",
            Self::CdnHost => "cdn_host",
            Self::Country => "country",
            Self::Device => "device",
            Self::Error => "error",
            Self::Experiment => "experiment",
            Self::Failed => "failed",
            Self::Network => "network",
            Self::Os => "os",
            Self::PageHost => "page_host",
            Self::Player => "player",
            Self::Protocol => "protocol",
            Self::Rebuffered => "rebuffered",
            Self::Site => "site",
            Self::StreamType => "stream_type",
            Self::VideoId => "video_id",
            Self::VideoTitle => "video_title",
        }
    }
}

impl Filter {
    /// A field has this value.
    pub(crate) fn is(field: Field, value: &str) -> Self {
        Self {
            dimension: Dimension::Field(field),
            test: Test::In(vec![value.to_owned()]),
        }
    }

    /// Leaves programs out, unless they are wanted or a filter is about devices. Answers whether it did.
    pub(crate) fn exclude_bots(filters: &mut Vec<Self>, wanted: bool) -> bool {
        let device = Dimension::Field(Field::Device);
        let excluded = !wanted && filters.iter().all(|filter| filter.dimension != device);
        if excluded {
            filters.push(Self {
                dimension: device,
                test: Test::NotIn(vec![BOT.to_owned()]),
            });
        }
        excluded
    }

    /// Reads `DIMENSION:TEST:VALUE`. The values of `in` and `nin` are separated by commas; a comma in one of them is
    /// written `\,`.
    pub(crate) fn parse(text: &str) -> Result<Self, Invalid> {
        let invalid = || Invalid::Filter(short(text));
        let (name, rest) = text.split_once(':').ok_or_else(invalid)?;
        let dimension = Dimension::parse(name)?;
        let test = match rest.split_once(':') {
            None if rest == "exists" => Test::Exists,
            Some(("eq", value)) => Test::In(vec![value.to_owned()]),
            Some(("ne", value)) => Test::NotIn(vec![value.to_owned()]),
            Some(("in", list)) => Test::In(values(list)?),
            Some(("nin", list)) => Test::NotIn(values(list)?),
            _ => return Err(invalid()),
        };
        Ok(Self { dimension, test })
    }
}

pub(crate) fn names(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|name| !name.is_empty())
}

fn metric(name: &str) -> Result<&'static Metric, Invalid> {
    Metric::named(name).ok_or_else(|| Invalid::Metric {
        name: short(name),
        known: known_metrics(),
    })
}

fn known_metrics() -> String {
    listed(METRICS.iter())
}

/// Names of metrics, for people.
pub(crate) fn listed<'a>(metrics: impl Iterator<Item = &'a Metric>) -> String {
    let names: Vec<_> = metrics.map(|metric| metric.name).collect();
    names.join(", ")
}

/// No dimension is there twice.
pub(crate) fn check_distinct(by: &[Dimension]) -> Result<(), Invalid> {
    match (1..by.len()).find(|at| by[..*at].contains(&by[*at])) {
        Some(twice) => Err(Invalid::Twice(by[twice].name())),
        None => Ok(()),
    }
}

/// How many rows are wanted, at most `max`.
pub(crate) fn limit(text: &str, max: usize) -> Result<usize, Invalid> {
    let limit = text.parse().ok().filter(|limit| (1..=max).contains(limit));
    limit.ok_or(Invalid::Limit(max))
}

fn values(list: &str) -> Result<Vec<String>, Invalid> {
    let mut values = vec![String::new()];
    let mut letters = list.chars();
    while let Some(letter) = letters.next() {
        match (letter, values.last_mut()) {
            (',', _) => values.push(String::new()),
            ('\\', Some(value)) => value.extend(letters.next()),
            (_, Some(value)) => value.push(letter),
            (_, None) => {}
        }
    }
    if values.len() > MAX_VALUES {
        return Err(Invalid::TooMany {
            what: "values in a filter",
            max: MAX_VALUES,
        });
    }
    Ok(values)
}

/// Keeps the value of a parameter that may be there once.
pub(crate) fn once(place: &mut Option<String>, name: &str, value: &str) -> Result<(), Invalid> {
    match place.replace(value.to_owned()) {
        None => Ok(()),
        Some(_) => Err(Invalid::Twice(short(name))),
    }
}

/// Whether programs are to count, too.
pub(crate) fn wants_bots(text: Option<String>) -> Result<bool, Invalid> {
    text.map_or(Ok(false), |text| text.parse().map_err(|_| Invalid::Bots))
}

pub(crate) fn number(name: &'static str, text: Option<String>) -> Result<Option<i64>, Invalid> {
    text.map(|text| text.parse().map_err(|_| Invalid::Number { name }))
        .transpose()
}

pub(crate) fn collect<T>(
    items: Vec<Result<T, Invalid>>,
    what: &'static str,
    max: usize,
) -> Result<Vec<T>, Invalid> {
    if items.len() > max {
        return Err(Invalid::TooMany { what, max });
    }
    items.into_iter().collect()
}

/// What an answer repeats of a question.
pub(crate) fn short(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const NOW_MS: i64 = 1_800_000_000_000;

    fn parse(text: &str) -> Result<Query, Invalid> {
        let parameters: Vec<_> = text
            .split('&')
            .filter_map(|part| part.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Query::parse(NOW_MS, &parameters)
    }

    #[test]
    fn a_question_is_read() {
        let query = parse(
            "metric=rebuffer_ratio,startup_ms_p95&metric=views&by=cdn_host,dim.plan&bucket=1m&order=-views&limit=5\
             &filter=device:in:tv,a\\,b&filter=country:ne:DE&filter=dim.plan:exists&site=shop",
        )
        .unwrap();
        let names: Vec<_> = query.metrics.iter().map(|metric| metric.name).collect();
        assert_eq!(names, ["rebuffer_ratio", "startup_ms_p95", "views"]);
        assert_eq!(query.by[1], Dimension::Own("plan".into()));
        assert_eq!(query.filters[0].test, Test::In(vec!["tv".into(), "a,b".into()]));
        assert_eq!(query.filters[1].test, Test::NotIn(vec!["DE".into()]));
        assert_eq!(query.filters[2].test, Test::Exists);
        assert_eq!(query.filters[3], Filter::is(Field::Site, "shop"));
        assert_eq!((query.order, query.descending, query.limit), (2, true, 5));
        assert_eq!(query.bucket_ms, Some(60_000));
        assert!(!query.is_of_rollups());
        let plain = parse("metric=played_ms&by=country&filter=device:eq:tv&site=").unwrap();
        assert!(plain.is_of_rollups());
        assert_eq!(
            (plain.order, plain.descending, plain.limit),
            (0, true, DEFAULT_LIMIT)
        );
    }

    #[test]
    fn programs_are_left_out_unless_they_are_asked_for() {
        for (text, excluded) in [
            ("", true),
            ("&bots=false", true),
            ("&filter=os:eq:iOS&by=device", true),
            ("&bots=true", false),
            ("&filter=device:exists", false),
            ("&filter=device:nin:tv", false),
        ] {
            let query = parse(&format!("metric=views{text}")).unwrap();
            assert_eq!(query.bots_excluded, excluded, "{text}");
            let no_bots = Filter {
                dimension: Dimension::Field(Field::Device),
                test: Test::NotIn(vec!["bot".into()]),
            };
            assert_eq!(query.filters.contains(&no_bots), excluded, "{text}");
            assert!(query.is_of_rollups() || text.contains("os"), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_asked_is_named() {
        for (text, what) in [
            ("", "`metric` is missing: ask for one or more of views, attempts"),
            ("metric=joy", "no metric `joy`; known are views, attempts"),
            ("metric=views&by=shoe", "no dimension `shoe`; known are abr, arm"),
            ("metric=views&by=dim.a b", "no dimension `dim.a b`"),
            ("metric=views&by=os,os", "`os` is there twice"),
            ("metric=views&by=os,abr,arm,site", "more than 3 dimensions"),
            ("metric=views&filter=os", "`os` is not a filter"),
            ("metric=views&filter=os:like:x", "is not a filter"),
            ("metric=views&filter=shoe:eq:x", "no dimension `shoe`"),
            ("metric=views&from=yesterday", "`from` must be a number"),
            ("metric=views&from=5&from=6", "`from` is there twice"),
            ("metric=views&bucket=7s", "multiple of 10 s"),
            ("metric=views&order=plays", "`order` is one of the metrics"),
            ("metric=views&limit=0", "`limit` is a number from 1 to 1000"),
            ("metric=views&limit=51&bucket=1m", "from 1 to 50"),
            ("metric=views&bots=1", "`bots` is true or false"),
            (
                "metric=views&sql=DROP",
                "no parameter `sql`; known are metric, by",
            ),
        ] {
            let why = parse(text).unwrap_err().to_string();
            assert!(why.contains(what), "{text}: {why}");
        }
        let long = format!("metric={}", "x".repeat(9_999));
        assert!(parse(&long).unwrap_err().to_string().len() < 1_000);
        let many = format!("metric=views&filter=os:in:{}", ",".repeat(200));
        assert!(matches!(parse(&many), Err(Invalid::TooMany { max: 100, .. })));
    }

    #[test]
    fn every_field_is_found_by_its_name() {
        for field in Field::ALL {
            assert_eq!(Dimension::parse(field.name()), Ok(Dimension::Field(field)));
        }
    }
}
