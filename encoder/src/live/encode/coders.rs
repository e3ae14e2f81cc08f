//! The threads of the encoders.

use std::thread::{self, Scope, ScopedJoinHandle};

use crate::error::EncodeError;

/// The encoders' threads.
#[derive(Default)]
pub(crate) struct Coders<'scope>(Vec<ScopedJoinHandle<'scope, Result<(), EncodeError>>>);

impl<'scope> Coders<'scope> {
    pub(crate) fn spawn(
        &mut self,
        scope: &'scope Scope<'scope, '_>,
        name: &str,
        run: impl FnOnce() -> Result<(), EncodeError> + Send + 'scope,
    ) -> Result<(), EncodeError> {
        let thread = thread::Builder::new().name(name.to_owned());
        let handle = thread
            .spawn_scoped(scope, run)
            .map_err(|source| EncodeError::NoThread { source })?;
        self.0.push(handle);
        Ok(())
    }

    /// Waits for all; the first that failed by itself says why.
    pub(crate) fn join(self) -> Result<(), EncodeError> {
        let mut result = Ok(());
        for handle in self.0 {
            match join(handle) {
                Ok(()) | Err(EncodeError::Cancelled) => {}
                Err(error) => result = result.and(Err(error)),
            }
        }
        result
    }
}

pub(crate) fn join<T>(handle: ScopedJoinHandle<'_, T>) -> T {
    handle
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
