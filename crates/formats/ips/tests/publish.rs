//! Publishing into a repository, and packing it into an archive.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use ips::{
    Action, Error, Fmri, Mogrify, Origin, PackageArchive, Publication, Repository, Republication,
    Republished, Timestamp, newest, open_origin, publish, republish,
};

const HELLO: &str = "\
    set name=pkg.fmri value=pkg:/app/hello@1.0$(SUFFIX)\n\
    set name=pkg.summary value=\"it's \\\"hello\\\"\"\n\
    <transform file dir -> default owner root>\n\
    <transform file dir -> default group bin>\n\
    <transform dir -> default mode 0755>\n\
    dir path=usr/bin\n\
    file path=usr/bin/hello mode=0555\n\
    file elsewhere/other path=usr/bin/other mode=0555\n\
    file NOHASH path=usr/bin/empty mode=0444\n\
    <include more.inc>\n\
    license files/LICENSE license=MIT\n\
    depend fmri=lib/c type=require\n";

struct Site {
    directory: tempfile::TempDir,
    publication: Publication,
}

impl Site {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        for (path, text) in [
            ("one/usr/bin/hello", "hello\n".repeat(1000).as_str()),
            ("two/usr/bin/hello", "not this one"),
            ("two/usr/bin/empty", ""),
            ("two/elsewhere/other", "other"),
            ("two/files/LICENSE", "do what you like"),
            ("hello.p5m", HELLO),
            ("more.inc", "link path=usr/bin/hi target=hello\n"),
            (
                "old.p5m",
                "set name=pkg.fmri value=pkg://extra/old@0.9-1\nset name=pkg.obsolete value=true\n",
            ),
        ] {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let mut publication = Publication::new("example.com", time("20260102T030405Z"));
        publication.content = vec![root.join("one"), root.join("two")];
        publication.mogrify.macros.insert("SUFFIX".to_owned(), "-$(BRANCH)".to_owned());
        publication.mogrify.macros.insert("BRANCH".to_owned(), "3.1".to_owned());
        Self { directory, publication }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn repository(&self, name: &str) -> Result<Vec<Fmri>, Error> {
        let mut repository = Repository::create(self.path(name), "example.com")?;
        publish(&mut repository, &self.publication, &[self.path("hello.p5m"), self.path("old.p5m")])
    }

    fn refusal(&self, manifest: &str) -> String {
        fs::write(self.path("hello.p5m"), manifest).unwrap();
        let error = self.repository("refused").unwrap_err().to_string();
        let repository = Repository::open(self.path("refused")).unwrap();
        assert!(repository.packages().is_empty(), "{error}");
        error
    }
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn read(origin: &dyn Origin, fmri: &Fmri, action: &Action) -> Vec<u8> {
    let mut bytes = Vec::new();
    let publisher = fmri.publisher.as_deref().unwrap();
    origin.payload(publisher, action).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

/// Every file below a directory with its bytes.
fn tree(root: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    let mut pending = vec![root.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else {
                let bytes = fs::read(&path).unwrap();
                files.push((path.strip_prefix(root).unwrap().to_owned(), bytes));
            }
        }
    }
    files.sort();
    files
}

#[test]
fn published_packages_read_back() {
    let site = Site::new();
    let names = site.repository("repo").unwrap();
    let printed: Vec<_> = names.iter().map(Fmri::to_string).collect();
    assert_eq!(
        printed,
        [
            "pkg://example.com/app/hello@1.0,5.11-3.1:20260102T030405Z",
            "pkg://extra/old@0.9,5.11-1:20260102T030405Z"
        ]
    );
    let repository = Repository::open(site.path("repo")).unwrap();
    assert_eq!(repository.packages(), names);
    assert_eq!(repository.publishers(), ["example.com", "extra"]);
    let hello = repository.manifest(&names[0]).unwrap();
    assert_eq!(hello.fmri().unwrap(), names[0]);
    let text = hello.to_string();
    assert!(text.starts_with("set name=pkg.fmri value=pkg://example.com/app/hello@1.0,5.11-3.1:2"));
    assert!(text.contains("\nlink path=usr/bin/hi target=hello\n"));
    let contents: Vec<_> = hello
        .actions()
        .filter(|action| action.kind.has_payload())
        .map(|action| (action.key().unwrap(), read(&repository, &names[0], action)))
        .collect();
    assert_eq!(
        contents,
        [
            ("usr/bin/hello", "hello\n".repeat(1000).into_bytes()),
            ("usr/bin/other", b"other".to_vec()),
            ("usr/bin/empty", Vec::new()),
            ("MIT", b"do what you like".to_vec()),
        ]
    );
}

#[test]
fn stored_payloads_are_gzip() {
    let site = Site::new();
    site.repository("repo").unwrap();
    let root = site.path("repo/publisher/example.com/file");
    let files = tree(&root);
    assert_eq!(files.len(), 4);
    for (path, bytes) in &files {
        assert_eq!(bytes[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 0xff]);
        let Some(mut gzip) = verifiers::require("gzip") else { return };
        let stored = fs::File::open(root.join(path)).unwrap();
        assert!(gzip.arg("--test").stdin(stored).status().unwrap().success(), "{path:?}");
    }
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let site = Site::new();
    let twin = Site::new();
    site.repository("repo").unwrap();
    let pool = |threads| rayon_pool(threads);
    pool(1).install(|| twin.repository("repo").unwrap());
    assert_eq!(tree(&site.path("repo")), tree(&twin.path("repo")));
    // Once more changes nothing.
    site.repository("repo").unwrap();
    assert_eq!(tree(&site.path("repo")), tree(&twin.path("repo")));
    for site in [&site, &twin] {
        let repository = Repository::open(site.path("repo")).unwrap();
        let when = time("20260102T030405Z");
        PackageArchive::write(site.path("a.p5p"), &repository, repository.packages(), when)
            .unwrap();
    }
    assert!(fs::read(site.path("a.p5p")).unwrap() == fs::read(twin.path("a.p5p")).unwrap());
}

fn rayon_pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
}

#[test]
fn an_archive_is_a_tar_file_and_holds_the_packages() {
    let site = Site::new();
    let names = site.repository("repo").unwrap();
    let repository = Repository::open(site.path("repo")).unwrap();
    let path = site.path("x.p5p");
    PackageArchive::write(&path, &repository, &names, time("20260102T030405Z")).unwrap();
    let archive = open_origin(&path).unwrap();
    assert_eq!(archive.packages(), names);
    for fmri in &names {
        assert_eq!(archive.manifest_text(fmri).unwrap(), repository.manifest_text(fmri).unwrap());
        for action in archive.manifest(fmri).unwrap().actions() {
            if action.kind.has_payload() {
                assert_eq!(read(&*archive, fmri, action), read(&repository, fmri, action));
            }
        }
    }
    let Some(mut tar) = verifiers::require("tar") else { return };
    let listing = tar.env("TZ", "UTC").arg("-tvf").arg(&path).output().unwrap();
    assert!(listing.status.success() && listing.stderr.is_empty(), "{listing:?}");
    let listing = String::from_utf8(listing.stdout).unwrap();
    let lines: Vec<_> = listing.lines().collect();
    assert!(lines[0].ends_with("2026-01-02 03:04 pkg5.index.0.gz"), "{listing}");
    assert!(lines[1].starts_with("drwxr-xr-x root/root") && lines[1].ends_with("publisher/"));
    assert!(lines.last().unwrap().ends_with("pkg5.repository"));
}

#[test]
fn names_too_long_for_ustar_are_kept() {
    let site = Site::new();
    let stem = ["a".repeat(90), "b".repeat(90), "c".repeat(90)].join("/");
    let text = format!("set name=pkg.fmri value=pkg:/{stem}@1\n");
    fs::write(site.path("hello.p5m"), text).unwrap();
    // The quoted name is one component of more than 255 bytes, which no file system has.
    assert!(site.repository("repo").is_err());
    let stem = ["a".repeat(70), "b".repeat(70)].join("/");
    fs::write(site.path("hello.p5m"), format!("set name=pkg.fmri value=pkg:/{stem}@1\n")).unwrap();
    let names = site.repository("repo2").unwrap();
    let repository = Repository::open(site.path("repo2")).unwrap();
    let path = site.path("x.p5p");
    PackageArchive::write(&path, &repository, &names, time("20260102T030405Z")).unwrap();
    assert_eq!(PackageArchive::open(&path).unwrap().packages(), names);
}

#[test]
fn the_newest_of_several_versions() {
    let fmris: Vec<Fmri> = ["pkg://a/x@1", "pkg://a/x@2", "pkg://a/y@1", "pkg://b/x@1"]
        .map(|f| f.parse().unwrap())
        .into();
    let names: Vec<_> = newest(&fmris).iter().map(Fmri::to_string).collect();
    assert_eq!(names, ["pkg://a/x@2", "pkg://a/y@1", "pkg://b/x@1"]);
}

#[test]
fn republishing_other_contents_under_the_same_name_is_refused() {
    let site = Site::new();
    site.repository("repo").unwrap();
    fs::write(site.path("one/usr/bin/hello"), "changed").unwrap();
    let error = site.repository("repo").unwrap_err().to_string();
    assert!(error.contains("already published with other contents"), "{error}");
}

#[test]
fn refusals_name_file_and_line() {
    let site = Site::new();
    let name = "set name=pkg.fmri value=pkg:/a@1\n";
    for (text, place, problem) in [
        ("dir path=a\n".to_owned(), "hello.p5m:1:", "lacks owner="),
        ("dir owner=root group=sys mode=0755 path=a\n".to_owned(), "hello.p5m:1:", "pkg.fmri"),
        (format!("{name}fiel path=a\n"), "hello.p5m:2:1:", "no action"),
        (format!("{name}\ndir path=$(NAME) x=y\n"), "hello.p5m:3:10:", "$(NAME)"),
        (format!("{name}<include nowhere.inc>\n"), "hello.p5m:2:", "nowhere.inc"),
        (format!("{name}<include hello.p5m>\n"), "hello.p5m:2:", "cycle"),
        (format!("{name}<transform dri -> drop>\n"), "hello.p5m:2:", "no kind"),
        (format!("{name}<includ x>\n"), "hello.p5m:2:", "<includ"),
        (
            format!("{name}file path=usr/bin/none owner=a group=b mode=0444\n"),
            "hello.p5m:2:",
            "in no content",
        ),
        (
            format!("{name}file ../../etc/passwd path=x owner=a group=b mode=0444\n"),
            "hello.p5m:2:",
            "`..`",
        ),
        (format!("{name}file path=../x owner=a group=b mode=0444\n"), "hello.p5m:2:", "`..`"),
        (format!("{name}dir path=x owner=a group=b mode=0999\n"), "hello.p5m:2:", "octal"),
        (format!("{name}{name}"), "hello.p5m:2:", "already set"),
        ("set name=pkg.fmri value=pkg:/a\n".to_owned(), "hello.p5m:1:", "no version"),
        ("set name=pkg.fmri value=pkg:/../a@1\n".to_owned(), "hello.p5m:1:", "component"),
        ("set name=pkg.fmri value=pkg://extra/old@0.9-1\n".to_owned(), "old.p5m", "also what"),
        ("set name=a value=$(SUFFIX\n".to_owned(), "hello.p5m:1:18:", "without )"),
        ("set name=a value=\"b\0\"\n".to_owned(), "hello.p5m:1:20:", "cannot be part"),
    ] {
        let error = site.refusal(&text);
        assert!(error.contains(place) && error.contains(problem), "{text}: {error}");
    }
}

#[test]
fn a_package_that_is_not_wanted_is_left_out() {
    let site = Site::new();
    let text = "set name=pkg.fmri value=pkg:/a@1\nset name=variant.arch value=sparc\n\
        <transform set name=variant.arch value=^(?!i386).+$ -> abort>\n";
    fs::write(site.path("hello.p5m"), text).unwrap();
    assert_eq!(site.repository("repo").unwrap().len(), 1);
}

/// Republishes the repository `from` into `to` with a text of transforms.
fn republished(site: &Site, to: &str, transforms: &str) -> Result<Republished, Error> {
    fs::write(site.path("transforms"), transforms).unwrap();
    let from = Repository::open(site.path("from"))?;
    let options = Republication {
        transforms: vec![site.path("transforms")],
        mogrify: Mogrify::default(),
        publisher: None,
        timestamp: None,
        date: time("20260304T050607Z"),
    };
    let mut to = Repository::create(site.path(to), "example.com")?;
    republish(&mut to, &from, from.packages(), &options)
}

#[test]
fn republished_packages_are_transformed_and_their_payloads_are_not() {
    let site = Site::new();
    site.repository("from").unwrap();
    let done = republished(
        &site,
        "to",
        "<transform set name=pkg.fmri -> edit value example.com/ other.example.com/>\n\
         <transform file path=usr/bin/hello -> set mode 0755>\n\
         <transform file path=usr/bin/other -> drop>\n\
         <transform set name=pkg.obsolete -> abort>\n\
         <transform license -> print %(license)>\n",
    )
    .unwrap();
    let names: Vec<String> = done
        .packages
        .iter()
        .map(|(old, new)| format!("{old} {}", new.as_ref().map_or("none".into(), Fmri::to_string)))
        .collect();
    assert_eq!(
        names,
        [
            "pkg://example.com/app/hello@1.0,5.11-3.1:20260102T030405Z \
             pkg://other.example.com/app/hello@1.0,5.11-3.1:20260102T030405Z",
            "pkg://extra/old@0.9,5.11-1:20260102T030405Z none",
        ]
    );
    assert_eq!(done.printed, ["MIT"]);

    let (from, to) =
        (open_origin(site.path("from")).unwrap(), open_origin(site.path("to")).unwrap());
    assert_eq!(to.packages().len(), 1);
    let fmri = &to.packages()[0];
    let (old, new) =
        (from.manifest_text(&from.packages()[0]).unwrap(), to.manifest_text(fmri).unwrap());
    assert!(new.starts_with(&format!("set name=pkg.fmri value={}\n", fmri.long())));
    let expected: String = old
        .lines()
        .skip(1)
        .filter(|line| !line.contains("path=usr/bin/other"))
        .map(|line| {
            let hello = line.contains("path=usr/bin/hello");
            if hello { line.replace("mode=0555", "mode=0755") } else { line.to_owned() }
        })
        .map(|line| line + "\n")
        .collect();
    assert_eq!(new.split_once('\n').unwrap().1, expected, "all else stays, byte for byte");
    for action in to.manifest(fmri).unwrap().actions().filter(|action| action.kind.has_payload()) {
        let sha1 = action.payload.as_deref().unwrap();
        let stored = |origin: &dyn Origin, publisher: &str| {
            let mut bytes = Vec::new();
            origin.stored_payload(publisher, sha1).unwrap().reader.read_to_end(&mut bytes).unwrap();
            bytes
        };
        assert_eq!(stored(&*to, "other.example.com"), stored(&*from, "example.com"));
        read(&*to, fmri, action);
    }
    // The same once more changes nothing; the same into another place is the same.
    let before = tree(&site.path("to"));
    let transforms = fs::read_to_string(site.path("transforms")).unwrap();
    republished(&site, "to", &transforms).unwrap();
    assert_eq!(tree(&site.path("to")), before);
    republished(&site, "again", &transforms).unwrap();
    assert_eq!(tree(&site.path("again")), before);
}

#[test]
fn what_cannot_be_republished() {
    let site = Site::new();
    site.repository("from").unwrap();
    for (transforms, problem) in [
        ("<transform set name=pkg.fmri -> drop>", "may take away its pkg.fmri"),
        ("<transform set name=pkg.fmri -> set value pkg:/a>", "the package has no version"),
        ("<transform set name=pkg.fmri -> set value pkg://p/a@1>", "would both become"),
        ("<transform file -> delete mode .>", "lacks mode="),
        (
            "<transform license -> set action.hash 0000000000000000000000000000000000000000>",
            "is missing",
        ),
        ("<transform license -> delete action.hash .>", "names its payload by hash"),
        ("<transform set -> exit 3 no>", "ends with 3"),
    ] {
        let error = republished(&site, "to", transforms).unwrap_err().to_string();
        assert!(error.contains(problem), "{transforms}: {error}");
        let packages = Repository::open(site.path("to")).unwrap().packages().len();
        assert_eq!(packages, 0, "{transforms}: nothing is published");
    }
}

#[test]
fn signatures_stay_with_what_did_not_change() {
    let site = Site::new();
    let path = |name: &str| site.directory.path().join(name);
    let from = Repository::create(path("signed"), "example.com").unwrap();
    let certificates = ["the signer", "the authority"].map(|text| {
        fs::write(path("certificate"), text).unwrap();
        from.add_payload("example.com", &path("certificate")).unwrap().sha1
    });
    let time = time("20260102T030405Z");
    let fmri: Fmri = "pkg://example.com/a@1.0,5.11-1:20260102T030405Z".parse().unwrap();
    let text = format!(
        "set name=pkg.fmri value={fmri}\nset name=pkg.summary value=a\nsignature {} \
         algorithm=rsa-sha256 chain={} value=00 version=0\n",
        certificates[0], certificates[1]
    );
    let (stem, version) = fmri.quoted().unwrap();
    let directory = path("signed/publisher/example.com/pkg").join(stem);
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join(version), &text).unwrap();
    Repository::open(path("signed")).unwrap().write_catalogs(time).unwrap();
    let from = Repository::open(path("signed")).unwrap();

