//! The templates of the field, where somebody has them: `RELENG_FIELD_TEMPLATES=DIR` names a copy
//! of `image/templates` of oxidecomputer/helios, without the scripts; `RELENG_FIELD_REPOSITORY=DIR`
//! a package repository, from which everything but the zone brand is installed.

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

#[test]
fn our_templates_work_with_packages_of_others() {
    let Some(repository) = std::env::var_os("RELENG_FIELD_REPOSITORY") else { return };
    let repository = ips::open_origin(repository).unwrap();
    let mut specs = Vec::new();
    for (number, publisher) in repository
        .packages()
        .iter()
        .filter_map(|f| f.publisher.clone())
        .collect::<BTreeSet<_>>()
        .iter()
        .enumerate()
    {
        specs.push(format!("publisher_{number}_name={publisher}"));
        specs.push(format!("publisher_{number}_url=file:///repository"));
    }
    for fmri in ips::newest(repository.packages()) {
        let text = repository.manifest_text(&fmri).unwrap();
        if !fmri.stem.contains("omicron1") && !text.contains("pkg.obsolete") {
            specs.push(format!("base_packages+=/{}", fmri.stem));
        }
    }
    let directory = tempfile::tempdir().unwrap();
    for image in ["zfs", "zfs-recovery"] {
        let mut features = Features::from_specs(&specs).unwrap();
        let mut phases = vec!["ramdisk-01-os", "ramdisk-02-trim"];
        if image == "zfs-recovery" {
            features.apply("recovery").unwrap();
            phases.push("ramdisk-03-recovery-trim");
        }
        phases.push(image);
        let store = proto::Store::create(directory.path().join("store")).unwrap();
        let mut proto = proto::Proto::new(store);
        for phase in phases {
            let origins = [&*repository];
            let date = ips::Timestamp::from_epoch(1_767_225_600).unwrap();
            let mut packages = image_templates::ImagePackages::new(&origins, date);
            let mut context = image_templates::Context::new(directory.path());
            context.packages = Some(&mut packages);
            let plan = image_templates::load(&Search::own("sled"), phase, &features).unwrap();
            let applied = image_templates::apply(&plan, &mut proto, &mut context);
            let applied = applied.unwrap_or_else(|error| panic!("{error} {error:?}"));
            assert_eq!(applied.pool.is_some(), phase == image);
        }
        proto.manifest.check().unwrap();
    }
}
