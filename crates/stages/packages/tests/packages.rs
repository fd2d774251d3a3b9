//! Looking at a small repository, and at what the real pkg(7) made. For the latter `RELENG_DATA`
//! names a directory with the unpacked sample (`img`, `img.repo`, `img.p5p`, `img.truth`); run with
//! `--ignored`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use std::fs;
use std::path::{Path, PathBuf};

use ips::{Packages, Publication, Repository, publish};
use packages::{ContentsOptions, contents, diff, info, list, manifests, search};

const OLD: &str = "set name=pkg.fmri value=pkg:/system/shell@1.0,5.11-2
set name=pkg.summary value=\"A shell\"
set name=pkg.description value=\"Reads commands\nand runs them\"
set name=info.classification value=org.opensolaris.category.2008:System/Shells
dir path=usr owner=root group=sys mode=0755
dir path=usr/bin owner=root group=bin mode=0755
file sh path=usr/bin/sh owner=root group=bin mode=0555
link path=usr/bin/ksh target=sh
license sh license=MPL
depend fmri=pkg:/system/library@1 type=require
";

const NEW: &str = "set name=pkg.fmri value=pkg:/system/shell@1.1,5.11-2
set name=pkg.summary value=\"A shell\"
dir path=usr owner=root group=sys mode=0755
dir path=usr/bin owner=root group=bin mode=0755
file sh2 path=usr/bin/sh owner=root group=bin mode=0755
link path=usr/bin/bash target=sh
license sh license=MPL
depend fmri=pkg:/system/library@2 type=require
";

const OTHER: &str = "set name=pkg.fmri value=pkg:/other@1
set name=pkg.renamed value=true
depend fmri=pkg:/system/shell type=require
";

/// A repository of these manifests.
fn repository(dir: &Path, name: &str, texts: &[&str]) -> Packages {
    let content = dir.join("content");
    fs::create_dir_all(&content).unwrap();
    fs::write(content.join("sh"), "#!/bin/true\n").unwrap();
    fs::write(content.join("sh2"), "#!/bin/false\n").unwrap();
    let path = dir.join(name);
    let mut repository = Repository::create(&path, "test").unwrap();
    let mut publication = Publication::new("test", "20260102T030405Z".parse().unwrap());
    publication.content = vec![content];
    let mut files = Vec::new();
    for (number, text) in texts.iter().enumerate() {
        let file = dir.join(format!("{name}.{number}.p5m"));
        // A line break in a value is for the reader of the description only.
        fs::write(&file, text.replace("commands\nand", "commands and")).unwrap();
        files.push(file);
    }
    publish(&mut repository, &publication, &files).unwrap();
    Packages::open(&path).unwrap()
}

fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn a_small_repository() {
    let dir = tempfile::tempdir().unwrap();
    let packages = repository(dir.path(), "repo", &[OLD, NEW, OTHER]);

    let listing = list(&packages, &[]).unwrap();
    let shown = listing.table(false, true);
    let stems = format!("{:<45}", "system/shell");
    let expected = [
        format!("PUBLISHER {:<45} O VERSION", "NAME"),
        format!("test      {:<45} r 1:20260102T030405Z", "other"),
        format!("test      {stems}   1.1-2:20260102T030405Z"),
        format!("test      {stems}   1.0-2:20260102T030405Z"),
    ];
    assert_eq!(shown.lines().collect::<Vec<_>>(), expected);
    let json = serde_json::to_value(&listing).unwrap();
    assert_eq!(json[0]["state"], "renamed");
    assert_eq!(json[1]["fmri"], "pkg://test/system/shell@1.1,5.11-2:20260102T030405Z");

    for (pattern, count) in [
        ("shell", 2),
        ("/shell", 0),
        ("system/*", 2),
        ("shell@latest", 1),
        ("shell@1.0", 1),
        ("pkg://test/system/shell@1", 2),
        ("pkg://else/system/shell", 0),
    ] {
        let found = list(&packages, &words(&[pattern])).map_or(0, |l| l.packages.len());
        assert_eq!(found, count, "{pattern}");
    }
    let error = list(&packages, &words(&["nothing"])).unwrap_err().to_string();
    assert!(error.starts_with("package `nothing` matches no package of "), "{error}");

    let described = info(&packages, &words(&["shell@1.0", "other"])).unwrap();
    assert_eq!(described[0].renamed_to, ["pkg:/system/shell"]);
    assert_eq!(
        described[1].to_string(),
        "          Name: system/shell
       Summary: A shell
   Description: Reads commands and runs them
      Category: System/Shells
         State: Not installed
     Publisher: test
       Version: 1.0
        Branch: 2
Packaging Date: January 02, 2026 at 03:04:05 AM
          Size: 12.00 B
      Licenses: MPL
          FMRI: pkg://test/system/shell@1.0-2:20260102T030405Z
"
    );

    let raw = manifests(&packages, &words(&["other"])).unwrap();
    assert!(raw.starts_with("set name=pkg.fmri value=pkg://test/other@1,5.11:"), "{raw}");

    let options = ContentsOptions {
        attributes: words(&["action.name", "path", "target"]),
        matching: vec![("path".to_owned(), "usr/*".to_owned())],
        sort: words(&["path"]),
        ..ContentsOptions::default()
    };
    let shown = contents(&packages, &words(&["shell@latest"]), &options).unwrap();
    assert_eq!(shown.table(false), "dir\tusr/bin\t\nlink\tusr/bin/bash\tsh\nfile\tusr/bin/sh\t\n");
    assert_eq!(shown.table(true).lines().next(), Some("ACTION.NAME PATH         TARGET"));
    let json = serde_json::to_value(&shown).unwrap();
    assert_eq!(
        json[1],
        serde_json::json!({"action.name": "link", "path": "usr/bin/bash", "target": "sh"})
    );
    assert_eq!(json[2].get("target"), None);
    let bad = ContentsOptions { matching: vec![("path".into(), "[".into())], ..options };
    assert!(contents(&packages, &[], &bad).is_err());
}

#[test]
fn searching() {
    let dir = tempfile::tempdir().unwrap();
    let packages = repository(dir.path(), "repo", &[NEW, OTHER]);
    let hits = |pattern: &str| -> Vec<String> {
        let hits = search(&packages, &words(&[pattern])).unwrap();
        hits.iter().map(|hit| format!("{} {} {}", hit.index, hit.action, hit.value)).collect()
    };
    assert_eq!(hits("/usr/bin/sh"), ["path file usr/bin/sh"]);
    assert_eq!(hits("usr/bin/b*"), ["path link usr/bin/bash"]);
    assert_eq!(hits("sh"), ["basename file usr/bin/sh", "target link usr/bin/bash"]);
    assert_eq!(hits("SHELL").len(), 2, "the name and a word of the summary");
    assert_eq!(hits("pkg:/system/shell"), ["require depend pkg:/system/shell"]);
    assert_eq!(hits("mpl"), ["license license MPL"]);
    let sha1 = hits("usr/bin/sh*").len();
    assert_eq!(sha1, 1);
    assert!(hits("nothing").is_empty());
}

#[test]
fn differences_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let old = repository(dir.path(), "old", &[OLD, OTHER]);
    let new = repository(dir.path(), "new", &[NEW]);
    let found = diff(&old, &new, &[]).unwrap();
    assert_eq!(
        found.to_string(),
        "- pkg://test/other@1:20260102T030405Z
~ system/shell 1.0-2:20260102T030405Z became 1.1-2:20260102T030405Z
    - set info.classification
    - set pkg.description
    ~ depend require system/library: fmri pkg:/system/library@1 became pkg:/system/library@2
    ~ file usr/bin/sh: content changed (12 to 13 bytes); mode 0555 became 0755
    + link usr/bin/bash
    - link usr/bin/ksh
"
    );
    assert!(diff(&old, &old, &[]).unwrap().is_empty());
    assert_eq!(diff(&old, &new, &words(&["other"])).unwrap().removed.len(), 1);
    assert!(diff(&old, &new, &words(&["nothing"])).is_err());
}

