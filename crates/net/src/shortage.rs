//! Want of file descriptors: a trouble of this process or machine, which passes as others let go.

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::sleep;

const EMFILE: i32 = 24;
const ENFILE: i32 = 23;
/// The pause before a descriptor is asked for again.
pub(crate) const PAUSE: Duration = Duration::from_millis(100);

/// Whether a call failed for want of descriptors.
fn is_shortage(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(EMFILE | ENFILE))
}

/// Whether there is no descriptor to be had at this moment.
pub(crate) async fn is_now() -> bool {
    let bound = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await;
    bound.is_err_and(|error| is_shortage(&error))
}

/// Does something again and again, for as long as only descriptors are wanting. The caller has a
/// deadline.
pub(crate) async fn outlast<T, F>(mut attempt: impl FnMut() -> F) -> io::Result<T>
where
    F: Future<Output = io::Result<T>>,
{
    loop {
        match attempt().await {
            Err(error) if is_shortage(&error) => sleep(PAUSE).await,
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_shortage_is_outlasted_and_nothing_else() {
        let mut codes = vec![2, EMFILE, ENFILE];
        let attempts = outlast(|| {
            let code = codes.pop().unwrap();
            async move { io::Result::<()>::Err(io::Error::from_raw_os_error(code)) }
        });
        let error = attempts.await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(codes.is_empty());
    }
}
