//! `GET /v1/cohorts`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::{Cohorts, Question, cohorts, is_comparable};
use crate::metrics::{Better, METRICS, Metric, Unit};
use crate::parameters::Parameters;
use crate::problem::Problem;
use crate::query::Queries;
use crate::query::ast::{self, Dimension, Field, Filter, MAX_FILTERS};
use crate::query::invalid::Invalid;
use crate::query::range::Range;

const PARAMETERS: &str = "metric, by, filter, site, from, to, min_n, limit, bots";
/// Most dimensions: the pairs of six are fifteen.
const MAX_BY: usize = 6;
/// Dimensions that are looked at unless others are named.
const DEFAULT_BY: [Field; MAX_BY] = [
    Field::CdnHost,
    Field::Country,
    Field::Device,
    Field::Network,
    Field::Os,
    Field::Player,
];
/// Fewer views say too little.
const DEFAULT_MIN_N: u32 = 25;
const DEFAULT_LIMIT: usize = 20;
const MAX_LIMIT: usize = 200;
/// What a URL asks for.
struct Asked {
    question: Question,
    limit: usize,
    bots_excluded: bool,
}

impl Asked {
    fn parse(now_ms: i64, parameters: &[(String, String)]) -> Result<Self, Invalid> {
        let mut by = Vec::new();
        let mut filters = Vec::new();
        let (mut metric, mut from, mut to) = (None, None, None);
        let (mut min_n, mut limit, mut bots) = (None, None, None);
        for (name, value) in parameters {
            let once = |place: &mut Option<String>| ast::once(place, name, value);
            match name.as_str() {
                "metric" => once(&mut metric)?,
                "by" => by.extend(ast::names(value).map(Dimension::parse)),
                "filter" => filters.push(Filter::parse(value)),
                "site" if value.is_empty() => {}
                "site" => filters.push(Ok(Filter::is(Field::Site, value))),
                "from" => once(&mut from)?,
                "to" => once(&mut to)?,
                "min_n" => once(&mut min_n)?,
                "limit" => once(&mut limit)?,
                "bots" => once(&mut bots)?,
                _ => return Err(Invalid::parameter(name, PARAMETERS)),
            }
        }
        let name = metric.unwrap_or_default();
        let metric = Metric::named(&name).filter(|metric| is_comparable(metric));
        let metric = metric.ok_or_else(|| Invalid::NotComparable {
            name: ast::short(&name),
            known: ast::listed(METRICS.iter().filter(|metric| is_comparable(metric))),
        })?;
        let mut by = ast::collect(by, "dimensions in `by`", MAX_BY)?;
        ast::check_distinct(&by)?;
        if by.is_empty() {
            by.extend(DEFAULT_BY.map(Dimension::Field));
        }
        let mut filters = ast::collect(filters, "filters", MAX_FILTERS)?;
        let bots_excluded = Filter::exclude_bots(&mut filters, ast::wants_bots(bots)?);
        let limit = match limit {
            None => DEFAULT_LIMIT,
            Some(text) => ast::limit(&text, MAX_LIMIT)?,
        };
        let min_n = match min_n {
            None => DEFAULT_MIN_N,
            Some(text) => text.parse().map_err(|_| Invalid::MinN)?,
        };
        let range = Range::new(now_ms, ast::number("from", from)?, ast::number("to", to)?)?;
        Ok(Self {
            question: Question {
                metric,
                by,
                filters,
                range,
                min_n,
            },
            limit,
            bots_excluded,
        })
    }
}

/// The answer.
#[derive(Serialize)]
pub(in crate::query) struct Answered {
    now_ms: i64,
    from_ms: i64,
    to_ms: i64,
    metric: About,
    min_n: u32,
    bots_excluded: bool,
    #[serde(flatten)]
    cohorts: Cohorts,
    /// There are more cohorts than these.
    more: bool,
}

#[derive(Serialize)]
struct About {
    name: &'static str,
    unit: Unit,
    better: Better,
}

pub(in crate::query) async fn route(
    State(queries): State<Arc<Queries>>,
    Parameters(parameters): Parameters<Vec<(String, String)>>,
) -> Result<Json<Answered>, Problem> {
    let now_ms = queries.clock.now_ms();
    let Asked {
        question,
        limit,
        bots_excluded,
    } = Asked::parse(now_ms, &parameters)?;
    let (Range { from_ms, to_ms }, metric, min_n) = (question.range, question.metric, question.min_n);
    let mut cohorts = queries
        .reader
        .run(move |connection| cohorts(connection, now_ms, &question))
        .await?;
    let more = cohorts.cohorts.len() > limit;
    cohorts.cohorts.truncate(limit);
    Ok(Json(Answered {
        now_ms,
        from_ms,
        to_ms,
        metric: About {
            name: metric.name,
            unit: metric.unit,
            better: metric.better,
        },
        min_n,
        bots_excluded,
        cohorts,
        more,
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_cannot_be_asked_is_named() {
        let parse = |text: &str| {
            let parameters: Vec<_> = text
                .split('&')
                .filter_map(|part| part.split_once('='))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect();
            Asked::parse(1_800_000_000_000, &parameters)
        };
        for (text, what) in [
            ("", "`` cannot be compared; what can is startup_ms,"),
            ("metric=attempts", "`attempts` cannot be compared"),
            ("metric=startup_failures", "cannot be compared"),
            ("metric=ebvs&metric=ebvs", "`metric` is there twice"),
            ("metric=ebvs&by=os,os", "`os` is there twice"),
            (
                "metric=ebvs&by=os,abr,arm,site,device,country,player",
                "more than 6 dimensions",
            ),
            ("metric=ebvs&min_n=-1", "`min_n` is a number of views"),
            ("metric=ebvs&limit=201", "`limit` is a number from 1 to 200"),
            ("metric=ebvs&bucket=1m", "no parameter `bucket`; known are metric"),
        ] {
            let why = parse(text).err().unwrap().to_string();
            assert!(why.contains(what), "{text}: {why}");
        }
        let asked = parse("metric=ebvs&min_n=0&by=device&bots=true").unwrap();
        assert_eq!(
            (asked.question.min_n, asked.bots_excluded, asked.limit),
            (0, false, 20)
        );
        assert_eq!(parse("metric=ebvs").unwrap().question.by.len(), MAX_BY);
    }
}
