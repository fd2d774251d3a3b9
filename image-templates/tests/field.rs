//! The templates of the field, where somebody has them: `RELENG_FIELD_TEMPLATES=DIR` names a copy
//! of `image/templates` of oxidecomputer/helios, without the scripts.

use std::collections::BTreeSet;

use image_templates::{Features, Search, check};

#[test]
fn only_scripts_and_private_files_are_missing() {
    let Some(root) = std::env::var_os("RELENG_FIELD_TEMPLATES") else { return };
    let search = Search::new(root, "sled");
    let base = ["publisher_0_name=helios-dev", "publisher_0_url=file:///repo", "baud=3000000"];
    let mut missing = BTreeSet::new();
    let mut external = BTreeSet::new();
    for helios in ["heliosv2", "heliosv3"] {
        for more in [
            &[][..],
            &["recovery"],
            &["omicron1", "optever=0.1"],
            &["no-pilot"],
            &["mfg", "stress", "mbist"],
            &["compliance", "nfs", "ntp", "debug_variant"],
        ] {
            let features = Features::from_specs(base.iter().chain([&helios]).chain(more)).unwrap();
            for name in [
                "ramdisk-01-os",
                "ramdisk-02-trim",
                "ramdisk-03-recovery-trim",
                "zfs",
                "zfs-recovery",
            ] {
                for finding in check(&search, name, &features) {
                    let name = |what: &str| {
                        let rest = finding.message.strip_prefix(what)?;
                        rest.split('`').nth(1).map(str::to_owned)
                    };
                    match (name("`src` file "), name("`extsrc` file ")) {
                        (Some(name), _) => missing.insert(name),
                        (_, Some(name)) => external.insert(name),
                        _ => panic!("{finding}"),
                    };
                }
            }
        }
    }
    assert_eq!(missing.len(), 22, "{missing:#?}");
    assert_eq!(external.len(), 5, "{external:#?}");
}
