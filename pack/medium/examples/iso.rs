//! Scratch.
#![allow(missing_docs, clippy::unwrap_used, reason = "scratch")]
use medium::iso9660::*;
use std::fs::File;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    match a[1].as_str() {
        "make" => {
            let (out, dir, id, list) =
                (&a[2], &a[3], &a[4], std::fs::read_to_string(&a[5]).unwrap());
            let files: Vec<(String, u32)> = list
                .lines()
                .map(|l| {
                    let (m, p) = l.split_once(' ').unwrap();
                    (p.to_string(), u32::from_str_radix(m, 8).unwrap())
                })
                .collect();
            let tree = Tree::new(files.clone()).unwrap();
            let v = Volume {
                id,
                application: "suppack 11.0.0",
                publisher: "Some Vendor, Inc.",
                modified: UnixSeconds::new(1_700_000_001).unwrap(),
            };
            let mut iso = Writer::new(File::create(out).unwrap(), &v, tree).unwrap();
            for (p, _) in &files {
                iso.write(p, File::open(format!("{dir}/{p}")).unwrap())
                    .unwrap();
            }
            iso.finish().unwrap();
        }
        "list" => {
            let n = match a[3].as_str() {
                "rr" => Naming::RockRidge,
                "j" => Naming::Joliet,
                _ => Naming::Plain,
            };
            let mut i = match Image::open(File::open(&a[2]).unwrap()) {
                Ok(i) => i,
                Err(e) => {
                    println!("{e}");
                    std::process::exit(1)
                }
            };
            println!(
                "{:?} {:?} {:?} rr={} j={}",
                i.volume_id(),
                i.application_id(),
                i.publisher_id(),
                i.has_rock_ridge(),
                i.has_joliet()
            );
            match i.entries(n) {
                Ok(v) => {
                    for e in v {
                        println!(
                            "{:06o} {:10} {:8} {:?} {}",
                            e.mode.unwrap_or(0),
                            e.bytes,
                            e.sector,
                            e.modified.map(UnixSeconds::get),
                            e.path
                        )
                    }
                }
                Err(e) => println!("{e}"),
            }
        }
        "extract" => {
            let mut i = Image::open(File::open(&a[2]).unwrap()).unwrap();
            for e in i.entries(Naming::RockRidge).unwrap() {
                let p = format!("{}/{}", a[3], e.path);
                if e.is_dir() {
                    std::fs::create_dir_all(p).unwrap()
                } else if e.is_file() {
                    std::io::copy(&mut i.read(&e).unwrap(), &mut File::create(p).unwrap()).unwrap();
                }
            }
        }
        _ => panic!(),
    }
}
