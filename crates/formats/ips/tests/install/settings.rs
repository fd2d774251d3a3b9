//! Settings of an image, and what it keeps in mind of its packages.

use crate::support::*;
use ips::{
    Image, Variants, approve_ca_certificate, change_facets, change_variants, create_image,
    optional_dependencies, purge_history, set_publisher, uninstall,
};
use proto::{Entry, Metadata, Proto};

#[test]
fn facets_and_variants_can_change_later() {
    let mut depot = Depot::new();
    depot.add(
        "p@1",
        "file doc path=doc/text owner=root group=sys mode=0644 facet.doc=true\n\
         file f path=kernel owner=root group=sys mode=0644 variant.debug.illumos=false\n\
         file true path=kernel owner=root group=sys mode=0644 variant.debug.illumos=true\n\
         file g path=gz owner=root group=sys mode=0644 variant.opensolaris.zone=global\n",
    );
    let mut proto = depot.image();
    depot.install(&mut proto, &["p"]).unwrap();
    let full = proto.manifest.clone();
    let facet = |value| [("doc".to_owned(), value)];
    let mut foreseen = proto.clone();
    ips::foresee_facets(&mut foreseen, &facet(Some(false)), &depot.origins(), &options()).unwrap();
    change_facets(&mut proto, &facet(Some(false)), &depot.origins(), &options()).unwrap();
    assert_eq!(listing(&foreseen), listing(&proto));
    assert!(!proto.manifest.contains(&path("doc")), "the implied directory goes too");
    change_facets(&mut proto, &facet(None), &depot.origins(), &options()).unwrap();
    assert_eq!(proto.manifest, full);
    let debug = [("variant.debug.illumos".to_owned(), "true".to_owned())];
    let mut foreseen = proto.clone();
    ips::foresee_variants(&mut foreseen, &debug, &depot.origins(), &options()).unwrap();
    change_variants(&mut proto, &debug, &depot.origins(), &options()).unwrap();
    assert_eq!(listing(&foreseen), listing(&proto));
    let kernel = |proto: &Proto| proto.manifest.get(&path("kernel")).unwrap().content().cloned();
    assert!(kernel(&foreseen).unwrap().digest.is_none(), "no payload was asked for");
    assert_eq!(text(&proto, "kernel"), "true\n");
    let image = Image::read(&proto).unwrap();
    assert_eq!(image.config.variants.get("variant.debug.illumos"), Some("true"));

    let mut zone = depot.image_with(Variants::for_zone("nonglobal"));
    depot.install(&mut zone, &["p"]).unwrap();
    assert!(!zone.manifest.contains(&path("gz")));
}

#[test]
fn settings_of_an_image() {
    let depot = Depot::with_base();
    let mut proto = depot.image();
    assert!(create_image(&mut proto, Variants::for_zone("global"), date()).is_err());
    let publisher = ips::Publisher::new("../x", "file:///");
    assert!(set_publisher(&mut proto, publisher, date()).is_err());
    approve_ca_certificate(&mut proto, "test", b"PEM", date()).unwrap();
    assert!(approve_ca_certificate(&mut proto, "other", b"PEM", date()).is_err());
    let certs = proto.manifest.subtree(&path("var/pkg/publisher/test/certs")).count();
    assert_eq!(certs, 2);
    let entry = Entry::directory(Metadata::root(0o755));
    proto.manifest.replace(path("var/pkg/history/x"), entry);
    purge_history(&mut proto).unwrap();
    assert!(proto.manifest.contains(&path("var/pkg/history")));
    assert!(!proto.manifest.contains(&path("var/pkg/history/x")));
    Image::read(&proto).unwrap();
}

#[test]
fn optional_dependencies_can_be_named() {
    let mut depot = Depot::new();
    depot.add("p@1", "depend fmri=q@1 type=optional\ndepend fmri=r type=optional\n");
    depot.add("q@1", "");
    let mut proto = depot.image();
    depot.install(&mut proto, &["p", "q"]).unwrap();
    assert_eq!(optional_dependencies(&proto, &names(&["p"])).unwrap(), ["/r"]);
}

#[test]
fn what_groups_name_and_is_not_there_is_kept_in_mind() {
    let mut depot = Depot::new();
    let group = |name: &str| format!("depend type=group fmri={name}\n");
    depot.add("all@1", &["a", "b", "nowhere"].map(group).concat());
    depot.add("a@1", "");
    depot.add("b@1", "");
    let mut proto = depot.image();
    let avoided = |proto: &Proto| text(proto, "var/pkg/state/avoid_set");
    assert_eq!(avoided(&proto), "[1,{}]");
    depot.install(&mut proto, &["all"]).unwrap();
    assert_eq!(avoided(&proto), r#"[1,{"nowhere":"implicit-avoid"}]"#);
    assert!(Image::read(&proto).unwrap().avoided.is_empty());
    uninstall(&mut proto, &names(&["a"]), &options()).unwrap();
    assert_eq!(avoided(&proto), r#"[1,{"a":"avoid","nowhere":"implicit-avoid"}]"#);
    assert!(Image::read(&proto).unwrap().avoided.contains("a"));
    // It does not come back by itself.
    depot.install(&mut proto, &["b"]).unwrap();
    assert!(Image::read(&proto).unwrap().package("a").is_none());
    depot.install(&mut proto, &["a"]).unwrap();
    assert_eq!(avoided(&proto), r#"[1,{"nowhere":"implicit-avoid"}]"#);
}

#[test]
fn what_is_frozen_is_marked() {
    let mut depot = Depot::new();
    depot.add("a@1.1", "");
    depot.add("a@2", "");
    depot.add("b@1", "");
    let mut proto = depot.image();
    let frozen = r#"[1,{"a":["a@1",null,1700000000]}]"#;
    put(&mut proto, "var/pkg/state/frozen_dict", frozen);
    depot.install(&mut proto, &["a", "b"]).unwrap();
    let image = Image::read(&proto).unwrap();
    let frozen = |stem: &str| image.package(stem).unwrap().states.contains(&ips::State::Frozen);
    assert!(frozen("a") && !frozen("b"));
    assert_eq!(
        image.package("a").unwrap().fmri.version.as_ref().unwrap().release.to_string(),
        "1.1"
    );
}
