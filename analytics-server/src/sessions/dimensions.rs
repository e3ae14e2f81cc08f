//! The application's dimensions of a view as one text: before each a [`NEXT`], between name and value an [`IS`], at the
//! end a [`NEXT`]. Names and values hold no control characters, so that one dimension is found by its name without
//! reading the others: what follows `NEXT name IS`, up to the next `NEXT`.

use player_core::telemetry::schema::Dimension;

/// U+001F, the separator of units.
pub(crate) const NEXT: char = '\u{1f}';
/// U+001E, the separator of records.
pub(crate) const IS: char = '\u{1e}';

/// As they are stored.
pub(crate) fn write(dimensions: &[Dimension]) -> String {
    let mut text = String::new();
    for Dimension { name, value } in dimensions {
        text.push(NEXT);
        text.push_str(name);
        text.push(IS);
        text.push_str(value);
    }
    if !text.is_empty() {
        text.push(NEXT);
    }
    text
}

/// Names and values.
pub(crate) fn read(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split(NEXT).filter_map(|part| part.split_once(IS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_come_back() {
        let dimensions = [("plan", "gold"), ("shop", ""), ("x", "a=b, \"c\"")];
        let list: Vec<Dimension> = dimensions
            .iter()
            .map(|(name, value)| Dimension {
                name: (*name).into(),
                value: (*value).into(),
            })
            .collect();
        assert_eq!(read(&write(&list)).collect::<Vec<_>>(), dimensions);
        assert_eq!((write(&[]), read("").count()), (String::new(), 0));
    }
}
