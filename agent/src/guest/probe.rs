//! Which of several addresses answers. Knows TCP; must not know what is said over it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

/// How long one address may take to answer.
pub const PROBE_LIMIT: Duration = Duration::from_secs(2);

/// How much longer than another a better address may take.
pub const HEAD_START: Duration = Duration::from_millis(200);

/// Connects to `port` at all `candidates` at once and takes the first of them, in their order, of those that answered
/// when one has and [`HEAD_START`] has passed.
///
/// # Errors
/// What became of each, if none answered.
pub async fn connect(candidates: &[IpAddr], port: u16) -> Result<(IpAddr, TcpStream), Vec<(IpAddr, io::Error)>> {
    let mut probes = JoinSet::new();
    for (rank, address) in candidates.iter().copied().enumerate() {
        probes.spawn(async move {
            let connecting = timeout(PROBE_LIMIT, TcpStream::connect(SocketAddr::new(address, port)));
            let slow =
                |_| io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {} s", PROBE_LIMIT.as_secs()));
            (rank, connecting.await.map_err(slow).flatten())
        });
    }
    let mut best: Option<(usize, TcpStream)> = None;
    let mut pending: Vec<bool> = vec![true; candidates.len()];
    let mut failed = Vec::new();
    let mut decide_at = Instant::now() + PROBE_LIMIT + HEAD_START;
    loop {
        // Nothing better than what there is can come.
        if let Some((rank, stream)) = best.take_if(|(rank, _)| !pending[..*rank].contains(&true)) {
            return Ok((candidates[rank], stream));
        }
        tokio::select! {
            biased;
            done = probes.join_next() => match done {
                Some(Ok((rank, Ok(stream)))) => {
                    pending[rank] = false;
                    if best.as_ref().is_none_or(|(other, _)| rank < *other) {
                        if best.is_none() {
                            decide_at = Instant::now() + HEAD_START;
                        }
                        best = Some((rank, stream));
                    }
                }
                Some(Ok((rank, Err(error)))) => {
                    pending[rank] = false;
                    failed.push((candidates[rank], error));
                }
                // A probe does not panic, and is not aborted before this ends.
                Some(Err(_)) => {}
                None => return Err(failed),
            },
            () = sleep_until(decide_at), if best.is_some() => pending.fill(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    fn v4(last: u8) -> IpAddr {
        IpAddr::from([127, 0, 0, last])
    }

    async fn listeners(lasts: &[u8]) -> (Vec<TcpListener>, u16) {
        let first = TcpListener::bind((v4(lasts[0]), 0)).await.unwrap();
        let port = first.local_addr().unwrap().port();
        let mut all = vec![first];
        for last in &lasts[1..] {
            all.push(TcpListener::bind((v4(*last), port)).await.unwrap());
        }
        (all, port)
    }

    #[tokio::test]
    async fn of_those_that_answer_the_first_in_order_is_taken() {
        let (_listeners, port) = listeners(&[2, 3]).await;
        let (address, _) = connect(&[v4(1), v4(3), v4(2)], port).await.unwrap();
        assert_eq!(address, v4(3));
    }

    #[tokio::test]
    async fn a_better_address_that_never_answers_is_not_waited_for_long() {
        // TEST-NET-1 (RFC 5737) leads nowhere, if there is a route at all.
        let (_listeners, port) = listeners(&[2]).await;
        let begun = Instant::now();
        let (address, _) = connect(&[IpAddr::from([192, 0, 2, 1]), v4(2)], port).await.unwrap();
        assert_eq!(address, v4(2));
        assert!(begun.elapsed() < PROBE_LIMIT);
    }

    #[tokio::test]
    async fn each_address_that_fails_is_named() {
        let (listeners, port) = listeners(&[2]).await;
        drop(listeners);
        let failed = connect(&[v4(2), v4(3)], port).await.unwrap_err();
        let mut addresses: Vec<IpAddr> = failed.iter().map(|(address, _)| *address).collect();
        addresses.sort();
        assert_eq!(addresses, [v4(2), v4(3)]);
    }

    #[tokio::test]
    async fn without_candidates_nothing_answers() {
        assert!(connect(&[], 22).await.unwrap_err().is_empty());
    }
}
