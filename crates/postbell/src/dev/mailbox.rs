//! Mail that the far side took, as files to look at.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use postbell_peers::mx::{Ledger, Moment};
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;
use tracing::warn;

/// Messages that may wait to be written; more are not saved.
const QUEUE: usize = 256;

struct File {
    name: String,
    body: Bytes,
}

/// Saves each message that is taken in `folder`. The writing task ends with the ledger.
pub(super) fn ledger(folder: PathBuf, tasks: &TaskTracker) -> Ledger {
    let (queue, mut files) = mpsc::channel::<File>(QUEUE);
    tasks.spawn(async move {
        while let Some(file) = files.recv().await {
            save(&folder, &file).await;
        }
    });
    let count = AtomicU64::new(0);
    Arc::new(move |received, moment| {
        if moment == Moment::BeforeReply {
            return;
        }
        let number = count.fetch_add(1, Ordering::Relaxed) + 1;
        let to = received.recipients.first().map_or("nobody", String::as_str);
        let file = File {
            name: format!("{number:04}-{}.eml", file_name(to)),
            body: received.body.clone(),
        };
        if queue.try_send(file).is_err() {
            warn!("a message is not saved: the disk is too slow");
        }
    })
}

async fn save(folder: &Path, file: &File) {
    let path = folder.join(&file.name);
    if let Err(error) = tokio::fs::write(&path, &file.body).await {
        warn!("a message can't be saved as {}: {error}", path.display());
    }
}

/// An address without what a file system or a shell could take amiss.
fn file_name(address: &str) -> String {
    let safe = |c: char| {
        if c.is_ascii_alphanumeric() || "@-_.+".contains(c) {
            c
        } else {
            '_'
        }
    };
    address.chars().map(safe).take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_can_not_leave_the_folder() {
        assert_eq!(file_name("ada@example.org"), "ada@example.org");
        assert_eq!(file_name("../../etc/passwd"), ".._.._etc_passwd");
        assert_eq!(file_name("\"a b\"@x\u{fc}"), "_a_b_@x_");
    }
}
