//! A depot has what its repository has, and images installed from either are the same.

use crate::support::{self, Site, everything, listing};
use depot::{Depot, Options, Server};
use ips::{
    Error, Fmri, Lock, LockOrigin, LockedPackage, Origin, PackageArchive, Publication, Standing,
    publish,
};
use misbehaving_depot::Fault;
use proto::Digest;
use std::fs;

#[test]
fn a_depot_has_what_its_repository_has() {
    let site = Site::new();
    let archive = site.path("all.p5p");
    let packages = site.repository.packages().to_vec();
    PackageArchive::write(&archive, &site.repository, &packages, site.time()).unwrap();
    let expected = everything(&site.repository);
    for path in [site.path("repo"), archive] {
        let served = support::serve(Server::open(&path).unwrap());
        let depot = site.open(&served.url).unwrap();
        assert_eq!(depot.packages(), packages);
        assert_eq!(depot.publishers().collect::<Vec<_>>(), ["example.com", "extra"]);
        assert_eq!(everything(&depot), expected, "{}", path.display());
        drop((depot, served));
        fs::remove_dir_all(site.path("store")).unwrap();
    }
}

#[test]
fn installing_from_a_depot_makes_the_same_image() {
    let site = Site::new();
    let direct = listing(&site.install(&site.repository).unwrap());
    let server = site.misbehaving();
    let depot = site.open(&server.url()).unwrap();
    assert_eq!(listing(&site.install(&depot).unwrap()), direct);
    assert!(direct.contains("usr/bin/hello") && direct.contains("usr/lib/libc.so.1"), "{direct}");
    let files = server.requests("/example.com/file/");
    assert_eq!(files, site.payloads("example.com").len());

    // Again: only what may have changed is asked for.
    let before = server.served().len();
    let depot = site.open(&server.url()).unwrap();
    assert_eq!(listing(&site.install(&depot).unwrap()), direct);
    let asked: Vec<String> = server.served()[before..].iter().map(|s| s.path.clone()).collect();
    assert_eq!(
        asked,
        [
            "/versions/0",
            "/publisher/1",
            "/example.com/catalog/1/catalog.attrs",
            "/extra/catalog/1/catalog.attrs"
        ]
    );
}

#[test]
fn what_a_package_needs_is_fetched_with_it() {
    let site = Site::new();
    let server = site.misbehaving();
    let depot = site.open(&server.url()).unwrap();
    let hello = depot.packages().iter().find(|fmri| fmri.stem == "app/hello").unwrap();
    depot.manifest_text(hello).unwrap();
    assert_eq!(server.requests("/example.com/manifest/0/lib%2Fc@"), 1);
    assert_eq!(server.requests("/extra/manifest"), 0);
    site.install(&depot).unwrap();
    assert_eq!(server.requests("/example.com/manifest/"), 2);
}

#[test]
fn what_became_of_packages_is_in_the_catalog() {
    let mut site = Site::new();
    let mut publication = Publication::new("extra", site.time());
    publication.content = vec![site.path("files")];
    for (name, text) in [
        (
            "old.p5m",
            "set name=pkg.fmri value=pkg://extra/old@1.0-1\nset name=pkg.obsolete value=true\n",
        ),
        (
            "greeter.p5m",
            "set name=pkg.fmri value=pkg://extra/greeter@1.0-1\nset name=pkg.renamed value=true\n\
             depend fmri=app/hello type=require\n",
        ),
    ] {
        let path = site.path(name);
        fs::write(&path, text).unwrap();
        publish(&mut site.repository, &publication, &[path]).unwrap();
    }
    let server = site.misbehaving();
    let ask = |depot: &Depot| -> Vec<String> {
        let standing = |fmri: &Fmri| {
            let standing = depot.standing(fmri).unwrap();
            assert_eq!(standing, site.repository.standing(fmri).unwrap());
            let Standing { obsolete, renamed, legacy } = standing;
            format!("{} {obsolete} {renamed} {legacy}", fmri.stem)
        };
        depot.packages().iter().map(standing).collect()
    };
    let expected = [
        "app/hello false false false",
        "lib/c false false false",
        "greeter false true false",
        "old false false false",
        "old true false false",
    ];
    assert_eq!(ask(&site.open(&server.url()).unwrap()), expected);
    assert_eq!(server.requests("/example.com/manifest"), 0);
    assert_eq!(server.requests("/extra/manifest"), 0);
    assert_eq!(server.requests("/extra/catalog/1/catalog.dependency.C"), 1);
    // The next one knows it, without asking again and without network.
    assert_eq!(ask(&site.open(&server.url()).unwrap()), expected);
    assert_eq!(server.requests("/extra/catalog/1/catalog.dependency.C"), 1);
    let url = server.url().parse().unwrap();
    assert_eq!(ask(&Depot::open(&url, site.offline(), &Options::default()).unwrap()), expected);
}

#[test]
fn a_lock_needs_no_catalog() {
    let site = Site::new();
    let server = site.misbehaving();
    let publishers = ["example.com".to_owned(), "extra".to_owned()];
    let packages: Vec<LockedPackage> = site
        .repository
        .packages()
        .iter()
        .map(|fmri| LockedPackage {
            fmri: fmri.clone(),
            digest: Digest::of(site.repository.manifest_text(fmri).unwrap().as_bytes()),
            origin: server.url(),
        })
        .collect();
    let origins = vec![LockOrigin { location: server.url(), publishers: publishers.to_vec() }];
    let lock = Lock::new(origins, packages).unwrap();
    let unlisted = |fetcher| {
        let url = server.url().parse().unwrap();
        let depot = Depot::unlisted(&url, fetcher, &publishers, &Options::default()).unwrap();
        lock.view(&server.url(), Box::new(depot))
    };
    let locked = unlisted(site.offline());
    let all: Vec<(&Fmri, Option<&Digest>)> = locked.packages().iter().map(|f| (f, None)).collect();
    let error = locked.prefetch_manifests(&all).unwrap_err();
    assert!(matches!(&error, Error::Missing(missing) if missing.len() == all.len()), "{error}");

    let direct = everything(&site.repository);
    assert_eq!(everything(&unlisted(site.online())), direct);
    assert_eq!(server.requests("/example.com/catalog"), 0);
    assert_eq!(everything(&unlisted(site.offline())), direct);
}

#[test]
fn mirrors_have_payloads_only() {
    let site = Site::new();
    let (server, mirror) = (site.misbehaving(), site.misbehaving());
    mirror.order("/example.com/file/", Fault::Status { status: 404, retry_after: None });
    let options = Options { mirrors: vec![mirror.url().parse().unwrap()] };
    let depot = Depot::open(&server.url().parse().unwrap(), site.online(), &options).unwrap();
    site.install(&depot).unwrap();
    let payloads = site.payloads("example.com").len();
    assert_eq!(mirror.requests("/"), payloads);
    assert_eq!(server.requests("/example.com/file/"), 1);
}
