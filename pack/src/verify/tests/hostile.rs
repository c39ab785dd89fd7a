//! Images that nobody vouches for: verification ends, soon and without a panic.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::plan::*;
use super::*;

/// An image of a plan, verified from a file.
fn verify_bytes(bytes: &[u8]) -> Verification {
    let folder = tempfile::tempdir().unwrap();
    let iso = folder.path().join("pack.iso");
    fs::write(&iso, bytes).unwrap();
    let armored = KEY.certificate().armored();
    let key = GivenKey { file_name: KEY_FILE, armored: armored.as_bytes() };
    verify(&iso, &Policy { xscontainer: true, key: Some(key), now: NOW, ..Policy::default() }, &Unwatched)
}

fn sound() -> &'static [u8] {
    static IMAGE: LazyLock<Vec<u8>> = LazyLock::new(|| Plan::default().image().0);
    &IMAGE
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn flipped_bytes_never_crash_it(flips in prop::collection::vec((0_usize..1 << 20, 1_u8..), 1..6)) {
        let mut image = sound().to_vec();
        for (at, flip) in flips {
            let at = 0x8000 + at % (image.len() - 0x8000);
            image[at] ^= flip;
        }
        let start = Instant::now();
        failures(&verify_bytes(&image));
        prop_assert!(start.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn a_cut_off_image_is_told_as_that(length in 0_usize..1 << 20) {
        let length = length % (sound().len() - 1);
        let ids: Vec<_> = failures(&verify_bytes(&sound()[..length])).into_iter().map(|(id, _)| id).collect();
        prop_assert_eq!(ids, ["xapi-image"]);
    }

    #[test]
    fn damage_within_a_package_is_told_once(at in 0_usize..1 << 20, flip in 1_u8..) {
        static FILES: LazyLock<Files> = LazyLock::new(|| Plan::default().files().0);
        let mut files = FILES.clone();
        let package = files.get_mut(PAYLOAD).unwrap();
        let at = at % package.len();
        package[at] ^= flip;
        prop_assert_eq!(failures(&verify_bytes(&image(&files))).len(), 1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn metadata_that_is_listed_and_signed_may_say_anything(
        at in 0_usize..1 << 16,
        length in 0_usize..8,
        text in "[<>&;\"'/ a-z0-9]{0,6}",
    ) {
        let splice = move |mut whole: String| {
            let at = at % whole.len();
            whole.replace_range(at..(at + length).min(whole.len()), &text);
            whole
        };
        let (primary, comps, repomd) = (splice.clone(), splice.clone(), splice);
        let plans = [
            Plan { primary: Box::new(primary), ..Plan::default() },
            Plan { comps: Box::new(comps), ..Plan::default() },
            Plan { repomd: Box::new(repomd), ..Plan::default() },
        ];
        for plan in plans {
            failures(&plan.verify());
        }
    }
}