#[test]
fn what_cannot_be_opened() {
    let dir = tempfile::tempdir().unwrap();
    let refusal = |path: &Path| Packages::open(path).err().unwrap().to_string();
    assert!(refusal(dir.path()).contains("neither an image"), "{}", refusal(dir.path()));
    let file = dir.path().join("x.p5p");
    fs::write(&file, "x").unwrap();
    assert!(refusal(&file).contains("neither a repository"), "{}", refusal(&file));
    let pkg = dir.path().join("var/pkg");
    fs::create_dir_all(&pkg).unwrap();
    fs::write(pkg.join("pkg5.image"), "[image]\nversion = 9\n").unwrap();
    assert!(refusal(dir.path()).contains("image format \"9\" is not known"));
}

fn data(name: &str) -> PathBuf {
    PathBuf::from(std::env::var_os("RELENG_DATA").expect("RELENG_DATA is not set")).join(name)
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

/// Without the empty line at its end.
fn truth(name: &str) -> String {
    let text = fs::read_to_string(data("img.truth").join(name)).unwrap();
    text.trim_end_matches('\n').to_owned() + "\n"
}

#[test]
#[ignore = "needs RELENG_DATA"]
fn the_real_images() {
    for (image, of) in [("img", "global"), ("img.zone", "zone")] {
        let packages = Packages::open(data(image)).unwrap();
        let listing = list(&packages, &[]).unwrap();
        assert_eq!(listing.table(false, false), truth(&format!("{of}/list")));
        assert_eq!(listing.table(true, false), truth(&format!("{of}/list-v")));
        let json: serde_json::Value =
            serde_json::from_str(&truth(&format!("{of}/list.json"))).unwrap();
        assert_eq!(serde_json::to_value(&listing).unwrap(), json);
        assert_eq!(manifests(&packages, &[]).unwrap(), truth(&format!("{of}/contents-m.all")));
        let options = ContentsOptions {
            attributes: words(&[
                "action.name",
                "path",
                "owner",
                "group",
                "mode",
                "target",
                "pkg.fmri",
            ]),
            kinds: ["file", "link", "dir", "hardlink"]
                .map(|name| ips::ActionKind::from_name(name).unwrap())
                .into(),
            ..ContentsOptions::default()
        };
        let shown = contents(&packages, &[], &options).unwrap();
        assert_eq!(shown.table(false), truth(&format!("{of}/contents-files")));
        let options = ContentsOptions {
            attributes: words(&["pkg.fmri"]),
            kinds: vec![ips::ActionKind::Set],
            matching: vec![("name".into(), "pkg.fmri".into())],
            ..ContentsOptions::default()
        };
        let shown = contents(&packages, &[], &options).unwrap();
        assert_eq!(shown.table(false), truth(&format!("{of}/contents-pkg.fmri")));
        assert_eq!(info(&packages, &[]).unwrap().len(), listing.packages.len());
    }
}

#[test]
#[ignore = "needs RELENG_DATA"]
fn the_real_repository_and_archive() {
    let (repository, archive) = (data("img.repo"), data("img.p5p"));
    for (path, of) in [(&repository, "repo"), (&archive, "p5p")] {
        let packages = Packages::open(path).unwrap();
        let listing = list(&packages, &[]).unwrap();
        // The order of pkg's publishers follows from nothing.
        let same = |ours: &str, name: &str| assert_eq!(sorted(ours), sorted(&truth(name)));
        same(&listing.table(false, false), &format!("{of}.list"));
        same(&manifests(&packages, &[]).unwrap(), &format!("{of}.contents"));
    }
    let repository = Packages::open(repository).unwrap();
    assert!(diff(&repository, &Packages::open(archive).unwrap(), &[]).unwrap().is_empty());
    // What is installed is what the repository has; obsolete packages are not installed.
    let image = Packages::open(data("img")).unwrap();
    let found = diff(&repository, &image, &[]).unwrap();
    assert!(found.added.is_empty() && found.changed.is_empty(), "{found}");
    assert_eq!(found.removed.len(), 2, "{found}");
}
