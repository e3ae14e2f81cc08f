//! What was odd in a segment: each kind of oddity once, with how often it came.

/// Kinds of oddities of a segment. More kinds than this are not kept.
const MAX: usize = 32;

#[derive(Debug, Default)]
pub(crate) struct Warnings {
    list: Vec<(String, u32)>,
}

impl Warnings {
    /// Notes an oddity; a repetition is counted.
    pub(crate) fn add(&mut self, message: &str) {
        if let Some((_, count)) = self.list.iter_mut().find(|(known, _)| known == message) {
            *count = count.saturating_add(1);
        } else if self.list.len() < MAX {
            self.list.push((message.into(), 1));
        }
    }

    /// Moves those of another list here.
    pub(crate) fn take_from(&mut self, other: &mut Self) {
        let room = MAX.saturating_sub(self.list.len());
        self.list.extend(other.list.drain(..).take(room));
    }

    /// As text, in the order in which they first came.
    pub(crate) fn into_text(self) -> Vec<String> {
        let text = |(message, count): (String, u32)| match count {
            1 => message,
            _ => format!("{message} ({count} times)"),
        };
        self.list.into_iter().map(text).collect()
    }
}
