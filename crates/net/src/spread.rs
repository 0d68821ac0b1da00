//! Which threads work runs on: one where little goes on at a time, all where much does.
//!
//! A session or a delivery waits for its peer most of the time, and works for microseconds in
//! between. To wake a second thread for that costs more than the work, so what comes one after the
//! other stays on the thread whose loop began it. Where more is under way, it goes to the runtime
//! that has a thread for each processor.

use std::future::Future;
use std::io;

use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

/// How much at a time is little. A client that connects anew for each message has the last
/// connection still closing, and its message on the way out.
const FEW: usize = 3;

/// Where work goes when there is much of it.
#[derive(Debug, Clone, Default)]
pub struct Spread {
    all: Option<Handle>,
}

/// The threads for one piece of work: those of the runtime that it was begun in, or others.
#[derive(Debug)]
pub struct Threads<'s> {
    others: Option<&'s Handle>,
}

impl Spread {
    /// Much work goes to the threads of this runtime. By default it stays where it was begun.
    pub const fn to(all: Handle) -> Self {
        Self { all: Some(all) }
    }

    /// The threads for what comes to so much that is under way.
    pub fn threads(&self, under_way: usize) -> Threads<'_> {
        Threads {
            others: self.all.as_ref().filter(|_| under_way >= FEW),
        }
    }
}

impl Threads<'_> {
    /// The connection, its readiness told to these threads.
    ///
    /// # Errors
    /// The system can't watch it.
    pub fn take(&self, stream: TcpStream) -> io::Result<TcpStream> {
        let Some(others) = self.others else {
            return Ok(stream);
        };
        let stream = stream.into_std()?;
        let _entered = others.enter();
        TcpStream::from_std(stream)
    }

    /// Runs a task there.
    pub fn spawn(&self, tasks: &TaskTracker, task: impl Future<Output = ()> + Send + 'static) {
        match self.others {
            Some(others) => tasks.spawn_on(task, others),
            None => tasks.spawn(task),
        };
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::runtime::{Builder, Runtime};
    use tokio::sync::oneshot;

    use super::*;

    fn all() -> Runtime {
        let mut builder = Builder::new_multi_thread();
        let builder = builder.worker_threads(1).thread_name("all").enable_all();
        builder.build().unwrap()
    }

    /// The thread that answers a client which comes to so much.
    async fn answers(spread: &Spread, under_way: usize) -> Option<String> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let (tasks, (tell, told)) = (TaskTracker::new(), oneshot::channel());
        let threads = spread.threads(under_way);
        let mut stream = threads.take(stream).unwrap();
        let answer = async move {
            let octet = stream.read_u8().await.unwrap();
            stream.write_u8(octet).await.unwrap();
            let name = std::thread::current().name().map(str::to_owned);
            tell.send(name).unwrap();
        };
        threads.spawn(&tasks, answer);
        client.write_u8(7).await.unwrap();
        assert_eq!(client.read_u8().await.unwrap(), 7);
        told.await.unwrap()
    }

    #[tokio::test]
    async fn much_goes_to_the_other_threads_and_little_stays() {
        let here = std::thread::current().name().map(str::to_owned);
        let all = all();
        let spread = Spread::to(all.handle().clone());
        assert_eq!(answers(&spread, 0).await, here);
        assert_eq!(answers(&spread, FEW - 1).await, here);
        assert_eq!(answers(&spread, FEW).await.as_deref(), Some("all"));
        assert_eq!(answers(&Spread::default(), 1_000).await, here);
        all.shutdown_background();
    }
}
