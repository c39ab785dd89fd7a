//! Everything that reads a pack, and what the agent reads of callers, guests and disks, given valid input with random
//! changes: it may refuse it in any way but by panicking or by never answering.
//!
//! Each reader has `LAB_FUZZ_SECONDS` seconds (10). A failure names the seed, which `LAB_FUZZ_SEED` repeats, and saves
//! the input in `target/fuzz`.
#![allow(clippy::unwrap_used, reason = "a test ends at the first thing that is not as it should be")]

mod agents_readers;
mod mutate;
mod readers;
mod verifier;

use std::env;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use fastrand::Rng;

use mutate::{Shape, mutate};

/// How long a reader may be silent before it is taken for hanging. Far above what any input takes on a busy machine.
const HANG_GUARD: Duration = Duration::from_secs(60);

/// Something that reads bytes.
type Read = Box<dyn Fn(&[u8]) + Send>;

/// What became of an input.
enum Event {
    /// It is about to be read.
    Given(Arc<Vec<u8>>),
    Panicked,
}

/// Feeds a reader with changed seeds for the time that is set.
fn fuzz(name: &'static str, shape: Shape, seeds: Vec<Vec<u8>>, read: Read) {
    let number = |variable: &str| env::var(variable).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = number("LAB_FUZZ_SEED").unwrap_or_else(|| fastrand::u64(..));
    let time = Duration::from_secs(number("LAB_FUZZ_SECONDS").unwrap_or(10));
    println!("{name}: LAB_FUZZ_SEED={seed}");
    let (events, happened) = sync_channel(1);
    let reader = std::thread::spawn(move || {
        let mut rng = Rng::with_seed(seed);
        let (begun, mut inputs, mut slowest) = (Instant::now(), 0_u64, Duration::ZERO);
        // The seeds themselves are inputs, too.
        let mut next = seeds.clone().into_iter();
        while begun.elapsed() < time || next.len() > 0 {
            let input = next.next().unwrap_or_else(|| {
                let base = &seeds[rng.usize(..seeds.len())];
                mutate(&mut rng, shape, base, &seeds)
            });
            let given = Instant::now();
            if !give(&read, &events, input) {
                break;
            }
            slowest = slowest.max(given.elapsed());
            inputs += 1;
        }
        (inputs, slowest)
    });
    let mut last = Arc::default();
    loop {
        match happened.recv_timeout(HANG_GUARD) {
            Ok(Event::Given(input)) => last = input,
            Ok(Event::Panicked) => panic!("{name} panics on {}; LAB_FUZZ_SEED={seed}", save(name, &last).display()),
            Err(RecvTimeoutError::Timeout) => {
                panic!("{name} does not answer to {}; LAB_FUZZ_SEED={seed}", save(name, &last).display())
            }
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    let (inputs, slowest) = reader.join().expect("every panic of a reader is caught");
    println!("{name}: {inputs} inputs, the slowest in {slowest:?}");
    assert!(inputs > 0, "{name} was given nothing");
}

/// Has an input read. Whether to go on: not after a panic, nor when nobody listens any more.
fn give(read: &Read, events: &SyncSender<Event>, input: Vec<u8>) -> bool {
    let input = Arc::new(input);
    if events.send(Event::Given(Arc::clone(&input))).is_err() {
        return false;
    }
    let read_it = catch_unwind(AssertUnwindSafe(|| read(&input))).is_ok();
    if !read_it {
        let _ = events.send(Event::Panicked);
    }
    read_it
}

fn save(name: &str, input: &[u8]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("fuzz");
    fs::create_dir_all(&folder).unwrap();
    let file =
        folder.join(format!("{name}-{:08x}", input.iter().fold(7_u32, |sum, b| sum.wrapping_mul(31) ^ u32::from(*b))));
    fs::write(&file, input).unwrap();
    file
}

#[test]
#[should_panic(expected = "panics on")]
fn a_reader_that_panics_is_found() {
    fuzz("self-test", Shape::Binary, vec![vec![b'a'; 64]], Box::new(|bytes| assert!(!bytes.contains(&0xff))));
}

#[test]
fn the_same_seed_makes_the_same_inputs() {
    let text = b"<a b=\"1\">c<d/></a>".to_vec();
    for shape in [Shape::Binary, Shape::Xml] {
        let inputs = || {
            let mut rng = Rng::with_seed(7);
            (0..200).map(|_| mutate(&mut rng, shape, &text, std::slice::from_ref(&text))).collect::<Vec<_>>()
        };
        let made = inputs();
        assert_eq!(made, inputs());
        assert!(made.iter().any(|input| *input != text) && made.iter().any(|input| input.len() > text.len()));
    }
}
