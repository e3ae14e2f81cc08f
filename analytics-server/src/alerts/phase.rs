//! Where an alert is: quiet, pending, firing. Pure: time comes in, changes come out.

use serde::{Deserialize, Serialize};

use super::judge::Verdict;

/// Rules are evaluated this often.
pub(super) const STEP_MS: i64 = 30_000;
/// What happened while nobody looked counts for no more than this.
const MOST_AT_ONCE_MS: i64 = 2 * STEP_MS;
/// A pending alert of which nothing is known any more is dropped after this time,
const PENDING_UNKNOWN_MS: i64 = 15 * 60_000;
/// and one that fires is taken for over.
const FIRING_UNKNOWN_MS: i64 = 6 * 3_600_000;

/// A rule at a site.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub(super) enum Phase {
    #[default]
    Quiet,
    /// Beyond the limit, not yet for long enough.
    Pending {
        since_ms: i64,
        /// How long it has been seen to be beyond it.
        for_ms: i64,
        at_ms: i64,
        known_ms: i64,
    },
    Firing {
        /// How long it has been seen to be clear.
        clear_ms: i64,
        at_ms: i64,
        known_ms: i64,
    },
}

/// What a step changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Nothing,
    /// It is pending now.
    Began,
    /// It was pending, and is over without having fired.
    Dropped,
    /// It fires now.
    Fired,
    /// It fired, and is over.
    Resolved,
}

impl Phase {
    /// Takes a verdict at a time into account. An alert fires when the limit was exceeded for `hold_ms`, and is over when it was
    /// clear for as long.
    pub(super) fn step(&mut self, now_ms: i64, verdict: Verdict, hold_ms: i64) -> Change {
        let passed = |at_ms: i64| (now_ms - at_ms).clamp(0, MOST_AT_ONCE_MS);
        match (&mut *self, verdict) {
            (Self::Quiet, Verdict::Breach) if hold_ms <= 0 => self.fire(now_ms),
            (Self::Quiet, Verdict::Breach) => {
                *self = Self::Pending {
                    since_ms: now_ms,
                    for_ms: 0,
                    at_ms: now_ms,
                    known_ms: now_ms,
                };
                Change::Began
            }
            (Self::Quiet, _) => Change::Nothing,
            (
                Self::Pending {
                    for_ms,
                    at_ms,
                    known_ms,
                    ..
                },
                Verdict::Breach,
            ) => {
                *for_ms += passed(*at_ms);
                (*at_ms, *known_ms) = (now_ms, now_ms);
                match *for_ms >= hold_ms {
                    true => self.fire(now_ms),
                    false => Change::Nothing,
                }
            }
            (Self::Pending { at_ms, known_ms, .. }, Verdict::Unknown)
                if now_ms - *known_ms < PENDING_UNKNOWN_MS =>
            {
                // Nothing is known of this time: it does not count.
                *at_ms = now_ms;
                Change::Nothing
            }
            (Self::Pending { .. }, _) => {
                *self = Self::Quiet;
                Change::Dropped
            }
            (
                Self::Firing {
                    clear_ms,
                    at_ms,
                    known_ms,
                },
                verdict,
            ) => {
                match verdict {
                    // From the first step on which it is clear.
                    Verdict::Clear if *clear_ms < 0 => *clear_ms = 0,
                    Verdict::Clear => *clear_ms += passed(*at_ms),
                    Verdict::Breach | Verdict::Between | Verdict::Unknown => *clear_ms = -1,
                }
                *at_ms = now_ms;
                if verdict != Verdict::Unknown {
                    *known_ms = now_ms;
                }
                let is_over = *clear_ms >= hold_ms || now_ms - *known_ms >= FIRING_UNKNOWN_MS;
                if is_over {
                    *self = Self::Quiet;
                    Change::Resolved
                } else {
                    Change::Nothing
                }
            }
        }
    }

    fn fire(&mut self, now_ms: i64) -> Change {
        *self = Self::Firing {
            clear_ms: -1,
            at_ms: now_ms,
            known_ms: now_ms,
        };
        Change::Fired
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOLD_MS: i64 = 120_000;

    /// One letter a step: `!` breach, `~` between, `.` clear, `?` unknown; and what each step changes: `b`egan, `d`ropped,
    /// `f`ired, `r`esolved.
    fn run(verdicts: &str, hold_ms: i64) -> String {
        let mut phase = Phase::default();
        let steps = verdicts.chars().zip(1..);
        let changes = steps.map(|(letter, step)| {
            let verdict = match letter {
                '!' => Verdict::Breach,
                '~' => Verdict::Between,
                '.' => Verdict::Clear,
                _ => Verdict::Unknown,
            };
            match phase.step(step * STEP_MS, verdict, hold_ms) {
                Change::Nothing => ' ',
                Change::Began => 'b',
                Change::Dropped => 'd',
                Change::Fired => 'f',
                Change::Resolved => 'r',
            }
        });
        changes.collect::<String>().trim_end().to_owned()
    }

    #[test]
    fn alerts_fire_after_a_while_and_are_over_after_a_while() {
        for (verdicts, changes) in [
            ("....", ""),
            ("!!!!!!", "b   f"),
            ("!!!!!!.....", "b   f     r"),
            // Too short, again and again.
            ("!!!!.!!!!~!!!!", "b   db   db"),
            // Hysteresis: between the levels it goes on firing, and the time of being clear begins anew.
            ("!!!!!~~~~....~.....", "b   f             r"),
            ("!!!!!....!.....", "b   f         r"),
            // Nothing is known: neither does the time count, nor is it over.
            ("!!??!!!", "b     f"),
            ("!!!!!?????????????", "b   f"),
            ("!!!!!....?.....", "b   f         r"),
            ("?.?", ""),
        ] {
            assert_eq!(run(verdicts, HOLD_MS), changes, "{verdicts}");
        }
        assert_eq!(run("!.", 0), "fr", "at once, if that is wished");
    }

    #[test]
    fn what_is_unknown_for_long_is_over() {
        let pending = format!("!{}", "?".repeat(40));
        assert_eq!(run(&pending, HOLD_MS).find('d'), Some(30));
        let firing = format!("!!!!!{}", "?".repeat(800));
        assert_eq!(run(&firing, HOLD_MS).find('r'), Some(724));
    }

    #[test]
    fn time_in_which_nobody_looked_does_not_count() {
        let mut phase = Phase::default();
        let hour = 3_600_000;
        assert_eq!(phase.step(0, Verdict::Breach, HOLD_MS), Change::Began);
        assert_eq!(phase.step(hour, Verdict::Breach, HOLD_MS), Change::Nothing);
        assert_eq!(phase.step(2 * hour, Verdict::Breach, HOLD_MS), Change::Fired);
    }

    proptest! {
        /// Every alert that begins is dropped or fires, every one that fires is resolved, in turn; and never two within the time
        /// that a limit must be exceeded.
        #[test]
        fn changes_come_in_order(verdicts in "[!~.?]{0,200}") {
            let changes = run(&verdicts, HOLD_MS);
            let mut before = 'r';
            let mut began = 0;
            for (step, change) in changes.chars().enumerate().filter(|(_, change)| *change != ' ') {
                let follows = match change {
                    'b' => matches!(before, 'd' | 'r'),
                    'd' | 'f' => before == 'b',
                    _ => before == 'f',
                };
                prop_assert!(follows, "{changes}");
                match change {
                    'b' => began = step,
                    'f' => prop_assert!(step - began >= 4, "{changes}"),
                    _ => {}
                }
                before = change;
            }
        }
    }
}
