//! Compared with what the library that omicron itself uses makes of the same manifest.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use zone_build::Request;

use crate::common::{Bench, Published, listed};

/// Packages whose paths are absolute, so that the published library finds them from anywhere.
const COMPARED: &str = r#"
[package.one]
service_name = "one"
source.type = "local"
source.paths = [
  { from = "{{source}}/smf/first", to = "/var/svc/manifest/site/{{name}}" },
  { from = "{{source}}/tree", to = "/opt/tree" },
  { from = "{{source}}/smf/agent/manifest.xml", to = "/opt/tree/deep/agent.xml" },
]
output.type = "zone"
output.intermediate_only = true
[package.two]
service_name = "two"
source.type = "local"
source.paths = [
  { from = "{{source}}/smf/first/manifest.xml", to = "/opt/tree/deep/data" },
  { from = "{{source}}/smf/first/method.sh", to = "/lib/svc/method/two" },
]
output.type = "zone"
output.intermediate_only = true
[package.three]
service_name = "three"
source.type = "composite"
source.packages = ["one.tar.gz", "two.tar.gz"]
output.type = "zone"
[package.tool]
service_name = "tool"
source.type = "local"
source.paths = [
  { from = "{{source}}/smf/first", to = "pkg" },
  { from = "{{source}}/tree/link", to = "bin/run" },
]
output.type = "tarball"
"#;

/// Type, mode, and content, by path.
type Tree = BTreeMap<PathBuf, (&'static str, u32, Vec<u8>)>;

/// Everything that GNU tar makes of an archive. A later
/// member takes the place of an earlier one, as on a system.
fn installed(archive: &Path, place: &Path) -> Option<Tree> {
    let mut tar = verifiers::require("tar")?;
    fs::create_dir_all(place).unwrap();
    tar.args(["--no-same-owner", "-xpf"]).arg(archive).arg("-C").arg(place);
    assert!(tar.status().unwrap().success());
    let mut found = BTreeMap::new();
    let mut open = vec![place.to_owned()];
    while let Some(path) = open.pop() {
        let metadata = fs::symlink_metadata(&path).unwrap();
        let (word, content) = if metadata.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            ("directory", Vec::new())
        } else {
            ("file", fs::read(&path).unwrap())
        };
        let name = path.strip_prefix(place).unwrap().to_owned();
        if !name.as_os_str().is_empty() && name != Path::new("oxide.json") {
            let mode = metadata.permissions().mode() & 0o7777;
            found.insert(name, (word, mode, content));
        }
    }
    Some(found)
}

/// Builds all packages with the library that omicron itself uses.
fn build_as_published(bench: &Bench, target: &[(String, String)], version: &str) -> PathBuf {
    use omicron_zone_package::config;
    use omicron_zone_package::package::BuildConfig;
    use omicron_zone_package::target::TargetMap;
    let manifest = config::parse(bench.path("source/package-manifest.toml")).unwrap();
    let target = TargetMap(target.iter().cloned().collect());
    let out = camino::Utf8PathBuf::from_path_buf(bench.path("published")).unwrap();
    fs::create_dir_all(&out).unwrap();
    let build = BuildConfig { target: &target, ..BuildConfig::default() };
    for batch in manifest.packages_to_build(&target).build_order() {
        for (name, package) in batch {
            bench.runtime.block_on(package.create(name, &out, &build)).unwrap();
            let version = version.parse().unwrap();
            bench.runtime.block_on(package.stamp(name, &out, &version)).unwrap();
        }
    }
    out.join("versioned").into_std_path_buf()
}

#[test]
fn what_is_installed_is_what_the_published_library_makes() {
    let bench = Bench::with(Published::new(), COMPARED);
    let text = |path: PathBuf| path.into_os_string().into_string().unwrap();
    let target = vec![
        ("source".to_owned(), text(bench.path("source"))),
        ("name".to_owned(), "first".to_owned()),
    ];
    let published = build_as_published(&bench, &target, "4.5.6");
    bench
        .build(Request {
            preset: None,
            target,
            version: Some("4.5.6".parse().unwrap()),
            ..bench.request()
        })
        .unwrap();
    for name in ["three.tar.gz", "tool.tar"] {
        let (ours, theirs) = (bench.path("out").join(name), published.join(name));
        let ours_at = bench.path(&format!("installed/ours/{name}"));
        let theirs_at = bench.path(&format!("installed/theirs/{name}"));
        let Some(ours_made) = installed(&ours, &ours_at) else { return };
        let theirs_made = installed(&theirs, &theirs_at).unwrap();
        assert_eq!(ours_made, theirs_made, "{name}");
        assert!(ours_made.len() > 5, "{ours_made:?}");
        if name.ends_with(".gz") {
            let json = |path: &Path| -> serde_json::Value {
                serde_json::from_slice(&fs::read(path.join("oxide.json")).unwrap()).unwrap()
            };
            assert_eq!(json(&ours_at), json(&theirs_at));
            // Theirs has one file twice; no path comes twice in ours.
            let names: Vec<_> = listed(&theirs).unwrap();
            assert_eq!(names.iter().filter(|l| l.ends_with(" root/opt/tree/deep/data")).count(), 2);
            let names: Vec<_> = listed(&ours).unwrap();
            assert_eq!(names.iter().filter(|l| l.ends_with(" root/opt/tree/deep/data")).count(), 1);
        }
    }
}
