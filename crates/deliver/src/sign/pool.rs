//! The threads that sign.

use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::{io, thread};

use bytes::Bytes;
use postbell_mail::dkim::{SignError, sign};
use postbell_model::Timestamp;
use tokio::sync::{mpsc, oneshot};

use super::ring::Signers;

/// Messages that may wait for each thread; others wait for their turn to wait.
const WAITING: usize = 16;

/// A message to be signed.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) chunks: Vec<Bytes>,
    pub(super) signers: Signers,
    pub(super) at: Timestamp,
}

type Signed = Result<Bytes, SignError>;
type Job = (Work, oneshot::Sender<Signed>);

/// Hands work to the threads, which end with it.
#[derive(Debug)]
pub(super) struct Pool {
    jobs: mpsc::Sender<Job>,
}

impl Pool {
    /// Starts this many threads, or one for each processor.
    pub(super) fn start(threads: Option<usize>) -> io::Result<Self> {
        let processors = || thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let threads = threads.unwrap_or_else(processors).max(1);
        let (jobs, waiting) = mpsc::channel(threads.saturating_mul(WAITING));
        let waiting = Arc::new(Mutex::new(waiting));
        for number in 1..=threads {
            let waiting = Arc::clone(&waiting);
            thread::Builder::new()
                .name(format!("sign-{number}"))
                .spawn(move || work(&waiting))?;
        }
        Ok(Self { jobs })
    }

    /// Signs a message; `None` where a fault of the program kept a thread from it.
    pub(super) async fn sign(&self, work: Work) -> Option<Signed> {
        let (answer, answered) = oneshot::channel();
        self.jobs.send((work, answer)).await.ok()?;
        answered.await.ok()
    }
}

fn work(waiting: &Mutex<mpsc::Receiver<Job>>) {
    loop {
        let next = {
            let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.blocking_recv()
        };
        let Some((work, answer)) = next else { return };
        if answer.is_closed() {
            continue;
        }
        let signers = work.signers.iter().map(AsRef::as_ref);
        let signed = catch_unwind(AssertUnwindSafe(|| sign(&work.chunks, signers, work.at)));
        match signed {
            // Whoever asked may have given up meanwhile.
            Ok(signed) => drop(answer.send(signed)),
            Err(_) => tracing::error!("a fault of the program kept a message from being signed"),
        }
    }
}
