//! Digests of streams, and a way to make several at once.

use std::io::{self, Read};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use sha2::{Digest, Sha256};

/// Large enough that a read costs little beside the hashing of what it brought.
const BUFFER: usize = 256 * 1024;

/// Feeds a whole stream to a digest.
///
/// # Errors
/// Those of reading.
pub(crate) fn of<D: Digest>(mut stream: impl Read) -> io::Result<D> {
    let mut digest = D::new();
    let mut buffer = vec![0; BUFFER];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(digest),
            Ok(length) => digest.update(&buffer[..length]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// The SHA-256 of a whole stream, in hexadecimal digits.
///
/// # Errors
/// Those of reading.
pub(crate) fn sha256_hex(stream: impl Read) -> io::Result<String> {
    Ok(hex(&of::<Sha256>(stream)?.finalize()))
}

/// Does every job, as many at once as there are processors; results in the order of the jobs.
pub(crate) fn in_parallel<J: Sync, R: Send>(jobs: &[J], work: impl Fn(&J) -> R + Sync) -> Vec<R> {
    let workers = thread::available_parallelism().map_or(1, usize::from);
    on_threads(workers, jobs, work)
}

/// Does every job, so many at once; results in the order of the jobs. For few long jobs more threads than processors share
/// these more evenly.
pub(crate) fn on_threads<J: Sync, R: Send>(workers: usize, jobs: &[J], work: impl Fn(&J) -> R + Sync) -> Vec<R> {
    let workers = workers.min(jobs.len());
    let next = AtomicUsize::new(0);
    let mut results: Vec<(usize, R)> = thread::scope(|scope| {
        let worker = || {
            let mut done = Vec::new();
            while let Some((index, job)) = take(jobs, &next) {
                done.push((index, work(job)));
            }
            done
        };
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(worker)).collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().expect("a panic in a job is a defect, and ends the program"))
            .collect()
    });
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

fn take<'a, J>(jobs: &'a [J], next: &AtomicUsize) -> Option<(usize, &'a J)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    jobs.get(index).map(|job| (index, job))
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a String cannot fail");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_the_order_of_the_jobs() {
        let jobs: Vec<usize> = (0..100).collect();
        assert_eq!(in_parallel(&jobs, |job| job * 2), (0..100).map(|n| n * 2).collect::<Vec<_>>());
    }

    #[test]
    fn sha256_of_nothing_and_of_abc_are_those_of_fips_180() {
        assert!(sha256_hex(io::empty()).unwrap().starts_with("e3b0c44298fc1c14"));
        assert!(sha256_hex(&b"abc"[..]).unwrap().starts_with("ba7816bf8f01cfea"));
    }
}