    let archive = path("signed.p5p");
    PackageArchive::write(&archive, &from, from.packages(), time).unwrap();
    let copy = PackageArchive::open(&archive).unwrap();
    for sha1 in &certificates {
        assert!(copy.stored_payload("example.com", sha1).is_ok(), "the chain goes along");
    }
    let again = |to: &str, transform: &str, publisher: Option<&str>| {
        fs::write(path("change.mog"), transform).unwrap();
        let options = Republication {
            transforms: vec![path("change.mog")],
            mogrify: Mogrify::default(),
            publisher: publisher.map(str::to_owned),
            timestamp: None,
            date: time,
        };
        let mut to = Repository::create(path(to), "example.com").unwrap();
        let done = republish(&mut to, &copy, copy.packages(), &options).unwrap();
        let new = done.packages[0].1.clone().unwrap();
        (to.manifest_text(&new).unwrap(), done.unsigned, to)
    };
    let (same, unsigned, to) = again("same", "", None);
    assert_eq!(same, text);
    assert!(unsigned.is_empty() && to.stored_payload("example.com", &certificates[1]).is_ok());
    for (to, transform, publisher) in [
        ("changed", "<transform set name=pkg.summary -> edit value a b>", None),
        ("renamed", "", Some("other")),
    ] {
        let (changed, unsigned, _) = again(to, transform, publisher);
        assert!(!changed.contains("signature"), "{changed}");
        assert_eq!(unsigned, std::slice::from_ref(&fmri));
    }
    // Whoever takes them away himself need not be told.
    let (none, unsigned, _) = again("bare", "<transform signature -> drop>", None);
    assert!(!none.contains("signature ") && unsigned.is_empty(), "{none}");
}
