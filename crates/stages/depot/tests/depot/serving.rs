//! Our depot, as other programs and many clients see it.

use crate::support::{self, Site, everything, runtime};
use depot::{Depot, Options, Server};
use ips::{Origin, Repository};
use misbehaving_depot::MisbehavingDepot;
use std::fs;

#[test]
fn curl_agrees() {
    let Some(mut curl) = verifiers::require("curl") else { return };
    let program = curl.arg("--version").output().unwrap();
    assert!(program.status.success());
    let site = Site::new();
    let served = support::serve(Server::open(site.path("repo")).unwrap());
    let get = |arguments: &[&str], path: &str| {
        let mut curl = verifiers::require("curl").unwrap();
        let url = format!("{}{path}", served.url);
        let out =
            curl.args(["-sS", "-m", "20", "--noproxy", "*"]).args(arguments).arg(url).output();
        let out = out.unwrap();
        assert!(out.status.success(), "{out:?}");
        out.stdout
    };
    let text = |arguments: &[&str], path: &str| String::from_utf8(get(arguments, path)).unwrap();
    let versions = text(&[], "/versions/0");
    assert!(versions.contains("\ncatalog 1\nfile 0 1\n"), "{versions}");
    for path in ["/publisher/0/", "/publisher/1", "/extra/publisher/0"] {
        let publishers = text(&[], path);
        assert!(publishers.contains("\"name\": \"extra\""), "{publishers}");
        assert_eq!(publishers.contains("example.com"), !path.starts_with("/extra"));
    }
    for (path, both) in [("/status/0", true), ("/extra/status/0/", false)] {
        let status: serde_json::Value = serde_json::from_str(&text(&[], path)).unwrap();
        let publishers = status["repository"]["publishers"].as_object().unwrap();
        assert_eq!(publishers.len(), 1 + usize::from(both));
        assert_eq!(publishers["extra"]["package-count"], 1);
        assert!(!both || publishers["example.com"]["package-version-count"] == 2);
    }
    let catalog = site.path("repo/publisher/example.com/catalog/catalog.base.C");
    for path in ["/catalog/1/catalog.base.C", "/example.com/catalog/1/catalog.base.C"] {
        assert_eq!(get(&[], path), fs::read(&catalog).unwrap());
    }
    let fmri = site.repository.packages().iter().find(|f| f.stem == "app/hello").unwrap();
    let (stem, version) = fmri.quoted().unwrap();
    let manifest = site.repository.manifest_text(fmri).unwrap();
    for path in [
        format!("/manifest/0/{stem}@{version}"),
        format!("/example.com/manifest/0/app/hello@{version}"),
    ] {
        assert_eq!(text(&[], &path), manifest);
    }
    let info = text(&[], &format!("/info/0/{stem}@{version}"));
    assert!(
        info.contains("           Name: app/hello\n") && info.contains("do what you like"),
        "{info}"
    );

    let name = fmri.without_publisher().short();
    let found = |query: &str| {
        let found = text(&[], &format!("/search/1/{query}"));
        let lines = found.strip_prefix("Return from search v1\n").unwrap().to_owned();
        lines.replace(&name, "HELLO").replace(&*site.time().to_string(), "TIME")
    };
    let whole = manifest.lines().find(|line| line.contains("path=usr/bin/hello")).unwrap();
    assert_eq!(
        found("False_2_None_None_HELLO%20AND%20file%3A%3A*"),
        format!("0 2 HELLO hello {whole}\n")
    );
    assert_eq!(
        found("True_2_None_None_%2Fusr%2Fbin%2Fh*"),
        format!("0 2 HELLO /usr/bin/hello {whole}\n")
    );
    let both = "0 1 HELLO\n0 1 pkg:/lib/c@2.0-3.1:TIME\n";
    assert_eq!(found("False_1_None_None_basename%3Alibc.so*%20OR%20license%3A%3Amit"), both);
    assert_eq!(found("False_0_1_1_%3Cdir:path:*%20OR%20file:basename:*%3E"), both[10..]);

    let payload = site.payloads("example.com").pop().unwrap();
    let stored = fs::read(site.payload_path("example.com", &payload)).unwrap();
    for path in [format!("/file/0/{payload}"), format!("/example.com/file/1/{payload}")] {
        assert_eq!(get(&[], &path), stored);
        assert_eq!(get(&["-r", "5-"], &path), stored[5..]);
        assert_eq!(get(&["-r", "5-9"], &path), stored[5..10]);
        assert_eq!(get(&["-r", "-7"], &path), stored[stored.len() - 7..]);
    }
    let head = text(&["-I"], &format!("/file/1/{payload}")).to_lowercase();
    assert!(head.contains(&format!("content-length: {}\r\n", stored.len())), "{head}");
    assert!(head.contains("content-type: application/data\r\n"), "{head}");
    for (arguments, path, status) in [
        (&[][..], "/search/1/x".to_owned(), "400"),
        (&[], "/search/0/x".to_owned(), "404"),
        (&[], "/search/1/False_2_None_None_no%20such%20thing".to_owned(), "204"),
        (&[], "/extra/search/1/False_2_None_None_hello".to_owned(), "204"),
        (&[], "/".to_owned(), "404"),
        (&[], "/catalog".to_owned(), "400"),
        (&[], "/catalog/one/catalog.attrs".to_owned(), "400"),
        (&[], "/catalog/0".to_owned(), "404"),
        (&[], "/catalog/1".to_owned(), "400"),
        (&[], "/file/1/a/b".to_owned(), "400"),
        (&[], "/example.com/manifest/1/x@1".to_owned(), "404"),
        (&["-I"], "/nothing/0".to_owned(), "404"),
        (&[], format!("/file/1/{}", "0".repeat(40)), "404"),
        (&["--path-as-is"], "/file/1/../../../pkg5.repository".to_owned(), "400"),
        (&["--path-as-is"], "/catalog/1/..%2F..%2F..%2Fpkg5.repository".to_owned(), "404"),
        (&[], "/manifest/0/app%2Fhello@9".to_owned(), "404"),
        (&[], "/manifest/0/app%2Fhello".to_owned(), "400"),
        (&[], "/manifest/0/%ff@1".to_owned(), "400"),
        (&[], "/nobody/catalog/1/catalog.attrs".to_owned(), "404"),
        (&["-r", "9999999-"], format!("/file/1/{payload}"), "416"),
        (&["-X", "POST"], "/open/0/x".to_owned(), "405"),
        (&["-X", "DELETE"], "/versions/0".to_owned(), "405"),
    ] {
        let arguments = [arguments, &["-o", "/dev/null", "-w", "%{http_code}"]].concat();
        assert_eq!(text(&arguments, &path), status, "{path}");
    }
}

#[test]
fn many_clients_at_once() {
    let site = Site::new();
    let served = support::serve(Server::open(site.path("repo")).unwrap());
    let expected = everything(&site.repository);
    std::thread::scope(|scope| {
        for number in 0..6 {
            let (served, expected, site) = (&served, &expected, &site);
            scope.spawn(move || {
                let store = site.path(&format!("store-{number}"));
                let depot = Depot::open(
                    &served.url.parse().unwrap(),
                    support::online(&store),
                    &Options::default(),
                );
                assert_eq!(everything(&depot.unwrap()), *expected);
            });
        }
    });
}

#[test]
fn nothing_to_serve() {
    let directory = tempfile::tempdir().unwrap();
    Repository::create(directory.path().join("repo"), "p").unwrap();
    // A repository without packages has still the publisher it is named for.
    let server = Server::open(directory.path().join("repo")).unwrap();
    assert_eq!(server.packages(), 0);
    assert!(Server::open(directory.path().join("none.p5p")).is_err());
    fs::write(directory.path().join("x.p5p"), "no archive").unwrap();
    assert!(Server::open(directory.path().join("x.p5p")).is_err());
    let _ = (runtime(), MisbehavingDepot::start(|_| None).unwrap());
}
