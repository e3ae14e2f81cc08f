//! How many values a dimension may have: each one costs memory and a line in every table, and a page can send as many as it
//! likes.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, PoisonError};

use player_core::telemetry::schema::ViewInfo;

/// What a value becomes when there are too many.
const OTHER: &str = "other";
const DAY_MS: i64 = 86_400_000;
/// Dimensions of the application that a site may have, a day.
const MAX_NAMES: usize = 50;

/// The values of this day (UTC), since the server started.
pub(super) struct Cardinality {
    max_values: usize,
    hasher: RandomState,
    today: Mutex<Day>,
}

#[derive(Default)]
struct Day {
    number: i64,
    /// Site and dimension → hashes of its values.
    values: HashMap<u64, HashSet<u64>>,
}

impl Cardinality {
    pub(super) fn new(max_values: usize) -> Self {
        Self {
            max_values,
            hasher: RandomState::new(),
            today: Mutex::default(),
        }
    }

    /// Replaces values of which there are too many; answers how many were.
    pub(super) fn limit(&self, site: &str, info: &mut ViewInfo, now_ms: i64) -> u64 {
        let mut today = self.today.lock().unwrap_or_else(PoisonError::into_inner);
        let number = now_ms.div_euclid(DAY_MS);
        if today.number != number {
            *today = Day {
                number,
                values: HashMap::new(),
            };
        }
        let mut limited = 0;
        for (name, value) in [
            ("abr", &mut info.abr),
            ("browser", &mut info.browser),
            ("cdn_host", &mut info.cdn_host),
            ("device", &mut info.device),
            ("network", &mut info.network),
            ("os", &mut info.os),
            ("page_host", &mut info.page_host),
            ("player", &mut info.player),
            ("protocol", &mut info.protocol),
            ("stream_type", &mut info.stream_type),
        ] {
            if !value.is_empty() && !self.admit(&mut today, site, name, value) {
                OTHER.clone_into(value);
                limited += 1;
            }
        }
        if let Some(experiment) = &mut info.experiment {
            let name = ["experiment ", &experiment.name].concat();
            if !self.admit_up_to(&mut today, (site, "experiment"), &experiment.name, MAX_NAMES) {
                info.experiment = None;
                limited += 1;
            } else if !self.admit(&mut today, site, &name, &experiment.arm) {
                OTHER.clone_into(&mut experiment.arm);
                limited += 1;
            }
        }
        let before = info.dimensions.len();
        info.dimensions
            .retain(|dimension| self.admit_up_to(&mut today, (site, "dim"), &dimension.name, MAX_NAMES));
        limited += (before - info.dimensions.len()) as u64;
        for dimension in &mut info.dimensions {
            let name = ["dim.", &dimension.name].concat();
            if !self.admit(&mut today, site, &name, &dimension.value) {
                OTHER.clone_into(&mut dimension.value);
                limited += 1;
            }
        }
        limited
    }

    fn admit(&self, today: &mut Day, site: &str, name: &str, value: &str) -> bool {
        self.admit_up_to(today, (site, name), value, self.max_values)
    }

    fn admit_up_to(&self, today: &mut Day, of: (&str, &str), value: &str, max: usize) -> bool {
        let values = today.values.entry(self.hasher.hash_one(of)).or_default();
        let value = self.hasher.hash_one(value);
        values.contains(&value) || (values.len() < max && values.insert(value))
    }
}

#[cfg(test)]
mod tests {
    use player_core::telemetry::schema::{Dimension, Experiment};

    use super::*;

    fn host_of(cardinality: &Cardinality, site: &str, host: &str, now_ms: i64) -> String {
        let mut info = ViewInfo {
            cdn_host: host.to_owned(),
            ..ViewInfo::default()
        };
        cardinality.limit(site, &mut info, now_ms);
        info.cdn_host
    }

    #[test]
    fn values_beyond_the_limit_become_other_until_tomorrow() {
        let cardinality = Cardinality::new(2);
        for (site, host, now_ms, expected) in [
            ("a", "one", 0, "one"),
            ("a", "two", 1, "two"),
            ("a", "three", 2, "other"),
            ("a", "one", 3, "one"),
            ("b", "three", 4, "three"),
            ("a", "", 5, ""),
            ("a", "three", DAY_MS, "three"),
        ] {
            assert_eq!(
                host_of(&cardinality, site, host, now_ms),
                expected,
                "{site} {host}"
            );
        }
    }

    #[test]
    fn names_of_dimensions_and_experiments_are_values_too() {
        let cardinality = Cardinality::new(1);
        let limited = |name: String, value: &str| {
            let mut info = ViewInfo {
                dimensions: vec![Dimension {
                    name: name.clone(),
                    value: value.to_owned(),
                }],
                experiment: Some(Experiment {
                    name,
                    arm: value.to_owned(),
                    probability: None,
                }),
                ..ViewInfo::default()
            };
            let limited = cardinality.limit("a", &mut info, 0);
            let dimension = info.dimensions.first().map(|dimension| dimension.value.clone());
            (
                limited,
                dimension,
                info.experiment.map(|experiment| experiment.arm),
            )
        };
        let all = |text: &str| (Some(text.to_owned()), Some(text.to_owned()));
        for number in 0..MAX_NAMES {
            let (count, dimension, arm) = limited(number.to_string(), "x");
            assert_eq!((count, (dimension, arm)), (0, all("x")));
        }
        let (count, dimension, arm) = limited("0".to_owned(), "y");
        assert_eq!((count, (dimension, arm)), (2, all(OTHER)));
        assert_eq!(limited("one more".to_owned(), "x"), (2, None, None));
    }

    #[test]
    fn a_million_values_take_bounded_memory() {
        let cardinality = Cardinality::new(100);
        let others = (0..1_000_000)
            .filter(|number| host_of(&cardinality, "a", &number.to_string(), 0) == OTHER)
            .count();
        assert_eq!(others, 1_000_000 - 100);
        assert_eq!(
            cardinality
                .today
                .lock()
                .map(|day| day.values.values().map(HashSet::len).sum::<usize>())
                .ok(),
            Some(100)
        );
    }
}
