//! Sorting, once for items of all kinds: a copy of the standard library's for each of them would be a tenth of the readers.

/// Sorts by a key; equals keep their order.
pub(super) fn by_key<T>(items: &mut Vec<T>, key: impl Fn(&T) -> u64) {
    let mut keys: Vec<(u64, usize)> = items.iter().enumerate().map(|(i, item)| (key(item), i)).collect();
    if !sort(&mut keys) {
        return;
    }
    let mut before: Vec<Option<T>> = core::mem::take(items).into_iter().map(Some).collect();
    items.extend(
        keys.iter()
            .filter_map(|(_, i)| before.get_mut(*i).and_then(Option::take)),
    );
}

/// A number in the order of signed ones.
pub(super) const fn signed(number: i64) -> u64 {
    number as u64 ^ 1 << 63
}

/// Heap sort; `false` if they are in order already.
fn sort(keys: &mut [(u64, usize)]) -> bool {
    if keys.is_sorted() {
        return false;
    }
    let mut len = keys.len();
    for root in (0..len / 2).rev() {
        sift(keys, root, len);
    }
    while len > 1 {
        len -= 1;
        keys.swap(0, len);
        sift(keys, 0, len);
    }
    true
}

/// Lets a key sink to its place in the heap of the first `len`.
fn sift(keys: &mut [(u64, usize)], mut root: usize, len: usize) {
    loop {
        let mut child = 2 * root + 1;
        if child >= len {
            return;
        }
        if child + 1 < len && keys.get(child) < keys.get(child + 1) {
            child += 1;
        }
        if keys.get(root) >= keys.get(child) {
            return;
        }
        keys.swap(root, child);
        root = child;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_sorts_as_the_standard_library(items in prop::collection::vec((-5_i64..5, any::<u8>()), 0..80)) {
            let (mut ours, mut theirs) = (items.clone(), items);
            by_key(&mut ours, |item| signed(item.0));
            theirs.sort_by_key(|item| item.0);
            prop_assert_eq!(ours, theirs);
        }
    }

    #[test]
    fn the_farthest_numbers_too() {
        let mut items = vec![i64::MAX, 0, i64::MIN, -1];
        by_key(&mut items, |item| signed(*item));
        assert_eq!(items, [i64::MIN, -1, 0, i64::MAX]);
    }
}
