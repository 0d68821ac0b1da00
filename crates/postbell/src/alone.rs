//! The store for one piece of work of a command, where no server has it.

use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use postbell_model::Clock;
use postbell_store::{OpenError, SqliteOptions, SqliteStore, Store};
use tokio_util::task::TaskTracker;

/// The store of a data folder, which this process has until it [closes](Self::close) it.
#[derive(Debug)]
pub(crate) struct Alone {
    store: SqliteStore,
    tasks: TaskTracker,
}

impl Alone {
    /// Opens it; `None`: a server has it.
    pub(crate) async fn open(
        folder: &Path,
        options: &SqliteOptions,
        clock: &Arc<dyn Clock>,
    ) -> anyhow::Result<Option<Self>> {
        let tasks = TaskTracker::new();
        match SqliteStore::open(folder, options.clone(), Arc::clone(clock), &tasks).await {
            Ok(store) => Ok(Some(Self { store, tasks })),
            Err(OpenError::Locked(_)) => Ok(None),
            Err(error) => Err(error)
                .with_context(|| format!("the store in {} can't be used", folder.display())),
        }
    }

    /// Finishes what was handed in, and gives it back.
    pub(crate) async fn close(self) {
        self.store.close().await;
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Deref for Alone {
    type Target = SqliteStore;

    fn deref(&self) -> &SqliteStore {
        &self.store
    }
}
