//! The templates of this repository.

use image_templates::{Features, Search, Step, check, load};

const NAMES: [&str; 5] =
    ["ramdisk-01-os", "ramdisk-02-trim", "ramdisk-03-recovery-trim", "zfs", "zfs-recovery"];

#[test]
fn they_check_without_findings_whatever_the_features() {
    let base = ["publisher_0_name=p", "publisher_0_url=file:///r"];
    for more in [
        &[][..],
        &["recovery"],
        &["omicron1", "optever=1", "debug_variant", "host_packages+=/x"],
        &["base_packages+=/a", "base_packages+=/b", "extra_packages+=/c", "root_noauth"],
        &["recovery", "nfs", "ntp", "publisher_1_name=q", "publisher_1_url=u"],
    ] {
        let features = Features::from_specs(base.iter().chain(more)).unwrap();
        for name in NAMES {
            assert_eq!(check(&Search::own("sled"), name, &features), [], "{name} {more:?}");
        }
    }
}

#[test]
fn every_file_beside_them_is_used() {
    let features = ["publisher_0_name=p", "publisher_0_url=u", "root_noauth"];
    let features = Features::from_specs(features).unwrap();
    let mut used = std::collections::BTreeSet::new();
    for name in NAMES {
        for planned in load(&Search::own("sled"), name, &features).unwrap().steps {
            if let Step::EnsureFile { source: image_templates::Source::Template(path), .. } =
                planned.step
            {
                used.insert(path.file_name().unwrap().to_owned());
            }
        }
    }
    let files = Search::own("sled").group_directory().join("files");
    for entry in std::fs::read_dir(files).unwrap() {
        let name = entry.unwrap().file_name();
        assert!(used.contains(&name), "{name:?}");
    }
}
