//! Queries: a few connections, each used by one query at a time, outside the async threads, for a limited time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use duckdb::Connection;
use tokio::sync::Semaphore;

use crate::error::StoreError;

/// Why a query has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum QueryError {
    #[error("too many queries are running")]
    Busy,
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("the query took too long and was interrupted")]
    TooSlow,
}

/// A pool of connections for queries.
#[derive(Clone)]
pub(crate) struct StoreReader {
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
    timeout: Duration,
}

impl StoreReader {
    pub(crate) fn new(connections: Vec<Connection>, timeout: Duration) -> Self {
        let permits = Arc::new(Semaphore::new(connections.len()));
        Self {
            idle: Arc::new(Mutex::new(connections)),
            permits,
            timeout,
        }
    }

    /// Runs `query` on a connection of its own. After the timeout it is interrupted.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, QueryError> {
        let acquire = tokio::time::timeout(self.timeout, Arc::clone(&self.permits).acquire_owned());
        let permit = acquire.await.ok().and_then(Result::ok).ok_or(QueryError::Busy)?;
        let connection = self.idle().pop().ok_or(QueryError::Busy)?;
        let interrupt = connection.interrupt_handle();
        let pool = self.clone();
        // The task gives the connection back itself: whoever asked may have gone away.
        let mut task = tokio::task::spawn_blocking(move || {
            let answer = query(&connection);
            pool.give_back(connection);
            drop(permit);
            answer
        });
        match tokio::time::timeout(self.timeout, &mut task).await {
            Ok(Ok(answer)) => Ok(answer?),
            Ok(Err(_)) => Err(QueryError::Busy),
            Err(_) => {
                interrupt.interrupt();
                Err(QueryError::TooSlow)
            }
        }
    }

    /// Closes the connections, those in use when their queries end.
    pub(crate) fn close(&self) {
        self.permits.close();
        self.idle().clear();
    }

    fn give_back(&self, connection: Connection) {
        let mut idle = self.idle();
        if !self.permits.is_closed() {
            idle.push(connection);
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn pool(timeout: Duration) -> StoreReader {
        StoreReader::new(vec![Connection::open_in_memory().unwrap()], timeout)
    }

    fn one(connection: &Connection) -> Result<i64, StoreError> {
        Ok(connection.query_row("SELECT 1", [], |row| row.get(0))?)
    }

    #[tokio::test]
    async fn a_slow_query_is_interrupted_and_the_connection_serves_the_next() {
        let pool = pool(Duration::from_millis(200));
        let slow = pool.run(|connection| {
            let sql =
                "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range * b.range % 7 = 3";
            Ok(connection.query_row(sql, [], |row| row.get::<_, i64>(0))?)
        });
        assert!(matches!(slow.await, Err(QueryError::TooSlow)));
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        loop {
            match pool.run(one).await {
                Ok(answer) => break assert_eq!(answer, 1),
                Err(error) => assert!(std::time::Instant::now() < deadline, "{error}"),
            }
        }
    }
}
