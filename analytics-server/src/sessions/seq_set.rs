//! A set of sequence numbers, small when they come without gaps.

use std::fmt;

/// More ranges are not kept: the lowest gap is then forgotten, as if its beacons had come.
const MAX_RANGES: usize = 256;

/// Which beacons of a view have been seen: sorted, disjoint, inclusive ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SeqSet(Vec<(u32, u32)>);

impl SeqSet {
    /// Adds a number; answers whether it is new.
    pub(crate) fn insert(&mut self, seq: u32) -> bool {
        let at = self.0.partition_point(|&(_, last)| last < seq);
        if self.0.get(at).is_some_and(|&(first, _)| first <= seq) {
            return false;
        }
        let extends = at > 0 && self.0[at - 1].1.checked_add(1) == Some(seq);
        let precedes = self
            .0
            .get(at)
            .is_some_and(|&(first, _)| seq.checked_add(1) == Some(first));
        match (extends, precedes) {
            (true, true) => {
                self.0[at - 1].1 = self.0[at].1;
                self.0.remove(at);
            }
            (true, false) => self.0[at - 1].1 = seq,
            (false, true) => self.0[at].0 = seq,
            (false, false) => self.0.insert(at, (seq, seq)),
        }
        if self.0.len() > MAX_RANGES {
            self.0[1].0 = self.0[0].0;
            self.0.remove(0);
        }
        true
    }

    /// Reads what [`Display`](fmt::Display) wrote; what is not of that form is left out.
    pub(crate) fn parse(text: &str) -> Self {
        let range = |part: &str| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            Some((first.parse().ok()?, last.parse().ok()?))
        };
        Self(text.split(',').filter_map(range).collect())
    }
}

impl fmt::Display for SeqSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (first, last)) in self.0.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            if first == last {
                write!(f, "{comma}{first}")?;
            } else {
                write!(f, "{comma}{first}-{last}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn gaps_close() {
        let mut set = SeqSet::default();
        for seq in [0, 1, 5, 3, 4, 2, u32::MAX] {
            assert!(set.insert(seq));
        }
        assert!(!set.insert(3));
        assert_eq!(set.to_string(), "0-5,4294967295");
    }

    #[test]
    fn it_does_not_grow_without_bound() {
        let mut set = SeqSet::default();
        for seq in 0..10_000 {
            assert!(set.insert(seq * 2));
        }
        assert_eq!(set.0.len(), MAX_RANGES);
        assert!(!set.insert(19_998));
    }

    proptest! {
        #[test]
        fn it_is_a_set(seqs in proptest::collection::vec(0_u32..300, 0..400)) {
            let mut set = SeqSet::default();
            let mut model = BTreeSet::new();
            for seq in seqs {
                prop_assert_eq!(set.insert(seq), model.insert(seq));
                prop_assert_eq!(&SeqSet::parse(&set.to_string()), &set);
            }
        }
    }
}
