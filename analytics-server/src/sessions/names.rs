//! Texts that many views share are kept once.

use std::collections::HashSet;
use std::sync::Arc;

/// The texts of the views in memory.
#[derive(Debug, Default)]
pub(super) struct Names(HashSet<Arc<str>>);

impl Names {
    /// The shared text that equals this one.
    pub(super) fn share(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.0.get(text) {
            return Arc::clone(known);
        }
        let text: Arc<str> = text.into();
        self.0.insert(Arc::clone(&text));
        text
    }

    /// Makes a text of a view a shared one.
    pub(super) fn replace(&mut self, text: &mut Arc<str>) {
        *text = self.share(text);
    }

    /// Forgets what no view has any more.
    pub(super) fn sweep(&mut self) {
        self.0.retain(|text| Arc::strong_count(text) > 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_are_one_as_long_as_somebody_has_it() {
        let mut names = Names::default();
        let (a, mut b) = (names.share("x"), Arc::<str>::from("x"));
        names.replace(&mut b);
        assert!(Arc::ptr_eq(&a, &b));
        names.sweep();
        assert_eq!(names.0.len(), 1);
        drop((a, b));
        names.sweep();
        assert_eq!(names.0.len(), 0);
    }
}
