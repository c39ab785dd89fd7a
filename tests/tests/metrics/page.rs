//! A page that is read while it is written is either whole or refused.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use agent::metrics::names::{Series, Unit};
use agent::metrics::page::Page;
use agent::metrics::vm::Shown;
use agent::xapi::VmUuid;
use lab::rrdd::page::{Bad, PageReader};

use crate::lab::read_with;

const READS: usize = 100_000;

fn vm(number: usize) -> VmUuid {
    VmUuid::parse(&format!("00000000-0000-0000-0000-{number:012}")).unwrap()
}

/// A VM with so many data sources, each of which is named for that number.
fn shown(count: usize, value: f64) -> Shown {
    let series = (0..count).map(|number| Series {
        name: format!("container_{count}-{number}_cpu"),
        description: String::new(),
        unit: Unit::Percent,
    });
    Shown { series: series.collect(), values: vec![value; count], forgotten: Vec::new() }
}

#[test]
fn no_torn_page_is_ever_taken_for_whole() {
    let folder = tempfile::tempdir().unwrap();
    let mut page = Page::create(folder.path(), "x", 1.0).unwrap();
    let mut reader = PageReader::open(&folder.path().join("x")).unwrap();
    let ended = AtomicBool::new(false);
    let (mut taken, mut refused) = (0, 0);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut timestamp = 1.0;
            while !ended.load(Ordering::Relaxed) {
                // Some rounds with the same data sources, then others, more or fewer of them.
                for count in [3, 700, 40, 2000] {
                    let layout = shown(count, 0.0);
                    for _ in 0..20 {
                        timestamp += 1.0;
                        let values = vec![timestamp; count];
                        page.write(timestamp, &[(vm(1), Shown { values, ..layout.clone() })]).unwrap();
                    }
                }
            }
        });
        for _ in 0..READS {
            match reader.read() {
                Ok(page) => {
                    taken += 1;
                    let count = page.sources.len();
                    for (number, (source, value)) in page.sources.iter().enumerate() {
                        assert_eq!(*value, page.timestamp, "a value of another page than the time");
                        assert_eq!(source.name, format!("container_{count}-{number}_cpu"), "names of another page");
                    }
                }
                Err(Bad::NoUpdate) => {}
                Err(Bad::InvalidChecksum) => refused += 1,
                Err(other) => panic!("{other:?}"),
            }
        }
        ended.store(true, Ordering::Relaxed);
    });
    assert!(taken > 100, "{taken} pages taken, {refused} refused");
}

#[test]
fn the_document_and_the_source_agree_on_a_page() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    let mut page = Page::create(folder.path(), "x", 1.0).unwrap();
    assert_eq!(read_with("read_rrd_page.py", &path)["sources"], serde_json::json!([]));
    // The same names in two VMs, as there are in every pool.
    page.write(1_700_000_000.25, &[(vm(1), shown(2, 1.5)), (vm(2), shown(2, f64::NAN))]).unwrap();
    let by_document = read_with("read_rrd_page.py", &path);
    let by_source = PageReader::open(&path).unwrap().read().unwrap();
    assert_eq!(by_document["timestamp"], by_source.timestamp);
    let sources = by_document["sources"].as_array().unwrap();
    assert_eq!(sources.len(), by_source.sources.len());
    for (one, (source, value)) in sources.iter().zip(&by_source.sources) {
        assert_eq!((one["name"].as_str(), one["owner"].as_str()), (Some(&*source.name), Some(&*source.owner)));
        assert_eq!(one["value"].as_f64(), Some(*value).filter(|value| !value.is_nan()));
    }
    // One changed bit is seen by both.
    let mut bytes = fs::read(&path).unwrap();
    bytes[40] ^= 1;
    let broken = folder.path().join("broken");
    fs::write(&broken, bytes).unwrap();
    assert_eq!(PageReader::open(&broken).unwrap().read(), Err(Bad::InvalidChecksum));
}
