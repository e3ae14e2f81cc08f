//! The results of a run: figures ([`summary`]), for people as text ([`tables`]) and as a page ([`html`]), for scripts as JSON
//! ([`json`]).

pub mod choice;
pub mod html;
pub mod json;
pub mod summary;
pub mod tables;

pub use json::write_json;
pub use summary::Summary;
pub use tables::count;

#[cfg(test)]
pub(crate) mod test {
    use crate::batch::Row;

    pub(crate) fn row(family: &str, trace: &str, algorithm: &str, qoe: f64) -> Row {
        Row {
            family: family.to_owned(),
            trace: trace.to_owned(),
            algorithm: algorithm.to_owned(),
            qoe,
            bitrate_kbps: 1500.4,
            rebuffer_s: 5.97,
            rebuffer_ratio: 0.01,
            startup_s: 0.5,
            stalls: 2,
            switches: 20,
            segments: 200,
            abandoned: 1,
            keys: None,
            decision_us_p50: 1.25,
            decision_us_p99: 9.0,
            decisions_ns: [vec![1250; 90], vec![9000; 10]].concat(),
            virtual_s: 600.0,
            real_s: 0.01,
        }
    }
}
